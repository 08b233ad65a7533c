"""Against servers nobody here wrote: a real Postfix with TLS and AUTH, and Postfix's `smtp-sink` in its many moods."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.letters import email, sent_through, sent_to, smtp
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port
from tests.support.postfix import NAME, WORD, Postfix, running_postfix, why_not
from tests.support.sink import Sink

from clarion.adapters.channels.smtp import Timeouts
from clarion.domain.outcome import Reason, Verdict
from clarion.domain.providers.provider import Security

SMTP_SINK = Path("/usr/sbin/smtp-sink")
PATIENT = Timeouts(
    connect=PATIENCE_S,
    greeting=PATIENCE_S,
    command=PATIENCE_S,
    data=PATIENCE_S,
    dot=PATIENCE_S,
    unreachable=PATIENCE_S,
    drain=PATIENCE_S,
)
FAR = replace(PATIENT, far=-1.0)
"""Any server counts as far away: messages are sent ahead of answers, by CHUNKING."""
needs_postfix = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")
needs_smtp_sink = pytest.mark.skipif(not SMTP_SINK.exists(), reason="Postfix's smtp-sink is not installed")


@dataclass(frozen=True, slots=True)
class Relayed:
    """A Postfix and the sink it relays to."""

    postfix: Postfix
    sink: Sink


@pytest.fixture(scope="module")
async def relayed() -> AsyncIterator[Relayed]:
    async with Sink() as sink, running_postfix(sink.port) as postfix:
        yield Relayed(postfix, sink)


@needs_postfix
@pytest.mark.parametrize("timeouts", [PATIENT, FAR], ids=["near", "far"])
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_real_postfix_takes_every_message_once_over_tls_with_login(
    relayed: Relayed, security: Security, timeouts: Timeouts
) -> None:
    postfix = relayed.postfix
    port = postfix.starttls_port if security is Security.STARTTLS else postfix.tls_port
    ca_file = str(postfix.certificates.ca_file)
    messages = [
        email(f"reader{number}@{security}.test", f"Subject: für {number}\r\n\r\n..{number}\r\n".encode(), is_8bit=True)
        for number in range(200)
    ]
    before = len(relayed.sink.accepted)
    async with smtp(port, timeouts, security=security, ca_file=ca_file, username=NAME, password=WORD) as channel:
        outcomes = await sent_through(channel, messages)
    assert Counter(outcome.verdict for outcome in outcomes) == {Verdict.SENT: len(messages)}
    assert all("queued as" in outcome.reply for outcome in outcomes)
    await relayed.sink.wait_accepted(before + len(messages))
    arrived = relayed.sink.accepted[before:]
    assert sorted(acceptance.rcpt_to for acceptance in arrived) == sorted((message.rcpt_to,) for message in messages)
    for acceptance in arrived:
        number = acceptance.rcpt_to[0].partition("@")[0].removeprefix("reader")
        assert acceptance.data.endswith(f"\r\n\r\n.{number}\r\n".encode())


@needs_postfix
@pytest.mark.parametrize("timeouts", [PATIENT, FAR], ids=["near", "far"])
async def test_a_real_postfix_refusal_is_understood(relayed: Relayed, timeouts: Timeouts) -> None:
    postfix = relayed.postfix
    settings = {"security": Security.TLS, "ca_file": str(postfix.certificates.ca_file), "username": NAME}
    async with smtp(postfix.tls_port, timeouts, password=WORD, **settings) as channel:
        unknown, later, sent = await sent_to(channel, "nobody@town.test", "later@town.test", "reader@town.test")
        (too_big,) = await sent_through(
            channel, [email("reader@town.test", b"Subject: big\r\n\r\n" + b"y\r\n" * 99_999)]
        )
    assert (unknown.verdict, unknown.reason) == (Verdict.FAILED, Reason.ADDRESS_UNKNOWN)
    assert (later.verdict, later.reason) == (Verdict.RETRY, Reason.DEFERRED)
    assert (too_big.verdict, too_big.reason) == (Verdict.FAILED, Reason.TOO_BIG)
    assert sent.verdict is Verdict.SENT


@needs_postfix
async def test_t13_a_real_postfix_is_not_told_a_wrong_password_twice_nor_trusted_unverified(relayed: Relayed) -> None:
    postfix = relayed.postfix
    ca_file = str(postfix.certificates.ca_file)
    port = postfix.starttls_port
    async with smtp(port, PATIENT, security=Security.STARTTLS, ca_file=ca_file, username=NAME, password="no") as wrong:
        assert (await wrong.probe()).reason is Reason.AUTH_FAILED
    async with smtp(port, PATIENT, security=Security.STARTTLS, username=NAME, password=WORD) as unverified:
        assert (await unverified.probe()).reason is Reason.TLS_FAILED
    async with smtp(port, PATIENT, username=NAME, password=WORD) as plaintext:
        assert (await plaintext.probe()).reason is Reason.AUTH_FAILED


@needs_smtp_sink
@pytest.mark.parametrize(
    ("flags", "verdict", "reason"),
    [
        ([], Verdict.SENT, None),
        (["-p"], Verdict.SENT, None),
        (["-8"], Verdict.SENT, None),
        (["-e"], Verdict.SENT, None),
        (["-p", "-8", "-a"], Verdict.SENT, None),
        (["-f", "ehlo"], Verdict.SENT, None),
        (["-r", "mail"], Verdict.RETRY, Reason.DEFERRED),
        (["-r", "rcpt"], Verdict.RETRY, Reason.DEFERRED),
        (["-f", "rcpt"], Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (["-q", "rcpt"], Verdict.RETRY, Reason.CONNECTION_LOST),
        (["-r", "data"], Verdict.RETRY, Reason.DEFERRED),
        (["-f", "data"], Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (["-r", "."], Verdict.RETRY, Reason.DEFERRED),
        (["-f", "."], Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (["-q", "."], Verdict.UNKNOWN, Reason.NO_ANSWER),
        (["-f", "quit"], Verdict.SENT, None),
    ],
    ids=lambda value: "".join(value) or "plain" if isinstance(value, list) else None,
)
async def test_f39_f40_f41_smtp_sink_in_every_mood_is_understood(
    flags: list[str], verdict: Verdict, reason: Reason | None
) -> None:
    port = free_port()
    rights = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(SMTP_SINK, *rights, *flags, f"127.0.0.1:{port}", "100")
    try:
        async with smtp(port, PATIENT) as channel:
            # It starts to listen in its own time; the channel knocks until it does.
            outcomes = await sent_to(channel, *[f"reader{number}@town.test" for number in range(3)])
    finally:
        process.terminate()
        await process.wait()
    assert (outcomes[0].verdict, outcomes[0].reason) == (verdict, reason)
    assert {outcome.verdict for outcome in outcomes} <= {verdict, Verdict.RETRY}
