"""SMPP 3.4 on the wire: bytes to protocol data units (PDUs), and the units we send to bytes.

Owns the layout (§3.2, §4 and §5.3 of the specification, issue 1.2) and the bounds: what is longer than `PDU_LIMIT`,
shorter than a header or cut off in a field is never taken for something else. Pure. Where to read next: `statuses`
(what an answer means), `submission` (the body of a message), `bind` (who talks).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

HEADER: Final = struct.Struct(">IIII")
"""command_length, command_id, command_status, sequence_number."""
_HEADER_SIZE: Final = HEADER.size
_TLV: Final = struct.Struct(">HH")

PDU_LIMIT: Final = 16_384
"""Octets of one PDU we read. A deliver_sm of 255 parts in a message_payload would be larger; nobody sends that."""
SEQUENCE_LIMIT: Final = 0x7FFFFFFF
"""§3.2: sequence numbers go from 1 to this, then begin again."""

GENERIC_NACK: Final = 0x80000000
SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
DELIVER_SM: Final = 0x00000005
DELIVER_SM_RESP: Final = 0x80000005
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
BIND_TRANSCEIVER: Final = 0x00000009
BIND_TRANSCEIVER_RESP: Final = 0x80000009
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
DATA_SM_RESP: Final = 0x80000103
IS_RESPONSE: Final = 0x80000000

SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
RECEIPTED_MESSAGE_ID: Final = 0x001E
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

ESM_CLASS_UDH: Final = 0x40
"""§5.2.12: the text begins with a user data header."""

# service_type; kind, plan and address of source and destination; esm_class; then what each of the two has of its own.
_ADDRESSES: Final = rb"[^\0]{0,5}\0(.).([^\0]{0,64})\0(.).([^\0]{0,64})\0(.)"
_LAYOUTS: Final = {
    # protocol_id, priority_flag, two times, registered_delivery, replace_if_present; data_coding; sm_default_msg_id.
    DELIVER_SM: re.compile(_ADDRESSES + rb"..[^\0]{0,16}\0[^\0]{0,16}\0..(.).(.)", re.DOTALL),
    # registered_delivery; data_coding; there is no short_message.
    DATA_SM: re.compile(_ADDRESSES + rb".(.)()", re.DOTALL),
}


class Garbled(Exception):
    """Bytes that are no SMPP, or a PDU whose fields do not fit into it."""


class Pdu(NamedTuple):
    """One unit as it came: its header without the length, and the body as it is."""

    command: int
    status: int
    sequence: int
    body: bytes


class Message(NamedTuple):
    """The fields of a deliver_sm or data_sm that say something to us; `text` may have come as message_payload."""

    source: str
    source_ton: int
    destination: str
    destination_ton: int
    esm_class: int
    data_coding: int
    text: bytes
    optional: Mapping[int, bytes]


class Reader:
    """Cuts what arrives into PDUs, however the network cut it."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> tuple[list[Pdu], str | None]:
        """Takes bytes; gives the units that are whole now, and what is wrong with those behind them, if anything is.

        After a fault there is no telling where the next unit begins: the connection can only be dropped.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        units: list[Pdu] = []
        while end - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if not _HEADER_SIZE <= length <= PDU_LIMIT:
                self._rest = b""
                return units, f"a PDU of {length} octets"
            if end - at < length:
                break
            _, command, status, sequence = HEADER.unpack_from(data, at)
            units.append(Pdu(command, status, sequence, data[at + _HEADER_SIZE : at + length]))
            at += length
        self._rest = data[at:]
        return units, None


def unit(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """A PDU as bytes."""
    return HEADER.pack(_HEADER_SIZE + len(body), command, status, sequence) + body


def c_string(text: str) -> bytes:
    """A C-Octet String (§3.1). Raises: ValueError when the text cannot be one."""
    octets = text.encode("ascii")
    if 0 in octets:
        raise ValueError("a C-Octet String ends at its first zero")
    return octets + b"\0"


def optional(tag: int, value: bytes) -> bytes:
    """An optional parameter (§3.2.4): tag, length, value."""
    return _TLV.pack(tag, len(value)) + value


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """The body of a bind_transceiver (§4.1.5), version 3.4, for every address the account has. Raises: ValueError."""
    return c_string(system_id) + c_string(password) + c_string(system_type) + b"\x34\0\0\0"


def read_id(body: bytes) -> str:
    """The first C-Octet String of an answer: a message_id, or who the other side says it is; empty when there is none.

    Some centres leave the closing zero out.
    """
    return body.partition(b"\0")[0].decode("latin-1")


def read_message(pdu: Pdu) -> Message:
    """The fields of a deliver_sm (§4.6.1) or data_sm (§4.7.1). Raises: Garbled."""
    body = pdu.body
    found = _LAYOUTS[pdu.command].match(body)
    if found is None:
        raise Garbled("an address without an end, or cut off")
    source_kind, source, destination_kind, destination, esm_class, coding, length = found.groups()
    at = found.end() + (length[0] if length else 0)
    if at > len(body):
        raise Garbled("the text is cut off")
    text, tags = body[found.end() : at], _read_optionals(body, at)
    return Message(
        source.decode("latin-1"),
        source_kind[0],
        destination.decode("latin-1"),
        destination_kind[0],
        esm_class[0],
        coding[0],
        text or tags.get(MESSAGE_PAYLOAD, b""),
        tags,
    )


def _read_optionals(body: bytes, at: int) -> dict[int, bytes]:
    """Optional parameters by tag, from this octet to the end; of two with the same tag the first counts."""
    found: dict[int, bytes] = {}
    while at < len(body):
        if at + _TLV.size > len(body):
            raise Garbled(f"cut off at octet {at}")
        tag, length = _TLV.unpack_from(body, at)
        at += _TLV.size + length
        if at > len(body):
            raise Garbled(f"a parameter of {length} octets is cut off")
        found.setdefault(tag, body[at - length : at])
    return found
