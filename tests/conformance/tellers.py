"""Providers that tell later what became of a message: each one's channel, and its news as its own protocol writes it.

An entry of `TELLERS` opens one; `test_channel_receipts` asks the same of every one. Owns no delivery and applies
nothing. Where to read next: `test_channel_receipts`, `tests/support/sms_callbacks`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache
from typing import Any, Final, Protocol

from tests.support import sms_callbacks, sms_providers
from tests.support.smpp_server.centre import PASSWORD, Centre
from tests.support.sms_batch_providers import AwsStandIn, BirdStandIn, SignedStandIn
from tests.support.sms_providers import TwilioStandIn, VonageStandIn
from tests.support.sms_stand_in import StandIn, Taken
from tests.support.texts import PATIENT, account

from clarion.adapters.channels.providers import CALLBACKS
from clarion.adapters.channels.smpp import SmppChannel
from clarion.adapters.channels.sms_http.aws import AwsCallbacks
from clarion.adapters.channels.sms_http.sns import Certificates
from clarion.application.ports.channel import Channel
from clarion.application.ports.receipts import Callback, Callbacks, Confirmation, Inbox, ReceiptState
from clarion.domain.ids import Id

HOOK: Final = "https://clarion.example/hooks/0123456789ab0123456789ab"
ACCEPTED, DELIVERED, FAILED = ReceiptState.ACCEPTED, ReceiptState.DELIVERED, ReceiptState.FAILED
Told = tuple[Taken, ReceiptState]


class Signer(Enum):
    """Whose secret a call is signed with."""

    PROVIDER = auto()
    STRANGER = auto()


Write = Callable[[StandIn, Told, Signer], Callback]
"""What a provider calls with to tell us something."""


class Teller(Protocol):
    """One provider under test."""

    @property
    def channel(self) -> Channel[Any]:
        """The way out to it."""
        ...

    async def taken(self) -> Sequence[Taken]:
        """What it took, with its own names."""
        ...

    async def tell(self, told: Sequence[Told]) -> None:
        """Tells us, and is done when we said that we have it."""
        ...

    def forged(self, told: Told) -> Sequence[Callback]:
        """Calls that look like its own and are not; none over a connection that we made ourselves."""
        ...

    def read(self, call: Callback) -> Sequence[Any]:
        """Reads a call as its sender's reader does. Raises Forged."""
        ...


@dataclass(frozen=True, slots=True)
class HttpTeller:
    """A stand-in that calls back."""

    far: StandIn
    channel: Channel[Any]
    inbox: Inbox
    reader: Callbacks
    write: Write

    async def taken(self) -> Sequence[Taken]:
        return self.far.taken

    async def tell(self, told: Sequence[Told]) -> None:
        for one in told:
            call = self.write(self.far, one, Signer.PROVIDER)
            await self.reader.prepare(call)
            await self.inbox.put([news for news in self.reader.read(call) if not isinstance(news, Confirmation)])

    def forged(self, told: Told) -> Sequence[Callback]:
        taken, _ = told
        strange = self.write(self.far, told, Signer.STRANGER)
        good, other = (self.write(self.far, (taken, state), Signer.PROVIDER) for state in (DELIVERED, FAILED))
        if b'"Signature"' not in good.body:
            return [strange, good._replace(body=other.body), good._replace(headers={})]
        signature = json.loads(good.body)["Signature"]  # it is a part of the body
        edited = json.dumps({**json.loads(other.body), "Signature": signature})
        return [strange, good._replace(body=edited.encode())]

    def read(self, call: Callback) -> Sequence[Any]:
        return self.reader.read(call)


@dataclass(frozen=True, slots=True)
class SmppTeller:
    """A message centre that tells over the bind."""

    centre: Centre
    channel: SmppChannel

    async def taken(self) -> Sequence[Taken]:
        return [Taken(f"+{one['destination']}", one["text"], "", one["id"]) for one in await self.centre.submits()]

    async def tell(self, told: Sequence[Told]) -> None:
        words = {ACCEPTED: "ACCEPTD", DELIVERED: "DELIVRD", FAILED: "UNDELIV"}
        for taken, state in told:
            text = f"id:{taken.name} sub:001 dlvrd:001 submit date:2611211200 done date:2611211201 stat:{words[state]}"
            whole = f"{text} err:000 text:"
            said = {"source_addr": taken.to[1:], "source_addr_ton": 1, "destination_addr": "12345", "esm_class": 4}
            assert await self.centre.deliver(whole.encode(), **said) == 0, "not acknowledged"

    def forged(self, told: Told) -> Sequence[Callback]:  # noqa: ARG002 - nobody else speaks on our own bind
        return []

    def read(self, call: Callback) -> Sequence[Any]:
        raise AssertionError(call)


