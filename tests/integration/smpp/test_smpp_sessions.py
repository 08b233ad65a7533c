"""How sessions with a message centre begin, stay alive and end; the centre is the npm package `smpp`, not ours."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.support.certificates import make_certificates
from tests.support.patience import PATIENCE_S
from tests.support.smpp_server.centre import Centre
from tests.support.texts import PATIENT, Tray, number, sent_through, smpp, sms

from clarion.adapters.channels.smpp import SmppChannel
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Reason, Verdict
from clarion.domain.providers.provider import Security


async def test_a_refused_login_is_told_at_once_and_blames_no_message(centre: Centre) -> None:
    async with smpp(centre.port, password="wrong") as channel:
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
        (outcome,) = await sent_through(channel, [sms(number(1))])
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.AUTH_FAILED)
    async with smpp(centre.port, password="wörtlich") as channel:
        assert (await channel.probe()).reason is Reason.AUTH_FAILED
    await centre.set(bindStatus=0x58)
    async with smpp(centre.port) as channel:
        assert (await channel.probe()).reason is Reason.THROTTLED
    await centre.set(bindStatus=0x05)
    async with smpp(centre.port) as channel:
        assert (await channel.probe()).reply == "ready; the centre says that we are bound already"


async def test_a_probe_binds_and_leaves(centre: Centre) -> None:
    async with smpp(centre.port) as channel:
        assert (await channel.probe()).verdict is Verdict.SENT
    counts = await centre.counts()
    assert (counts["binds"], counts["unbinds"], counts["taken"]) == (1, 1, 0)


async def test_a_centre_that_allows_one_session_gets_everything_over_that_one(centre: Centre) -> None:
    await centre.set(binds=1)
    async with smpp(centre.port, max_connections=4, window=10) as channel:
        outcomes = await sent_through(channel, [sms(number(n)) for n in range(500)])
    assert {one.verdict for one in outcomes} == {Verdict.SENT}
    assert (await centre.counts())["binds"] == 1


async def test_both_sides_ask_whether_the_other_is_there(centre: Centre) -> None:
    timers = replace(PATIENT, enquire=0.3, alive=5.0, bind=3.0)
    async with smpp(centre.port, timers=timers) as channel:
        channel.stay()
        await centre.until("open", 1)
        assert await centre.ask("ask", "enquire_link") == {"command": "enquire_link_resp", "status": 0}
        await centre.until("enquiries", 1)
        assert (await centre.counts())["binds"] == 1
        await centre.set(isSilent=True)
        (outcome,) = await sent_through(channel, [sms(number(1))])
        assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, Reason.NO_ANSWER)
        await centre.set(isSilent=False)
        await centre.until("binds", 2)


async def test_time_in_which_the_process_stood_still_is_no_wait_for_a_bind(centre: Centre) -> None:
    async with smpp(centre.port, timers=replace(PATIENT, unreachable=1.0)) as channel:
        window = Window([sms(number(1))])
        channel.send(window)
        time.sleep(1.2)  # noqa: ASYNC251 - stops the loop on purpose
        assert await window.wait(PATIENCE_S)
        assert [outcome.verdict for _, outcome in window.drain()] == [Verdict.SENT]


async def test_a_centre_that_ends_the_session_is_agreed_with_and_bound_to_again(centre: Centre) -> None:
    async with smpp(centre.port) as channel:
        assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        assert await centre.ask("ask", "unbind") == {"command": "unbind_resp", "status": 0}
        assert (await sent_through(channel, [sms(number(2))]))[0].verdict is Verdict.SENT
    assert (await centre.counts())["binds"] == 2


async def test_nobody_gets_through_with_what_is_no_smpp(centre: Centre) -> None:
    tray = Tray()
    async with smpp(centre.port, tray) as channel:
        channel.stay()
        await centre.until("open", 1)
        cut = bytes.fromhex("0000001400000005000000000000000941424344")
        unheard_of = bytes.fromhex("00000010000000210000000000000008")
        await centre.ask("write", (cut + unheard_of).hex())
        assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        await centre.ask("write", "ffffffff00000005")
        await centre.until("binds", 2)
        assert (await sent_through(channel, [sms(number(2))]))[0].verdict is Verdict.SENT
    assert tray.news == []


async def test_tls_is_verified_and_never_done_without(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    async with Centre(certificates) as secure:
        trusted = str(certificates.ca_file)
        async with smpp(secure.port, security=Security.TLS, ca_file=trusted) as channel:
            assert (await sent_through(channel, [sms(number(1))]))[0].verdict is Verdict.SENT
        soon = replace(PATIENT, unreachable=5.0)
        async with smpp(secure.port, timers=soon, security=Security.TLS) as channel:
            (outcome,) = await sent_through(channel, [sms(number(2))])
            assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.TLS_FAILED)
        async with smpp(secure.port, security=Security.TLS, ca_file="nowhere.pem") as channel:
            assert (await channel.probe()).reason is Reason.TLS_FAILED
        assert (await secure.counts())["taken"] == 1


async def test_closing_settles_everything_and_unbinds(centre: Centre) -> None:
    await centre.set(delayMs=20)
    async with smpp(centre.port, window=50) as channel:
        window = Window([sms(number(n)) for n in range(5000)])
        channel.send(window)
        await centre.until("taken", 1)
        await channel.aclose()
        assert window.open == 0
        verdicts = Counter(outcome.verdict for _, outcome in window.drain())
        assert set(verdicts) == {Verdict.SENT, Verdict.RETRY}
        assert verdicts[Verdict.SENT] == (await centre.counts())["taken"]
        assert (await centre.counts())["unbinds"] == 1
        await closed(channel)


async def closed(channel: SmppChannel) -> None:
    (outcome,) = await sent_through(channel, [sms(number(1))])
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, Reason.CONNECTION_LOST)
