"""One far side a channel: a stand-in or real server on loopback, a channel to it, and whom to write to for which fate.

An entry of `FAR_SIDES` opens it; `test_channels` asks the same of every one. What only one provider does is tested
beside that provider. Where to read next: `test_channels`.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import push_providers, sms_providers
from tests.support.apns_server import ApnsServer, Fault
from tests.support.certificates import make_certificates
from tests.support.fcm_server import FcmServer, service_pem
from tests.support.letters import email, smtp
from tests.support.push_providers import device, pem, push, to_browser
from tests.support.sink import Manners, Sink
from tests.support.smpp_server.centre import Centre
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_providers import TwilioStandIn, VonageStandIn
from tests.support.sms_stand_in import Fate, StandIn, number
from tests.support.texts import PATIENT, smpp, sms

from clarion.adapters.channels.push.web_push import topic
from clarion.application.ports.channel import Channel
from clarion.rendering.push import WirePush

RUN: Final = "0123456789ab" * 2
Maker = Callable[[int], Any]
"""Makes a message from a number; another number is another recipient."""


@dataclass(frozen=True, slots=True)
class FarSide:
    """A channel under test and the other side of it.

    `refused` is refused for good, `deferred` for now, `unanswered` taken without an answer. `keys` are the delivery ids
    the other side was told, as it was told them by `key_of`; empty where the protocol has no place for one.
    """

    channel: Channel[Any]
    good: Maker
    refused: Maker
    deferred: Maker
    unanswered: Maker
    address: Callable[[Any], str]
    arrived: Callable[[], Awaitable[list[str]]]
    keys: Callable[[], Sequence[str]] | None = None
    key_of: Callable[[str], str] = str


class Opener(Protocol):
    """Opens a far side. `alone`: one message a request; `stranger`: with a credential that is not taken."""

    def __call__(self, *, alone: bool = False, stranger: bool = False) -> AbstractAsyncContextManager[FarSide]: ...


@asynccontextmanager
async def over_smtp(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:  # noqa: ARG001 - always
    """The scripted sink."""
    login: dict[str, Any] = {"username": "news", "password": "wrong"} if stranger else {}
    async with Sink(Manners(users={"news": "right"})) as sink, smtp(sink.port, **login) as channel:

        async def arrived() -> list[str]:
            return sink.recipients()

        yield FarSide(
            channel,
            good=lambda n: email(f"ok+{n}@town.test"),
            refused=lambda n: email(f"5xx-rcpt+{n}@town.test"),
            deferred=lambda n: email(f"4xx-dot+{n}@town.test"),
            unanswered=lambda n: email(f"cut-after-dot+{n}@town.test"),
            address=lambda message: str(message.rcpt_to),
            arrived=arrived,
        )


@asynccontextmanager
async def over_smpp(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:
    """The SMPP server of npm. Only where an answer is missing is one waited for briefly."""
    timers = replace(PATIENT, response=2.0) if alone else PATIENT
    fates = {"492": {"status": 0x0B}, "493": {"status": 0x08}, "494": {"silent": True}}
    password = "wrong" if stranger else "secret"
    async with Centre(fates=fates) as centre, smpp(centre.port, None, timers, password=password) as channel:

        async def arrived() -> list[str]:
            return [f"+{one['destination']}" for one in await centre.submits()]

        def to(start: str) -> Maker:
            return lambda n: sms(f"{start}{n:07d}", key=f"{RUN}-{n}")

        yield FarSide(channel, to("+491"), to("+492"), to("+493"), to("+494"), lambda message: str(message.to), arrived)


def over_http(kind: type[StandIn]) -> Opener:
    """A stand-in of an SMS provider. What it takes carries our delivery id."""

    @asynccontextmanager
    async def opened(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:
        batches: dict[str, Any] = {"batch_size": 1} if alone and kind in {BirdStandIn, SignedStandIn} else {}
        async with kind(is_expired=stranger) as far, sms_providers.over(far, **batches) as channel:

            async def arrived() -> list[str]:
                return [one.to for one in far.taken]

            def to(fate: Fate) -> Maker:
                return lambda n: sms(number(fate, n), key=f"{RUN}-{n}")

            yield FarSide(
                channel,
                good=to(Fate.TAKEN),
                refused=to(Fate.WRONG_NUMBER),
                deferred=to(Fate.THROTTLED),
                unanswered=to(Fate.CUT),
                address=lambda message: str(message.to),
                arrived=arrived,
                keys=lambda: [one.key for one in far.taken],
            )

    return opened


def _token_of(message: WirePush) -> str:
    return message.token


def _devices(fates: dict[str, Any], refused: Any, deferred: Any, unanswered: Any) -> tuple[Maker, Maker, Maker, Maker]:
    """Makers of push messages that tell the server what to do with each device."""

    def to(part: int, fate: Any) -> Maker:
        def made(n: int) -> Any:
            token = device(part * 100_000 + n)
            if fate:
                fates[token] = fate
            return push(token, n + 1)

        return made

    return to(0, None), to(1, refused), to(2, deferred), to(3, unanswered)


@asynccontextmanager
async def over_apns(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:  # noqa: ARG001 - always
    """APNs over HTTP/2."""
    key = pem(ec.generate_private_key(ec.SECP256R1())) if stranger else None
    async with push_providers.apns(private_key=key, max_streams=50) as (server, channel):
        makers = _devices(server.fates, "Unregistered", "ServiceUnavailable", Fault.RESET)
        yield FarSide(channel, *makers, _token_of, _taken(server, stranger=stranger), lambda: _collapse_ids(server))


def _collapse_ids(server: ApnsServer) -> list[str]:
    return [arrival.headers["apns-collapse-id"] for arrival in server.arrivals]


@asynccontextmanager
async def over_fcm(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:  # noqa: ARG001 - always
    """FCM, with its token server."""
    key = service_pem(1) if stranger else None
    async with push_providers.fcm(sms_providers.BRISK, private_key=key) as (server, channel):
        makers = _devices(server.fates, "UNREGISTERED", "UNAVAILABLE", Fate.CUT)
        yield FarSide(channel, *makers, _token_of, _taken(server, stranger=stranger), lambda: _collapse_keys(server))


def _collapse_keys(server: FcmServer) -> list[str]:
    return [str(arrival["android"]["collapse_key"]) for arrival in server.arrivals]


@asynccontextmanager
async def over_web_push(*, alone: bool = False, stranger: bool = False) -> AsyncIterator[FarSide]:  # noqa: ARG001 - always
    """A push service of browsers, which are told by their endpoints."""
    fates: Mapping[str, Any] = {"good": None, "refused": 410, "deferred": 429, "unanswered": Fate.CUT}
    key = "none" if stranger else None  # what a push service says of a key may be a stranger's word, and blames nobody
    with tempfile.TemporaryDirectory() as name:
        certificates = make_certificates(Path(name))
        async with push_providers.web_push(certificates, sms_providers.BRISK, private_key=key) as (server, channel):

            def to(fate: Any) -> Maker:
                def made(n: int) -> Any:
                    subscription = server.subscribe()
                    if fate:
                        server.fates[subscription.endpoint] = fate
                    return to_browser(subscription, n + 1)

                return made

            yield FarSide(
                channel,
                **{word: to(fate) for word, fate in fates.items()},
                address=_token_of,
                arrived=_taken(server, stranger=stranger),
                keys=lambda: [arrival.headers["Topic"] for arrival in server.arrivals],
                key_of=topic,
            )


def _taken(server: Any, *, stranger: bool) -> Callable[[], Awaitable[list[str]]]:
    async def arrived() -> list[str]:
        assert stranger or server.complaints == []
        return list(server.recipients())

    return arrived


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
