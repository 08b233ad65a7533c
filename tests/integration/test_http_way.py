"""One HTTP request: whether its body can have arrived, and how little the other side can do to us."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.certificates import make_certificates
from tests.support.sms_providers import BRISK

from clarion.adapters.channels.http import Exchange, HttpWay, Request
from clarion.adapters.channels.http_answers import ANSWER_LIMIT, Answer
from clarion.domain.outcome import Outcome, Reason, Verdict

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/send"


@asynccontextmanager
async def way(**settings: object) -> AsyncIterator[HttpWay]:
    opened = HttpWay(**{"max_connections": 2, "timeouts": BRISK, **settings})  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        await opened.aclose()


async def asked(url: str, body: bytes = b"{}", **settings: object) -> Answer | Outcome:
    async with way(**settings) as opened:
        return await opened.ask(Request(url, body, {"Content-Type": "application/json"}))


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The head of a request; its body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return head


def outcome_of(answer: Answer | Outcome) -> tuple[Verdict, Reason | None]:
    assert isinstance(answer, Outcome), answer
    return answer.verdict, answer.reason


async def test_f42_nobody_there_is_definite() -> None:
    assert outcome_of(await asked("http://127.0.0.1:1/send")) == (Verdict.RETRY, Reason.CONNECTION_FAILED)
    assert outcome_of(await asked("http://no-such-host.invalid/")) == (Verdict.RETRY, Reason.CONNECTION_FAILED)


async def test_f42_a_certificate_nobody_vouches_for_is_definite(tmp_path: Path) -> None:
    context = make_certificates(tmp_path).server_context()
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        answer = await asked(f"https://127.0.0.1:{port}/send")
    assert outcome_of(answer) == (Verdict.RETRY, Reason.TLS_FAILED)


async def test_f43_a_body_that_did_not_leave_whole_is_definite() -> None:
    async def cut_early(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with server(cut_early) as url:
        answer = await asked(url, b"x" * 40_000_000)
    assert outcome_of(answer) == (Verdict.RETRY, Reason.CONNECTION_LOST)


async def test_f49_a_body_that_may_have_arrived_is_uncertain() -> None:
    async def cut_late(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 mail.test ESMTP\r\n\r\n")
        await writer.drain()

    for script in (cut_late, garble):
        async with server(script) as url:
            assert outcome_of(await asked(url)) == (Verdict.UNKNOWN, Reason.NO_ANSWER)


async def test_f47_a_byte_now_and_then_does_not_renew_the_time_for_an_answer() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    # Long enough for the first line of the answer, which a machine that stands still reads late.
    async with server(drip) as url:
        answer = await asked(url, timeouts=replace(BRISK, answer=6.0))
    assert isinstance(answer, Answer)
    assert (answer.status, answer.is_whole) == (200, False)


async def test_a_cancelled_request_knows_what_it_came_to() -> None:
    arrived = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()

    async with server(keep_silent) as url, way() as opened:
        exchange = Exchange(opened, Request(url, b"{}", {}))
        assert exchange.lost("not begun").verdict is Verdict.RETRY
        running = asyncio.ensure_future(exchange.run())
        await arrived.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert exchange.lost("closing").verdict is Verdict.UNKNOWN


async def test_t33_answers_are_cut_and_never_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    async def explode(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_request(reader)
        assert b"accept-encoding: identity" in head.lower()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
        await writer.drain()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async with server(explode) as url:
        packed = await asked(url)
    async with server(flood) as url:
        endless = await asked(url)
    assert isinstance(packed, Answer)
    assert packed.body == bomb
    assert isinstance(endless, Answer)
    assert (len(endless.body), endless.is_whole) == (ANSWER_LIMIT, False)


async def test_t32_redirects_are_not_followed_cookies_not_kept_proxies_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    heads: list[bytes] = []

    async def lure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            heads.append(await read_request(reader))
            writer.write(
                b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nSet-Cookie: a=b; Path=/\r\n"
                b"Content-Length: 0\r\n\r\n"
            )

    async with server(lure) as url, way() as opened:
        answers = [await opened.ask(Request(url, b"{}", {})) for _ in range(2)]
    assert [isinstance(one, Answer) and one.status for one in answers] == [307, 307]
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
async def test_t30_an_address_of_a_private_network_is_not_connected_to(host: str) -> None:
    connected = asyncio.Event()

    async def notice(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        connected.set()

    async with server(notice) as url:
        answer = await asked(url.replace("127.0.0.1", host), public_only=True)
    assert outcome_of(answer) == (Verdict.RETRY, Reason.CONNECTION_FAILED)
    assert not connected.is_set()
