"""The email on the wire. (Skeleton: the builder is being written.)"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireEmail:
    """One email, ready for the wire.

    `data` is the whole RFC 5322 message: CRLF line ends only, dot-stuffed (RFC 5321 §4.5.2), ending in CRLF, without
    the final dot line. `seven_bit` is the same message encoded for servers without 8BITMIME, made only when needed.
    """

    mail_from: str
    rcpt_to: str
    data: bytes
    is_8bit: bool
    needs_smtputf8: bool
    message_id: str
