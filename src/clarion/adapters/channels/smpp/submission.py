"""A message as submit_sm: addresses with their kinds, the encoding, and the ways to say that parts belong together.

Owns the body of a submit_sm (SMPP 3.4 §4.4.1). What a campaign's messages have in common is built once per originator.
Pure; never talks. Where to read next: `rendering/sms_encoding` (alphabets and parts), `bind` (who sends it).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from clarion.adapters.channels.smpp.pdu import (
    ESM_CLASS_UDH,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    c_string,
    optional,
)
from clarion.domain.providers.smpp import Concatenation, SmppBind
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import Encoding, octets_of

_ALPHANUMERIC: Final = b"\x05\x00"
_INTERNATIONAL: Final = b"\x01\x01"
"""§5.2.5 type of number, §5.2.6 numbering plan: international in E.164."""
_DATA_CODING: Final = {Encoding.GSM: 0x00, Encoding.UCS2: 0x08}
"""§5.2.19: the centre's default alphabet, which is GSM 03.38 with one septet an octet; UCS-2, big end first."""
_ORIGINATORS_KEPT: Final = 1_000
_UDH_8_BIT: Final = b"\x05\x00\x03"
"""TS 23.040 §9.2.3.24.1: five octets follow; element 0, three octets: reference, how many parts, which one."""


class Submissions:
    """Writes messages as bodies of submit_sm for one account at one centre."""

    __slots__ = ("_bind", "_fronts", "_middle")

    def __init__(self, bind: SmppBind) -> None:
        self._bind = bind
        self._fronts: dict[str, bytes] = {}
        # protocol_id, priority_flag and schedule_delivery_time are the centre's own; after the validity a receipt is
        # wanted, whatever the end (§5.2.17), and nothing is replaced.
        self._middle = b"\0\0\0" + c_string(_validity(bind.validity_seconds)) + b"\x01\0"

    def bodies(self, message: WireSms) -> list[bytes]:
        """The bodies of the submit_sm that carry a message, in the order of its parts.

        The reference of the parts comes from the message's key: when the same message goes out once more, a phone
        takes its parts for those it has. Raises: ValueError when a field cannot be said in SMPP.
        """
        front = self._fronts.get(message.from_) or self._front(message.from_)
        front += message.to.lstrip("+").encode("ascii") + b"\0"
        coding = _DATA_CODING[message.encoding]
        parts = message.parts
        if len(parts) == 1:
            return [self._body(front, 0, coding, octets_of(parts[0], message.encoding))]
        if self._bind.concatenation is Concatenation.PAYLOAD:
            text = octets_of(message.text, message.encoding)
            return [self._body(front, 0, coding, b"") + optional(MESSAGE_PAYLOAD, text)]
        reference, total = crc32(message.key.encode()), len(parts)
        octets = [octets_of(part, message.encoding) for part in parts]
        if self._bind.concatenation is Concatenation.SAR:
            tags = optional(SAR_MSG_REF_NUM, (reference & 0xFFFF).to_bytes(2, "big"))
            tags += optional(SAR_TOTAL_SEGMENTS, bytes((total,)))
            return [
                self._body(front, 0, coding, text) + tags + optional(SAR_SEGMENT_SEQNUM, bytes((number,)))
                for number, text in enumerate(octets, 1)
            ]
        return [
            self._body(front, ESM_CLASS_UDH, coding, _UDH_8_BIT + bytes((reference & 0xFF, total, number)) + text)
            for number, text in enumerate(octets, 1)
        ]

    def _body(self, front: bytes, esm_class: int, coding: int, text: bytes) -> bytes:
        return b"%b%c%b%c\0%c%b" % (front, esm_class, self._middle, coding, len(text), text)

    def _front(self, originator: str) -> bytes:
        """service_type and the source address, up to the kind of the destination's number."""
        kind = self._kind(originator)
        front = c_string(self._bind.service_type) + kind + c_string(originator.lstrip("+")) + _INTERNATIONAL
        if len(self._fronts) >= _ORIGINATORS_KEPT:
            self._fronts.clear()
        self._fronts[originator] = front
        return front

    def _kind(self, originator: str) -> bytes:
        if originator.startswith("+"):
            return _INTERNATIONAL
        if originator.isascii() and originator.isdigit():
            return bytes((self._bind.short_code_ton, self._bind.short_code_npi))
        return _ALPHANUMERIC


def _validity(seconds: int | None) -> str:
    """A validity_period in the relative format (§7.1.1.2): years, months, days, hours, minutes, seconds, tenths."""
    if seconds is None:
        return ""
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"0000{days:02}{hours:02}{minutes:02}{left:02}000R"
