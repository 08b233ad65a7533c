"""A campaign on email, SMS and push over a crowd; its senders lead nowhere, or to stand-ins that take everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import stage
from tests.support.apns_server import ApnsServer
from tests.support.certificates import make_certificates
from tests.support.crowd import APP, Counts, Somebody, settle_in
from tests.support.fcm_server import FcmServer
from tests.support.push_providers import pem
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.sms_batch_providers import SignedStandIn
from tests.support.stage import Stage
from tests.support.web_push_server import WebPushServer
from tests.support.workers import SEALER

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, runs
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.content import PushContent, SmsContent
from clarion.domain.ids import Id, new_id
from clarion.domain.providers import Provider
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.providers.sms_http import SignedHttp
from clarion.domain.sender import Sender

SMS: Final = SmsContent(text="Sale today. STOP to end")
PUSH: Final = PushContent(title="Sale", body="Today only")
Way = tuple[Provider, Mapping[str, str]]
"""A provider and its secrets."""

NOWHERE: Final[tuple[Way, ...]] = (
    (SignedHttp(url="http://127.0.0.1:9/sms"), {}),
    (Apns(app=APP, topic="test.shop", team_id="TEAM456789", key_id="KEY4567890"), {}),
    (Fcm(app=APP, project_id="shop-1234", client_email="push@shop.test"), {}),
    (WebPush(app=APP, subject="mailto:push@shop.test"), {}),
)


@dataclass(frozen=True, slots=True)
class FarSides:
    """Stand-ins for a mail server, an SMS provider and three push services, all on loopback."""

    sink: Sink
    sms: SignedStandIn
    apns: ApnsServer
    fcm: FcmServer
    web: WebPushServer
    apns_key: str

    @property
    def ways(self) -> tuple[Way, ...]:
        """Their settings and secrets, SMS first."""
        apns = Apns(
            app=APP, topic=self.apns.topic, team_id=self.apns.team_id, key_id=self.apns.key_id, base_url=self.apns.url
        )
        others = [(far.provider, far.secrets) for far in (self.sms, self.fcm, self.web)]
        return (others[0], (apns, {"privateKey": self.apns_key}), *others[1:])

    def took(self) -> dict[str, list[str]]:
        """Whom each channel's messages reached."""
        return {
            "email": self.sink.recipients(),
            "sms": [taken.to for taken in self.sms.taken],
            "push": [*self.apns.recipients(), *self.fcm.recipients(), *self.web.recipients()],
        }

    def complaints(self) -> list[str]:
        """What the push services found wrong."""
        return [*self.apns.complaints, *self.fcm.complaints, *self.web.complaints]


@asynccontextmanager
async def far_sides(directory: Path) -> AsyncIterator[FarSides]:
    """Runs them for the length of the block; certificates are written to the directory."""
    key, certificates = ec.generate_private_key(ec.SECP256R1()), make_certificates(directory)
    web = WebPushServer(tls=certificates.server_context(), ca_file=str(certificates.ca_file))
    async with AsyncExitStack() as stack:
        yield FarSides(
            await stack.enter_async_context(Sink(keep_data=False)),
            await stack.enter_async_context(SignedStandIn()),
            await stack.enter_async_context(ApnsServer(key.public_key())),
            await stack.enter_async_context(FcmServer()),
            await stack.enter_async_context(web),
            pem(key),
        )


async def added(made: Stage, provider: Provider, secrets: Mapping[str, str] | None = None) -> Id:
    """A sender of a provider, stored as if it had been checked."""
    sealed = SEALER.seal(msgspec.json.encode(secrets)) if secrets else None
    async with made.database.transaction() as tx:
        now = await tx.campaigns.now()
        sender = Sender(
            id=new_id(),
            name=provider.name,
            provider=provider,
            from_address="+4915123456789" if provider.channel == "sms" else "",
            rate_per_second=None,
            created_at=now,
            updated_at=now,
        )
        await tx.senders.add(made.account_id, sender, sealed)
    return sender.id


async def built(
    database: PostgresDatabase, people: Sequence[Somebody], ways: Sequence[Way] = NOWHERE, port: int = 9
) -> Stage:
    """A marketing campaign on every channel over these people; emails go to the loopback `port`."""
    made = await stage.build(database, [], port=port)
    sms, *pushing = [await added(made, *way) for way in ways]
    async with database.transaction() as tx:
        await settle_in(tx, made.account_id, made.campaign_id, made.group_id, people)
    named = CampaignDraft(sms_sender_id=sms.hex(), push_sender_ids=[sender_id.hex() for sender_id in pushing])
    await change(made, named)
    await change(made, CampaignDraft(sms=SMS, push=PUSH))
    return made


async def change(made: Stage, draft: CampaignDraft) -> None:
    """Changes the draft of the campaign."""
    async with made.database.transaction() as tx:
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )


async def is_over(made: Stage) -> bool:
    """Whether every part of the newest run is finished."""
    async with made.database.reading() as tx:
        run = await tx.runs.get(made.account_id, await made.run_id())
    return run is not None and run.finished_at is not None


async def reported(made: Stage) -> Counts:
    """What the report of the newest run says, by channel, state and reason; its parts have been seen to add up."""
    async with made.database.reading() as tx:
        report = await runs.report_run(tx, account_id=made.account_id, run_id=await made.run_id())
    assert report.frozen == report.selected_count == report.run.selected_count
    assert report.frozen == sum(one.frozen for one in report.channels)
    assert report.run.snapshot_done
    return Counter(
        {
            (channel.channel.value, count.state.value, count.reason): count.count
            for channel in report.channels
            for count in channel.counts
        }
    )
