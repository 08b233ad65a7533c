"""The message centre and the push service of the crash gates: both take, count and read every message (I11, I12).

They stand where `witness` stands for mail, in the process of the gate, so that what was taken is known whoever dies.
The centre speaks just enough SMPP 3.4 to be fast, and shares no line with the client. Where to read next: `observer`.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol, Self

from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.apns_server import ApnsServer
from tests.support.push_providers import device, pem
from tests.support.sink import Acceptance

WORD: Final = "canary-{{ contact.externalId }}-canary"
_FOUND: Final = re.compile(rb"canary-[a-z]+-(\d+)-canary")
PREFIX: Final = "+491512"
_BIND, _SUBMIT, _UNBIND, _ENQUIRE = 0x09, 0x04, 0x06, 0x15  # SMPP 3.4 §5.1.2.1; an answer has the highest bit too
ANSWER_AFTER_S: Final = 0.05
"""The gap in which a dying worker cannot know that its message was taken; a run is long enough to be hurt."""
WINDOW: Final = 4
"""How many messages of a worker wait for that."""


class Observed(Protocol):
    """What the observer asks of whoever takes the messages of a gate."""

    accepted: list[Acceptance]
    copies: Counter[str]
    problems: list[str]

    @staticmethod
    def number_of(address: str) -> int:
        """The number in an address of the scene."""
        ...


class Reader:
    """Counts copies and reads words. `faults` say by the last two digits of whom to treat how."""

    def __init__(self, faults: Mapping[str, range] = MappingProxyType({})) -> None:
        self.accepted: list[Acceptance] = []
        self.copies: Counter[str] = Counter()
        self.problems: list[str] = []
        self._faults = faults
        self._put_off: set[str] = set()

    def fault_of(self, address: str, number: int) -> str:
        """What happens to a message now; who is `deferred` is so once."""
        fault = next((name for name, numbers in self._faults.items() if number % 100 in numbers), "")
        if fault == "deferred" and address in self._put_off:
            return ""
        self._put_off.add(address)
        return fault

    def read(self, address: str, number: int, text: bytes) -> None:
        """Records a message and looks whose words are in it."""
        self.copies[address] += 1
        self.accepted.append(Acceptance(time.time(), "", (address,), b""))
        words = {int(found) for found in _FOUND.findall(text)}
        if words != {number}:
            self.problems.append(f"I12: {address} got the words of {sorted(words) or 'nobody'}")


class Centre(Reader):
    """A message centre: binds anybody, takes every submit_sm, answers a little later."""

    port = 0

    @staticmethod
    def number_of(address: str) -> int:
        """The number in an address of the scene."""
        return int(address.removeprefix(PREFIX))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Session(self), "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def submit(self, body: bytes) -> int:
        """Takes a submit_sm, or says with which status it is not taken."""
        address, text = _submitted(body)
        number = self.number_of(address)
        match self.fault_of(address, number):
            case "refused":
                return 0x0B  # ESME_RINVDSTADR
            case "deferred":
                return 0x08  # ESME_RSYSERR
        self.read(address, number, text)
        return 0


def _submitted(body: bytes) -> tuple[str, bytes]:
    """The destination and the text of a submit_sm (§4.4.1)."""
    _, _, rest = body.partition(b"\0")  # service_type
    _, _, rest = rest[2:].partition(b"\0")  # source
    destination, _, rest = rest[2:].partition(b"\0")
    _, _, rest = rest[3:].partition(b"\0")  # schedule_delivery_time, after three octets of flags
    _, _, rest = rest.partition(b"\0")  # validity_period
    return f"+{destination.decode().lstrip('+')}", rest[5 : 5 + rest[4]]


class _Session(asyncio.Protocol):
    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._heard = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while len(self._heard) >= 16 and len(self._heard) >= (length := struct.unpack_from(">I", self._heard)[0]):
            pdu, self._heard = self._heard[:length], self._heard[length:]
            _, command, _, sequence = struct.unpack_from(">IIII", pdu)
            self._answer(command, sequence, pdu[16:])

    def _answer(self, command: int, sequence: int, body: bytes) -> None:
        if command == _BIND:
            self._say(_BIND, 0, sequence, b"centre\0")
        elif command == _SUBMIT:
            status = self._centre.submit(body)
            name = b"" if status else b"%d\0" % len(self._centre.accepted)
            self._loop.call_later(ANSWER_AFTER_S, self._say, _SUBMIT, status, sequence, name)
        elif command in {_UNBIND, _ENQUIRE}:
            self._say(command, 0, sequence, b"")

    def _say(self, command: int, status: int, sequence: int, body: bytes) -> None:
        if not self._transport.is_closing():
            head = struct.pack(">IIII", 16 + len(body), 0x80000000 | command, status, sequence)
            self._transport.write(head + body)


class PushService(Reader, ApnsServer):
    """The stand-in for APNs, which reads what it takes."""

    def __init__(self, faults: Mapping[str, range] = MappingProxyType({})) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        ApnsServer.__init__(self, key.public_key(), keeps=False, max_streams=WINDOW)
        Reader.__init__(self, faults)
        self.private_key = pem(key)

    @staticmethod
    def number_of(address: str) -> int:
        """The number in an address of the scene."""
        return int(address, 16) - int(device(0), 16)

    def verdict(self, headers: dict[str, str], body: bytes) -> str:
        """The reason why a message is not taken, "" when it is."""
        token = headers[":path"].rpartition("/")[2]
        reasons: dict[str, Any] = {"refused": "Unregistered", "deferred": "TooManyRequests", "": ""}
        fault = self.fault_of(token, self.number_of(token)) if set(token) != {"0"} else ""
        return super().verdict(headers, body) or str(reasons.get(fault, ""))

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Records an acceptance and reads it."""
        token = headers[":path"].rpartition("/")[2]
        self.read(token, self.number_of(token), body)

    async def __aexit__(self, *of: object) -> None:
        self.problems += self.complaints
        await super().__aexit__(*of)
