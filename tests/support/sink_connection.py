"""One client of the scripted sink: the commands of an SMTP server.

Strict about order, syntax and announced extensions. Where next: `sink_wire` for lines, data and misbehaviour.
"""

from __future__ import annotations

import asyncio
import binascii
import re
import time
from base64 import b64decode
from typing import TYPE_CHECKING

from tests.support.sink_script import read_script
from tests.support.sink_wire import SinkWire

if TYPE_CHECKING:
    from tests.support.sink import Sink

_PATH = re.compile(r"(?:FROM|TO):<([^<>\s]*)>((?: [^\s]+)*)", re.IGNORECASE)


class SinkConnection(SinkWire):
    """Obeys commands, and hands what it accepts to its sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._secure = sink.manners.implicit_tls
        self._user: str | None = None
        self._done = 0
        self._forget()

    def _obey(self, line: str) -> None:
        self._sink.commands.append(line)
        verb, _, rest = line.partition(" ")
        act = getattr(self, f"_on_{verb.lower()}", None)
        if act is None or not verb.isascii() or not verb.isalpha():
            self._say(b"500 5.5.2 unknown command\r\n")
        else:
            act(rest)

    def _forget(self) -> None:
        self._from: str | None = None
        self._parameters: tuple[str, ...] = ()
        self._to: list[str] = []
        self._script = None

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
        words += ["CHUNKING"] if manners.chunking else []
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
        elif self._sink.allowance.is_used_up():
            self._hang_up(b"421 4.7.0 too many messages, slow down\r\n")
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

    def _on_bdat(self, rest: str) -> None:
        size, _, last = rest.partition(" ")
        if not self._manners.chunking or last != "LAST" or not size.isdigit():
            self._hang_up(b"501 5.5.4 no such chunk\r\n")
        else:
            self._begin_chunk(int(size))

    def _on_chunk(self, data: bytes) -> None:
        """A whole message that came by its length; it was taken off the wire whatever became of its envelope."""
        if self._from is None or not self._to:
            self._say(b"503 5.5.1 need RCPT first\r\n")
        elif not self._act(self._script, "data"):
            stuffed = data.replace(b"\r\n.", b"\r\n..")
            self._on_dot(b"." + stuffed if data.startswith(b".") else stuffed)

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
            answer = f"250 2.0.0 accepted as {self._number}-{self._done}\r\n".encode()
            if self._sink.is_holding:
                self._hold_back(answer)
                return
            self._say(answer)
            self._act(script, "after-answer")

    def _record(self, sender: str, recipients: tuple[str, ...], data: bytes, parameters: tuple[str, ...]) -> None:
        from tests.support.sink import Acceptance  # noqa: PLC0415 - the sink imports its connections

        plain = data.replace(b"\r\n..", b"\r\n.")
        plain = plain[1:] if plain.startswith(b"..") else plain
        self._sink.accept(Acceptance(time.time(), sender, recipients, plain, parameters, self._number))


def _unwrap(text: bytes) -> str:
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
