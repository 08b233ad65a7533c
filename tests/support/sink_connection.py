"""One client of the scripted sink: the SMTP server side as a strict state machine.

Only CRLF ends a line and only CRLF.CRLF ends data. Commands are answered in one write as far as they have come, so a
pipelining client sees one packet. Where next: `sink_script` for what can be asked of it.
"""

from __future__ import annotations

import asyncio
import binascii
import re
import socket
import struct
import time
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tests.support.sink_script import Script, read_script

if TYPE_CHECKING:
    from tests.support.sink import Sink

_END = b"\r\n.\r\n"
_PATH = re.compile(r"(?:FROM|TO):<([^<>\s]*)>((?: [^\s]+)*)", re.IGNORECASE)
_LINE_LIMIT = 4096


class SinkConnection(asyncio.Protocol):
    """Reads commands, follows scripts, hands acceptances to its sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._manners = sink.manners
        sink.connections += 1
        self._number = sink.connections
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._held = False
        self._secure = sink.manners.implicit_tls
        self._user: str | None = None
        self._asking: Callable[[bytes], None] | None = None
        self._done = 0
        self._in_data = False
        self._searched = 0
        self._forget()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sink.open_connections.add(self)
        self._sink.most_open = max(self._sink.most_open, len(self._sink.open_connections))
        if self._manners.silent:
            self._held = True
            return
        self._transport.write(self._manners.greeting)
        if not self._manners.greeting.startswith(b"2"):
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._sink.open_connections.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def cut(self) -> None:
        """Hangs up without a word, unread input and all: the client sees a reset."""
        self._held = True
        self._transport.abort()

    # the machine

    def _work(self) -> None:
        while not self._held and (self._take_data() if self._in_data else self._take_line()):
            pass
        self._flush()

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _LINE_LIMIT:
                self._hang_up(b"500 5.5.2 line too long\r\n")
            return False
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n") or b"\0" in line or b"\r" in line[:-2]:
            self._hang_up(b"554 5.5.2 bare LF, CR or NUL\r\n")
            return False
        if self._asking is not None:
            asking, self._asking = self._asking, None
            asking(line[:-2])
        else:
            self._obey(line[:-2].decode("utf-8", "surrogateescape"))
        return True

    def _obey(self, line: str) -> None:
        self._sink.commands.append(line)
        verb, _, rest = line.partition(" ")
        act = getattr(self, f"_on_{verb.lower()}", None)
        if act is None or not verb.isascii() or not verb.isalpha():
            self._say(b"500 5.5.2 unknown command\r\n")
        else:
            act(rest)

    def _say(self, reply: bytes) -> None:
        self._out.append(reply)

    def _forget(self) -> None:
        self._from: str | None = None
        self._parameters: tuple[str, ...] = ()
        self._to: list[str] = []
        self._script: Script | None = None

    # commands

    def _on_ehlo(self, rest: str) -> None:
        if not self._manners.ehlo or not rest:
            self._say(b"500 5.5.1 unknown command\r\n")
            return
        self._forget()
        self._say(self._manners.ehlo_reply or self._announcement())

    def _announcement(self) -> bytes:
        manners = self._manners
        words = ["sink.test greets you"]
        words += ["PIPELINING"] if manners.pipelining else []
        words += ["8BITMIME"] if manners.eightbitmime else []
        words += ["SMTPUTF8"] if manners.smtputf8 else []
        words += [f"SIZE {manners.size}"] if manners.size is not None else []
        words += ["STARTTLS"] if manners.starttls and not self._secure else []
        words += [f"AUTH {' '.join(manners.mechanisms)}"] if manners.users else []
        words.append("ENHANCEDSTATUSCODES")
        lines = [f"250-{word}\r\n" for word in words[:-1]]
        return "".join([*lines, f"250 {words[-1]}\r\n"]).encode()

    def _on_helo(self, rest: str) -> None:
        self._forget()
        self._say(b"250 sink.test\r\n" if rest else b"501 5.5.4 HELO who?\r\n")

    def _on_noop(self, _rest: str) -> None:
        self._say(b"250 2.0.0 ok\r\n")

    def _on_rset(self, _rest: str) -> None:
        self._forget()
        self._say(b"250 2.0.0 ok\r\n")

    def _on_quit(self, _rest: str) -> None:
        self._hang_up(b"221 2.0.0 bye\r\n")

    def _on_starttls(self, _rest: str) -> None:
        if self._sink.tls is None or not self._manners.starttls or self._secure:
            self._say(b"502 5.5.1 no STARTTLS here\r\n")
            return
        self._say(self._manners.starttls_reply)
        self._flush()
        self._held = True
        self._buffer.clear()
        if self._manners.starttls_reply.startswith(b"220"):
            self._securing = asyncio.get_running_loop().create_task(self._secure_it(self._sink.tls))
        else:
            self._held = False

    async def _secure_it(self, context: object) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(self._transport, self, context, server_side=True)  # type: ignore[arg-type]
        except OSError:
            return
        if secured is None:
            return
        self._transport = secured
        self._secure = True
        self._held = False
        self._forget()
        self._work()

    def _on_auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if self._manners.auth_reply is not None:
            self._say(self._manners.auth_reply)
        elif mechanism.upper() not in self._manners.mechanisms:
            self._say(b"504 5.5.4 unknown mechanism\r\n")
        elif mechanism.upper() == "LOGIN":
            self._say(b"334 VXNlcm5hbWU6\r\n")
            self._asking = self._on_login_name
        else:
            self._log_in(_unwrap(initial.encode()).split("\0")[1:])

    def _on_login_name(self, line: bytes) -> None:
        name = _unwrap(line)
        self._say(b"334 UGFzc3dvcmQ6\r\n")
        self._asking = lambda word: self._log_in([name, _unwrap(word)])

    def _log_in(self, pair: list[str]) -> None:
        if len(pair) == 2 and pair[0] in self._manners.users and self._manners.users[pair[0]] == pair[1]:
            self._user = pair[0]
            self._say(b"235 2.7.0 welcome\r\n")
        else:
            self._say(b"535 5.7.8 wrong name or password\r\n")

    def _on_mail(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if self._manners.login_required and self._user is None:
            self._say(b"530 5.7.0 log in first\r\n")
        elif self._from is not None:
            self._say(b"503 5.5.1 nested MAIL\r\n")
        elif found is None:
            self._say(b"501 5.5.4 syntax\r\n")
        elif self._done == self._manners.messages_per_connection:
            self._hang_up(b"421 4.7.0 enough for one connection\r\n")
        elif (trouble := self._trouble_with(found)) is not None:
            self._say(trouble)
        elif not self._act(read_script(found[1]), "mail"):
            self._from = found[1]
            self._parameters = tuple(found[2].split())
            self._say(b"250 2.1.0 ok\r\n")

    def _trouble_with(self, path: re.Match[str]) -> bytes | None:
        words = {word.partition("=")[0].upper() for word in path[2].split()}
        known = {"BODY"} if self._manners.eightbitmime else set()
        known |= {"SMTPUTF8"} if self._manners.smtputf8 else set()
        known |= {"SIZE"} if self._manners.size is not None else set()
        if words - known:
            return b"555 5.5.4 unknown parameter\r\n"
        if not path[1].isascii() and "SMTPUTF8" not in words:
            return b"553 5.6.7 SMTPUTF8 needed\r\n"
        return None

    def _on_rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if self._from is None:
            self._say(b"503 5.5.1 MAIL first\r\n")
        elif found is None:
            self._say(b"501 5.1.3 syntax\r\n")
        elif not found[1].isascii() and "SMTPUTF8" not in self._parameters:
            self._say(b"553 5.6.7 SMTPUTF8 needed\r\n")
        else:
            self._script = read_script(found[1])
            if not self._grey(found[1]) and not self._act(self._script, "rcpt"):
                self._to.append(found[1])
                self._say(b"250 2.1.5 ok\r\n")

    def _grey(self, address: str) -> bool:
        if self._script is None or self._script.act != "grey":
            return False
        if address in self._sink.seen_before:
            self._script = None
            return False
        self._sink.seen_before.add(address)
        self._say(self._script.reply)
        return True

    def _on_data(self, _rest: str) -> None:
        if self._from is None or not self._to:
            # Either answer is allowed (RFC 2920 §3.1); a recipient called for the unfriendly one.
            if self._script is not None and self._script.at == "rcpt" and self._script.reply.startswith(b"551"):
                self._begin_data()
            else:
                self._say(b"554 5.5.1 no valid recipients\r\n" if self._from else b"503 5.5.1 MAIL first\r\n")
        elif not self._act(self._script, "data"):
            self._begin_data()

    def _begin_data(self) -> None:
        self._in_data = True
        # A CRLF in front lets a lone dot end an empty message.
        self._buffer[:0] = b"\r\n"
        self._say(b"354 end with a dot\r\n")

    def _take_data(self) -> bool:
        if self._script is not None and self._script.at == "mid-data" and len(self._buffer) > 2:
            self._act(self._script, "mid-data")
            return False
        end = self._buffer.find(_END, self._searched)
        if end < 0:
            # Where the end may begin: the last four bytes are looked at again.
            self._searched = max(0, len(self._buffer) - len(_END) + 1)
            return False
        self._searched = 0
        data = bytes(self._buffer[2 : end + 2])
        del self._buffer[: end + len(_END)]
        self._in_data = False
        self._on_dot(data)
        return True

    def _on_dot(self, data: bytes) -> None:
        script, sender, recipients = self._script, self._from, tuple(self._to)
        parameters = self._parameters
        self._forget()
        if not recipients:
            self._say(b"554 5.5.1 no valid recipients\r\n")
            return
        if self._act(script, "dot"):
            return
        self._done += 1
        self._record(sender or "", recipients, data, parameters)
        if script is not None and script.act == "slow":
            self._hold(script.delay_s, b"250 2.0.0 accepted at last\r\n")
        elif not self._act(script, "after-dot"):
            self._say(f"250 2.0.0 accepted as {self._number}-{self._done}\r\n".encode())
            self._act(script, "after-answer")

    def _record(self, sender: str, recipients: tuple[str, ...], data: bytes, parameters: tuple[str, ...]) -> None:
        from tests.support.sink import Acceptance  # noqa: PLC0415 - the sink imports its connections

        plain = data.replace(b"\r\n..", b"\r\n.")
        plain = plain[1:] if plain.startswith(b"..") else plain
        self._sink.accept(Acceptance(time.time(), sender, recipients, plain, parameters, self._number))

    # misbehaviour

    def _act(self, script: Script | None, at: str) -> bool:
        """Does what is asked for at this point; True when that took the place of the usual answer."""
        if script is None or script.at != at:
            return False
        if script.act == "answer":
            self._say(script.reply)
        elif script.act == "hang-up":
            self._hang_up(script.reply)
        elif script.act == "cut":
            self._cut(at)
        elif script.act == "silent":
            self._flush()
            self._held = True
        elif script.act == "garbage":
            self._say(b"\x00\xff\x1b[31mHTTP/1.1 200 OK\r\n\r\n")
        elif script.act == "endless":
            self._say(b"250 " + b"x" * 10_000_000)
        elif script.act == "rambling":
            self._say(b"250-more\r\n" * 1_000_000)
        elif script.act == "drip":
            self._drip()
        return script.act != "grey"

    def _cut(self, at: str) -> None:
        self._flush()
        self._held = True
        if at == "after-answer":
            # Linger 0: the answer may be lost in the reset, as when a machine behind a balancer dies.
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _hang_up(self, reply: bytes) -> None:
        self._say(reply)
        self._flush()
        self._held = True
        self._transport.close()

    def _hold(self, seconds: float, reply: bytes) -> None:
        self._flush()
        self._held = True
        asyncio.get_running_loop().call_later(seconds, self._resume, reply)

    def _resume(self, reply: bytes) -> None:
        self._held = False
        self._say(reply)
        self._work()

    def _drip(self) -> None:
        self._flush()
        self._held = True
        if not self._transport.is_closing():
            self._transport.write(b"2")
            asyncio.get_running_loop().call_later(0.02, self._drip)


def _unwrap(text: bytes) -> str:
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
