"""How each far side is opened: email, SMS over SMPP and over HTTP; push is `push_far_sides`.

An entry of `FAR_SIDES` opens one; `test_channels` asks the same of every one. What only one provider does is tested
beside that provider. Where to read next: `far_side`, `test_channels`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from tests.conformance.far_side import HTTP_PATIENT, FarSide, Maker, Opener, Wish, behind, pause, refused_by
from tests.conformance.push_far_sides import over_apns, over_fcm, over_web_push
from tests.support import sms_providers
from tests.support.allowance import Allowance
from tests.support.letters import UNHURRIED, email, smtp
from tests.support.proxy import Proxy
from tests.support.sink import Manners, Sink
from tests.support.smpp_server.centre import Centre
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_providers import TwilioStandIn, VonageStandIn
from tests.support.sms_stand_in import Fate, StandIn, number
from tests.support.texts import smpp, sms

RUN: Final = "0123456789ab" * 2
_SMTP: Final = replace(UNHURRIED, first_pause=0.1, longest_pause=1.0, unreachable=1.0)
"""Pauses long enough to be told apart from none, and a relay that cannot be reached soon told so."""


@asynccontextmanager
async def over_smtp(wish: Wish) -> AsyncIterator[FarSide]:
    """The scripted sink."""
    login: dict[str, Any] = {"username": "news", "password": "wrong"} if wish.stranger else {}
    async with (
        Sink(Manners(users={"news": "right"}), allowance=Allowance(wish.per_second)) as sink,
        Proxy(sink.port) as line,
        smtp(line.port, _SMTP, **login) as channel,
    ):

        async def arrived() -> list[str]:
            return sink.recipients()

        def to(script: str) -> Maker:
            return lambda n: email(f"{script}+{n}@town.test")

        yield FarSide(
            channel,
            line,
            good=to("ok"),
            refused=to("5xx-rcpt"),
            deferred=to("4xx-dot"),
            unanswered=to("cut-after-dot"),
            silent=to("silent-after-dot"),
            address=lambda message: str(message.rcpt_to),
            arrived=arrived,
            too_fast=refused_by(sink.allowance),
            tells_broken_off=True,
        )


@asynccontextmanager
async def over_smpp(wish: Wish) -> AsyncIterator[FarSide]:
    """The SMPP server of npm."""
    fates = {"492": {"status": 0x0B}, "493": {"status": 0x08}, "494": {"silent": True}}
    password = "wrong" if wish.stranger else "secret"
    async with (
        Centre(fates=fates, perSecond=wish.per_second or 0) as centre,
        Proxy(centre.port) as line,
        smpp(line.port, password=password) as channel,
    ):

        async def arrived() -> list[str]:
            return [f"+{one['destination']}" for one in await centre.submits()]

        def to(start: str) -> Maker:
            return lambda n: sms(f"{start}{n:07d}", key=f"{RUN}-{n}")

        async def too_fast() -> int:
            return (await centre.counts())["refused"]

        makers = to("+491"), to("+492"), to("+493"), to("+494"), to("+494")
        yield FarSide(channel, line, *makers, lambda message: str(message.to), arrived, too_fast)


def over_http(kind: type[StandIn]) -> Opener:
    """A stand-in of an SMS provider. What it takes carries our delivery id."""

    @asynccontextmanager
    async def opened(wish: Wish) -> AsyncIterator[FarSide]:
        batches: dict[str, Any] = {"batch_size": 1} if wish.alone and kind in {BirdStandIn, SignedStandIn} else {}
        async with (
            kind(is_expired=wish.stranger, retry_after=pause(wish), allowance=Allowance(wish.per_second)) as far,
            behind(far) as line,
            sms_providers.over(far, HTTP_PATIENT, **batches) as channel,
        ):

            async def arrived() -> list[str]:
                return [one.to for one in far.taken]

            def to(fate: Fate) -> Maker:
                return lambda n: sms(number(fate, n), key=f"{RUN}-{n}")

            yield FarSide(
                channel,
                line,
                good=to(Fate.TAKEN),
                refused=to(Fate.WRONG_NUMBER),
                deferred=to(Fate.THROTTLED),
                unanswered=to(Fate.CUT),
                silent=to(Fate.SILENT),
                address=lambda message: str(message.to),
                arrived=arrived,
                too_fast=refused_by(far.allowance),
                keys=lambda: [one.key for one in far.taken],
            )

    return opened


FAR_SIDES: Final[Mapping[str, Opener]] = {
    "smtp": over_smtp,
    "smpp": over_smpp,
    "twilio": over_http(TwilioStandIn),
    "vonage": over_http(VonageStandIn),
    "bird": over_http(BirdStandIn),
    "aws": over_http(AwsStandIn),
    "signed-http": over_http(SignedStandIn),
    "fcm": over_fcm,
    "apns": over_apns,
    "web-push": over_web_push,
}
