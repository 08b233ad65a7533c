"""TLS and login (T13): secrets travel only inside verified TLS or on this machine, and nothing falls back."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support import letters
from tests.support.certificates import Certificates, make_certificates
from tests.support.letters import UNHURRIED, sent_to
from tests.support.sink import Manners, Sink

from clarion.adapters.channels.smtp import opening
from clarion.domain.outcome import Reason, Verdict
from clarion.domain.providers.provider import Security

smtp = partial(letters.smtp, timeouts=UNHURRIED)
USERS = {"news": "pässword"}
LOGIN: dict[str, Any] = {"username": "news", "password": "pässword"}
BOTH_WAYS = pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def secured(security: Security, **settings: object) -> Manners:
    return Manners(
        implicit_tls=security is Security.TLS,
        starttls=security is Security.STARTTLS,
        **settings,  # type: ignore[arg-type]
    )


@BOTH_WAYS
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_mail_goes_out_over_verified_tls_after_login(
    certificates: Certificates, security: Security, mechanism: str
) -> None:
    manners = secured(security, users=USERS, mechanisms=(mechanism,), login_required=True)
    async with (
        Sink(manners, tls=certificates.server_context()) as sink,
        smtp(sink.port, security=security, ca_file=str(certificates.ca_file), **LOGIN) as channel,
    ):
        addresses = [f"reader{number}@town.test" for number in range(50)]
        outcomes = await sent_to(channel, *addresses)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(sink.recipients()) == sorted(addresses)
        assert (await channel.probe()).verdict is Verdict.SENT


@BOTH_WAYS
async def test_t13_a_certificate_nobody_vouches_for_is_refused(certificates: Certificates, security: Security) -> None:
    async with (
        Sink(secured(security, users=USERS), tls=certificates.server_context()) as sink,
        smtp(sink.port, security=security, **LOGIN) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert "certificate" in outcome.reply.lower()
        assert sink.accepted == []
        assert not any(command.startswith("AUTH") for command in sink.commands)


@BOTH_WAYS
async def test_t13_a_certificate_for_another_name_is_refused(tmp_path: Path, security: Security) -> None:
    other = make_certificates(tmp_path, host="relay.test")
    async with (
        Sink(secured(security), tls=other.server_context()) as sink,
        smtp(sink.port, security=security, ca_file=str(other.ca_file)) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert sink.accepted == []


async def test_t13_an_unreadable_ca_file_is_said_and_stops_everything(tmp_path: Path) -> None:
    async with (
        Sink(secured(Security.STARTTLS)) as sink,
        smtp(sink.port, security=Security.STARTTLS, ca_file=str(tmp_path / "absent.pem")) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert "absent.pem" in outcome.reply
        assert sink.connections == 0


async def test_t13_f42_a_stripped_starttls_stops_everything_before_anything_is_said(certificates: Certificates) -> None:
    async with (
        Sink(Manners(starttls=False, users=USERS)) as sink,
        smtp(sink.port, security=Security.STARTTLS, ca_file=str(certificates.ca_file), **LOGIN) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert {command.split()[0] for command in sink.commands} == {"EHLO"}


@pytest.mark.parametrize(
    "reply",
    [b"220 go ahead\r\n250-evil.test\r\n250 AUTH PLAIN\r\n", b"220 go ahead\r\n25"],
    ids=["whole reply", "piece of a reply"],
)
async def test_t13_plaintext_smuggled_behind_starttls_is_refused(certificates: Certificates, reply: bytes) -> None:
    async with (
        Sink(secured(Security.STARTTLS, starttls_reply=reply), tls=certificates.server_context()) as sink,
        smtp(sink.port, security=Security.STARTTLS, ca_file=str(certificates.ca_file), **LOGIN) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert sink.accepted == []


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", b"502 5.5.1 no\r\n"])
async def test_t13_a_refused_starttls_is_not_answered_with_plaintext(certificates: Certificates, reply: bytes) -> None:
    async with (
        Sink(secured(Security.STARTTLS, starttls_reply=reply), tls=certificates.server_context()) as sink,
        smtp(sink.port, security=Security.STARTTLS, ca_file=str(certificates.ca_file)) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert outcome.reply == reply.decode().strip()
        assert {command.split()[0] for command in sink.commands} == {"EHLO", "STARTTLS"}


async def test_t13_a_plaintext_server_behind_implicit_tls_is_a_tls_failure(certificates: Certificates) -> None:
    async with (
        Sink() as sink,
        smtp(sink.port, security=Security.TLS, ca_file=str(certificates.ca_file)) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        assert sink.commands == []


async def test_t13_f42_a_handshake_broken_off_is_not_answered_with_plaintext(certificates: Certificates) -> None:
    heard: list[bytes] = []

    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x.test\r\n")
        heard.append(await reader.readline())
        writer.write(b"250-x.test\r\n250 STARTTLS\r\n")
        heard.append(await reader.readline())
        writer.write(b"220 go ahead\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(breaks_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, smtp(port, security=Security.STARTTLS, ca_file=str(certificates.ca_file), **LOGIN) as channel:
        (outcome,) = await sent_to(channel, "reader@town.test")
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
    assert {line.split()[0] for line in heard} == {b"EHLO", b"STARTTLS"}


async def test_a_wrong_password_is_the_routes_fault_for_every_message() -> None:
    async with Sink(Manners(users=USERS)) as sink, smtp(sink.port, username="news", password="wrong") as channel:
        outcomes = await sent_to(channel, *[f"reader{number}@town.test" for number in range(30)])
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.RETRY, Reason.AUTH_FAILED)}
        assert outcomes[0].reply == "535 5.7.8 wrong name or password"
        assert sink.accepted == []


async def test_a_server_that_stops_wanting_logins_is_told_by_its_words() -> None:
    manners = Manners(users=USERS, auth_reply=b"454 4.7.0 temporary\r\n")
    async with Sink(manners) as sink, smtp(sink.port, **LOGIN) as channel:
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)


async def test_a_server_without_a_known_mechanism_never_sees_the_password() -> None:
    async with (
        Sink(Manners(users=USERS, mechanisms=("CRAM-MD5", "GSSAPI"))) as sink,
        smtp(sink.port, **LOGIN) as channel,
    ):
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert {command.split()[0] for command in sink.commands} == {"EHLO"}


async def test_t13_without_tls_a_password_leaves_the_machine_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_is_loopback", lambda _connection: False)
    async with Sink(Manners(users=USERS)) as sink, smtp(sink.port, **LOGIN) as channel:
        (outcome,) = await sent_to(channel, "reader@town.test")
        assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
        assert not any(command.startswith("AUTH") for command in sink.commands)


async def test_no_outcome_ever_repeats_the_password() -> None:
    secret = b64encode(b"\0news\0" + LOGIN["password"].encode()).decode()
    manners = Manners(users={"news": "another"}, auth_reply=b"535 5.7.8 no\r\n")
    async with Sink(manners) as sink, smtp(sink.port, **LOGIN) as channel:
        outcomes = [await channel.probe(), *await sent_to(channel, "reader@town.test")]
        assert not any(secret in outcome.reply or LOGIN["password"] in outcome.reply for outcome in outcomes)
