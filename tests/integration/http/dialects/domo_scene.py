"""An account as Domo's callers know it: a token with an owner, a campaign by its number, and a list of recipients."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

import httpx
from tests.integration.http.conftest import forsake
from tests.support.patience import PATIENCE_S
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.workers import SEALER

from clarion.application import access, campaigns, contacts, groups, lifecycle, notices, runs, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.sender_rules import SenderDraft
from clarion.bootstrap import App
from clarion.domain.access import Account, Permission
from clarion.domain.campaign import Campaign, Category, Run
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id
from clarion.domain.providers.provider import Security
from clarion.rendering.translation import Syntax, translate

OWNER = "analyst@acme.example"
FROM = "reports@acme.example"
HTML = "<p>{{domo-distribution-First Name}} in {{domo-distribution-Region}}: {{domo-alert-first name}}</p>"
START, ALERT = "/api/v1/campaigns/start", "/api/v1/campaigns/bae/start"


@dataclass
class Domo:
    """One account, its token, and a client without any credentials of its own."""

    app: App
    account: Account
    token: str
    http: httpx.AsyncClient
    campaign: Campaign
    group_id: Id

    def body(self, **fields: Any) -> dict[str, Any]:
        """A right body, with some fields changed."""
        said: dict[str, Any] = {
            "campaignId": self.campaign.number,
            "domoAccessToken": self.token,
            "domoAccessTokenOwnerEmailAddress": OWNER,
            "instance": "acme.domo.example",
        }
        return said | fields

    async def post(self, path: str = START, /, **fields: Any) -> httpx.Response:
        return await self.http.post(path, json=self.body(**fields))

    async def started(self, path: str = START, /, **fields: Any) -> None:
        """A call that succeeds: 200 and not one octet."""
        response = await self.post(path, **fields)
        assert response.status_code == 200, response.text
        assert response.content == b""
        assert response.headers["content-length"] == "0"

    async def refused(self, status: int, path: str = START, /, **fields: Any) -> dict[str, Any]:
        """The answer to a call that is refused, which sent nothing."""
        return refusal(await self.post(path, **fields), status)

    async def runs(self) -> list[Run]:
        """Every run of the campaign."""
        async with self.app.database.reading() as tx:
            return await runs.list_runs(
                tx, account_id=self.account.id, campaign_id=self.campaign.id, after=None, limit=100
            )

    async def notices(self) -> list[tuple[str, str]]:
        """Kind and words of every notice."""
        async with self.app.database.reading() as tx:
            found = await notices.list_notices(tx, account_id=self.account.id, after=None, limit=100)
        return [(notice.kind, notice.message) for notice in found]

    async def contact(self, email: str, **draft: Any) -> Id:
        """Somebody on the list."""
        async with self.app.database.transaction() as tx:
            made, _ = await contacts.save_contact(
                tx, account_id=self.account.id, draft=ContactDraft(email=email, **draft)
            )
            await groups.add_members(tx, account_id=self.account.id, group_id=self.group_id, contact_ids=[made.id])
        return made.id

    async def stop(self) -> None:
        """Stops the campaign."""
        async with self.app.database.transaction() as tx:
            await lifecycle.stop(tx, account_id=self.account.id, campaign_id=self.campaign.id)

    async def key(self, *permissions: Permission, owner: str | None = OWNER) -> str:
        """Another key of the account."""
        async with self.app.database.transaction() as tx:
            _, text = await access.create_key(
                tx, account_id=self.account.id, name="other", permissions=permissions, owner_email=owner
            )
        return text

    async def execute(self, statement: str, *values: object) -> Any:
        """Runs a statement and gives its first value."""
        async with self.app.database.reading() as tx:
            return await tx.connection.fetchval(statement, *values)


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an answer that is no success, in Domo's voice."""
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert set(found) == {"status", "statusReason", "message", "traceId"}
    assert re.fullmatch("[0-9a-f]{24}", found["traceId"])
    return found


@asynccontextmanager
async def domo(
    app: App, base_url: str, *, port: int = 9, has_sender: bool = True, html: str | None = None, **settings: str
) -> AsyncIterator[Domo]:
    """A new account with Ada and Ben on a campaign's list, whose relay listens on a loopback port."""
    async with app.database.transaction() as tx:
        account, _, token = await access.create_account(tx, name="Acme", owner_email=OWNER)
        if settings:
            account = await tx.accounts.update(dataclasses.replace(account, **settings))  # type: ignore[arg-type]
        group = await groups.create_group(tx, account_id=account.id, name="list")
        relay = SenderDraft(
            name="Relay", host="127.0.0.1", port=port, security=Security.NONE, from_address=f"Reports <{FROM}>"
        )
        sender = await senders.create_sender(tx, account_id=account.id, draft=relay, sealer=SEALER)
        draft = CampaignDraft(
            name="Weekly report",
            category=Category.MARKETING,
            groups=["list"],
            sender_id=sender.id.hex() if has_sender else None,
            email=EmailContent(subject="Report", html=html or translate(Syntax.DOMO, HTML).text),
        )
        campaign = await campaigns.create_campaign(tx, account_id=account.id, draft=draft, links=LINKS)
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as client:
        made = Domo(app, account, token, client, campaign, group.id)
        await made.contact("ada@load.example", first_name="Ada", attributes={"Region": "North"})
        await made.contact("ben@load.example", first_name="Ben", attributes={"Region": "South"})
        yield made
        await forsake(app, account)


def mails(sink: Sink) -> dict[str, list[str]]:
    """What a sink took: the text of each message, by recipient."""
    found: dict[str, list[str]] = {}
    for accepted in sink.accepted:
        found.setdefault(accepted.rcpt_to[0], []).append(html_of(accepted.data))
    return found


def html_of(data: bytes) -> str:
    """The HTML part of a message."""
    body = message_from_bytes(data, policy=policy.default).get_body(("html",))
    return str(body.get_content()).strip() if body else ""


def only(values: Mapping[str, Any]) -> Any:
    """The one value there is."""
    [value] = values.values()
    return value