class Opener(Protocol):
    """Opens a provider for one sender."""

    def __call__(self, sender_id: Id, inbox: Inbox) -> AbstractAsyncContextManager[Teller]: ...


@asynccontextmanager
async def over_smpp(sender_id: Id, inbox: Inbox) -> AsyncIterator[Teller]:
    """The SMPP server of npm."""
    async with Centre() as centre:
        ground = replace(sms_providers.ground(), sender_id=sender_id, inbox=inbox)
        channel = SmppChannel(account(centre.port), password=PASSWORD, ground=ground, timers=PATIENT)
        try:
            channel.stay()
            yield SmppTeller(centre, channel)
        finally:
            await channel.aclose()


def over_http(kind: type[StandIn], write: Write) -> Opener:
    """A stand-in of an SMS provider."""

    @asynccontextmanager
    async def opened(sender_id: Id, inbox: Inbox) -> AsyncIterator[Teller]:
        async with kind() as far, sms_providers.over(far) as channel:
            ground = replace(sms_providers.ground(), sender_id=sender_id)
            reader: Callbacks
            if isinstance(far, AwsStandIn):
                reader = AwsCallbacks(far.provider, sender_id, Certificates(_sns(far.topic, Signer.PROVIDER).fetch))
            else:
                reader = CALLBACKS[far.provider.name](far.provider, far.secrets, ground)
            yield HttpTeller(far, channel, inbox, reader, write)

    return opened


def _twilio(far: StandIn, told: Told, signer: Signer) -> Callback:
    assert isinstance(far, TwilioStandIn)
    taken, state = told
    word = {ACCEPTED: "sent", DELIVERED: "delivered", FAILED: "undelivered"}[state]
    form = {"AccountSid": far.account, "MessageSid": taken.name, "MessageStatus": word}
    if state is FAILED:
        form["ErrorCode"] = "30003"
    token = far.token if signer is Signer.PROVIDER else far.token[::-1]
    return sms_callbacks.twilio(f"{HOOK}?delivery={taken.key}", token, form)


def _vonage(far: StandIn, told: Told, signer: Signer) -> Callback:
    assert isinstance(far, VonageStandIn)
    taken, state = told
    word = {ACCEPTED: "submitted", DELIVERED: "delivered", FAILED: "undeliverable"}[state]
    said = {"message_uuid": taken.name, "status": word, "client_ref": taken.key, "channel": "sms"}
    secret = far.signature_secret
    return sms_callbacks.vonage(HOOK, secret if signer is Signer.PROVIDER else secret[::-1], said)


def _bird(far: StandIn, told: Told, signer: Signer) -> Callback:
    assert isinstance(far, BirdStandIn)
    taken, state = told
    word = {ACCEPTED: "sms.sent", DELIVERED: "sms.delivered", FAILED: "sms.undelivered"}[state]
    said = {"type": word, "data": {"sms_id": taken.name, "metadata": {"delivery": taken.key}}}
    secret = far.webhook_secret if signer is Signer.PROVIDER else _ANOTHER
    return sms_callbacks.standard(HOOK, said, name=f"{taken.name}:{word}", secret=secret)


def _aws(far: StandIn, told: Told, signer: Signer) -> Callback:
    assert isinstance(far, AwsStandIn)
    taken, state = told
    word = {ACCEPTED: "TEXT_SENT", DELIVERED: "TEXT_DELIVERED", FAILED: "TEXT_UNREACHABLE"}[state]
    event = {"eventType": word, "messageId": taken.name, "context": {"delivery": taken.key}}
    return _sns(far.topic, signer).notification(HOOK, event)


@cache
def _sns(topic: str, signer: Signer) -> sms_callbacks.Sns:
    """One for each signer, with a key of its own: keys take a while to make."""
    del signer
    return sms_callbacks.Sns(topic)


def _signed(far: StandIn, told: Told, signer: Signer) -> Callback:
    assert isinstance(far, SignedStandIn)
    taken, state = told
    event = {"id": f"{taken.name}:{state}", "type": state.value, "messageId": taken.key}
    secret = far.secret if signer is Signer.PROVIDER else _ANOTHER
    return sms_callbacks.standard(HOOK, {"events": [event]}, name=event["id"], secret=secret)


_ANOTHER: Final = "whsec_c2VjcmV0IG9mIGEgc3RyYW5nZXI="
TELLERS: Final[Mapping[str, Opener]] = {
    "smpp": over_smpp,
    "twilio": over_http(TwilioStandIn, _twilio),
    "vonage": over_http(VonageStandIn, _vonage),
    "bird": over_http(BirdStandIn, _bird),
    "aws": over_http(AwsStandIn, _aws),
    "signed-http": over_http(SignedStandIn, _signed),
}
