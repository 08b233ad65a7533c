"""An account as Adobe's callers know it: a client with a token, campaigns that take calls, and what came of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

import httpx
from tests.support.patience import PATIENCE_S
from tests.support.scene import LINKS
from tests.support.workers import SEALER, working

from clarion.application import access, campaigns, contacts, groups, lifecycle, senders, suppressions
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.sender_rules import SenderDraft
from clarion.bootstrap import App
from clarion.domain.access import Account, ApiKey
from clarion.domain.campaign import Campaign, CampaignKind, Category
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id, as_uuid
from clarion.domain.providers.provider import Security
from clarion.domain.suppression import SuppressionReason
from clarion.entrypoints.worker import Worker
from clarion.rendering.translation import Syntax, translate

HTML = "<p>Hello {{context.name}}, order {{context.orderId}}</p>"
NOWHERE = "0199f1a2-b3c4-7d5e-8f60-718293a4b5c6"
"""A UUID of nothing here."""
ORG, SANDBOX = "acme@AdobeOrg", "prod"


@dataclass
class Adobe:
    """One account, its key, and a client that sends what Adobe's clients send."""

    app: App
    account: Account
    key: ApiKey
    key_text: str
    http: httpx.AsyncClient
    requests: int = field(default=0)

    async def post(self, place: str, body: object, **kwargs: Any) -> httpx.Response:
        return await self.http.post(f"/ajo/im/executions/{place}", json=body, **kwargs)

    async def get(self, place: str) -> httpx.Response:
        return await self.http.get(f"/ajo/im/executions/{place}")

    async def delete(self, place: str) -> httpx.Response:
        return await self.http.delete(f"/ajo/im/executions/{place}")

    def unitary(self, campaign: Campaign, *recipients: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """A body, with a request id of its own unless one is given."""
        self.requests += 1
        body = {"requestId": f"r-{self.requests}", "campaignId": as_uuid(campaign.id), "recipients": list(recipients)}
        return body | fields

    async def accepted(self, place: str, body: object, **kwargs: Any) -> dict[str, Any]:
        """The answer to a call that is taken."""
        response = await self.post(place, body, **kwargs)
        assert response.status_code == 202, response.text
        found: dict[str, Any] = response.json()
        return found

    async def refused(self, place: str, body: object, status: int = 400, **kwargs: Any) -> dict[str, Any]:
        """The error that a call is answered with."""
        response = await self.post(place, body, **kwargs)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        assert found["status"] == status
        assert re.fullmatch(rf"https://ns\.adobe\.com/aep/errors/MSG-\d{{6}}-{status}", found["type"])
        assert found["title"]
        assert all(isinstance(value, str) for value in found["report"]["additionalContext"].values())
        return found

    async def outcomes(self, execution_id: str) -> list[dict[str, Any]]:
        """What became of the recipients of a call."""
        response = await self.get(f"unitary/{execution_id}")
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["recipients"]
        return found

    # --- what is made over the use cases, because Adobe's API has no call for it

    async def campaign(self, *, port: int = 9, html: str = HTML, is_live: bool = True, **draft: Any) -> Campaign:
        """A campaign that takes calls, written in Adobe's template language."""
        said: dict[str, Any] = {"kind": CampaignKind.TRIGGERED, "category": Category.TRANSACTIONAL, "name": "Orders"}
        self.requests += 1
        email = EmailContent(subject="Order", html=translate(Syntax.ADOBE, html).text)
        async with self.app.database.transaction() as tx:
            sender = await senders.create_sender(
                tx,
                account_id=self.account.id,
                draft=SenderDraft(
                    name=f"Relay {self.requests}",
                    host="127.0.0.1",
                    port=port,
                    security=Security.NONE,
                    from_address="Shop <shop@clarion.example>",
                ),
                sealer=SEALER,
            )
            said |= {"sender_id": sender.id.hex(), "email": email}
            made = await campaigns.create_campaign(
                tx, account_id=self.account.id, draft=CampaignDraft(**(said | draft)), links=LINKS
            )
            if is_live:
                await lifecycle.start(tx, account_id=self.account.id, campaign_id=made.id)
        return made

    async def profile(self, email: str | None = None, **draft: Any) -> Id:
        """A contact."""
        said = draft if email is None else {"email": email, **draft}
        async with self.app.database.transaction() as tx:
            saved, _ = await contacts.save_contact(tx, account_id=self.account.id, draft=ContactDraft(**said))
        return saved.id

    async def group(self, name: str, *contact_ids: Id) -> Id:
        """A group of contacts."""
        async with self.app.database.transaction() as tx:
            made = await groups.create_group(tx, account_id=self.account.id, name=name)
            await groups.add_members(tx, account_id=self.account.id, group_id=made.id, contact_ids=list(contact_ids))
        return made.id

    async def suppress(self, address: str, reason: SuppressionReason) -> None:
        """Puts an address on the suppression list."""
        async with self.app.database.transaction() as tx:
            await suppressions.suppress(
                tx, account_id=self.account.id, channel=ChannelName.EMAIL, address=address, reason=reason
            )

    async def stop(self, campaign: Campaign) -> None:
        """Stops a campaign."""
        async with self.app.database.transaction() as tx:
            await lifecycle.stop(tx, account_id=self.account.id, campaign_id=campaign.id)

    async def execute(self, statement: str, *values: object) -> None:
        """Runs a statement, to move a clock in the database."""
        async with self.app.database.reading() as tx:
            await tx.connection.execute(statement, *values)

    async def count_contacts(self) -> int:
        """How many contacts the account has."""
        async with self.app.database.reading() as tx:
            return len(await tx.contacts.list_after(self.account.id, None, 1000))


def aep(user_id: str, namespace: str = "email", **fields: Any) -> dict[str, Any]:
    """A recipient who is a profile."""
    return {"type": "aep", "namespace": namespace, "userId": user_id, **fields}


def external(user_id: str, namespace: str = "email", **fields: Any) -> dict[str, Any]:
    """A recipient who is never looked up."""
    return {"type": "external", "namespace": namespace, "userId": user_id, **fields}


def html_of(data: bytes) -> str:
    """The HTML part of a message."""
    body = message_from_bytes(data, policy=policy.default).get_body(("html",))
    return str(body.get_content()).strip() if body else ""


@asynccontextmanager
async def at_work(app: App) -> AsyncIterator[Worker]:
    """A worker on the database of the API, for the block."""
    url = app.settings.database_url
    assert url is not None
    async with working(app.database, url.reveal()) as worker:
        yield worker


@asynccontextmanager
async def adobe(app: App, base_url: str, **settings: str) -> AsyncIterator[Adobe]:
    """A new account and a client with a token of its key."""
    async with app.database.transaction() as tx:
        account, key, text = await access.create_account(tx, name="Acme")
        if settings:
            account = await tx.accounts.update(dataclasses.replace(account, **settings))  # type: ignore[arg-type]
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as client:
        form = {"client_id": key.id.hex(), "client_secret": text, "grant_type": "client_credentials"}
        token = (await client.post("/ims/token/v3", data=form)).json()["access_token"]
        client.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "x-api-key": key.id.hex(),
                "x-gw-ims-org-id": ORG,
                "x-sandbox-name": SANDBOX,
            }
        )
        yield Adobe(app, account, key, text, client)
