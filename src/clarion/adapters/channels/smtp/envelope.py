"""One message's command group: `MAIL`, `RCPT`, `DATA` with the parameters the server announced.

Owns the last guard before the wire (an address that could end a command, a message the server told us not to bring)
and the choice between the 8-bit and the 7-bit form. Never writes; that is `exchange`.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.adapters.channels.smtp.capabilities import Capabilities
from clarion.domain.outcome import Outcome, Reason
from clarion.rendering.email import WireEmail

_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\x9f<>\u2028\u2029\ud800-\udfff]")
_UNWRITABLE: Final = Outcome.failed(Reason.INVALID_ADDRESS, "the address cannot be written in an SMTP command")
_NO_SMTPUTF8: Final = Outcome.failed(Reason.UNSUPPORTED_ADDRESS, "the server does not take non-ASCII addresses")
_EIGHT_BIT: Final = Outcome.failed(Reason.MESSAGE_REJECTED, "the server takes 7-bit messages only")


class Addresser:
    """Writes command groups for one server."""

    __slots__ = ("_can", "_mail_from", "_mail_line")

    def __init__(self, can: Capabilities) -> None:
        self._can = can
        self._mail_from: str | None = None
        self._mail_line: str | Outcome = ""

    def address(self, message: WireEmail) -> tuple[bytes, bytes] | Outcome:
        """The command group and the data to send after it, or why this server cannot be given the message."""
        recipient = message.rcpt_to
        if message.mail_from != self._mail_from:
            self._mail_line = self._line_of(message.mail_from)
            self._mail_from = message.mail_from
        line = self._mail_line
        if isinstance(line, Outcome):
            return line
        if _UNSAFE.search(recipient):
            return _UNWRITABLE
        if message.needs_smtputf8 or not recipient.isascii():
            if not self._can.smtputf8:
                return _NO_SMTPUTF8
            if not line.endswith(" SMTPUTF8"):
                line += " SMTPUTF8"
        return self._group(line, recipient, message)

    def _group(self, line: str, recipient: str, message: WireEmail) -> tuple[bytes, bytes] | Outcome:
        can = self._can
        data = message.data
        if message.is_8bit:
            if can.eightbitmime:
                line += " BODY=8BITMIME"
            else:
                data = message.seven_bit().data
                if not data.isascii():
                    return _EIGHT_BIT
        if can.size:
            if 0 < can.size_limit < len(data):
                return Outcome.failed(Reason.TOO_BIG, f"{len(data)} bytes; the server takes {can.size_limit} at most")
            line = f"{line} SIZE={len(data)}"
        return f"{line}\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode(), data

    def _line_of(self, mail_from: str) -> str | Outcome:
        if _UNSAFE.search(mail_from):
            return _UNWRITABLE
        if mail_from.isascii():
            return f"MAIL FROM:<{mail_from}>"
        return f"MAIL FROM:<{mail_from}> SMTPUTF8" if self._can.smtputf8 else _NO_SMTPUTF8
