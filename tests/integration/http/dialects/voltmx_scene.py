"""An account as Volt MX's callers know it: a client with Basic credentials, a sender on a sink, and people."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import httpx
from tests.integration.http.conftest import forsake
from tests.support.patience import PATIENCE_S
from tests.support.workers import SEALER

from clarion.application import access, contacts, senders
from clarion.application.contacts import ContactDraft
from clarion.application.sender_rules import SenderDraft
from clarion.bootstrap import App
from clarion.domain.access import Account, ApiKey, Permission
from clarion.domain.providers.provider import Security

OWNER = "ada@lovelace.example"
MAIL = {
    "subject": "Hello ##First Name##",
    "contentType": "text/html",
    "senderEmail": "stage@clarion.example",
    "senderName": "Stage",
    "content": "<p>Dear ##First Name## ##Last Name##, {{ not ours }}</p>",
    "mailsSent": 99,
    "mailsOpened": 99,
}


def wall(moment: datetime) -> str:
    """A moment on the wall clock of UTC, as this API writes it."""
    return moment.astimezone(UTC).strftime("%m/%d/%Y %I:%M:%S %p")


def ahead(**length: float) -> str:
    """The wall clock of UTC so far from now."""
    return wall(datetime.now(UTC) + timedelta(**length))


@dataclass
class Volt:
    """One account, its key, and a client that says who it is as the vendor's clients do."""

    app: App
    account: Account
    key: ApiKey
    key_text: str
    http: httpx.AsyncClient

    async def post(self, path: str, body: object = None, **kwargs: Any) -> httpx.Response:
        said = {} if body is None else {"json": body}
        return await self.http.post(f"/api/v1/{path}", **said, **kwargs)  # type: ignore[arg-type]

    async def get(self, path: str) -> dict[str, Any]:
        """An answer that is a success."""
        response = await self.http.get(f"/api/v1/{path}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def done(self, path: str, body: object = None, **kwargs: Any) -> dict[str, Any]:
        """The answer to a call that succeeds."""
        response = await self.post(path, body, **kwargs)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def refused(self, path: str, body: object = None, **kwargs: Any) -> str:
        """What a call is refused with, which is a 400."""
        response = await self.post(path, body, **kwargs)
        assert response.status_code == 400, response.text
        assert set(response.json()) == {"id", "message"}
        message: str = response.json()["message"]
        return message

    async def campaign(self, **changes: Any) -> dict[str, Any]:
        """The body of a campaign for everybody that begins in an hour and ends in a day."""
        body = {
            "name": "Spring letter",
            "campaignType": "",
            "zone": "GMT+00:00",
            "startDateStr": ahead(hours=1),
            "endDateStr": ahead(days=1),
            "campaignSegments": [{"segment": {"name": "All Users"}}],
            "campaignMessages": [],
            "campaignMails": [MAIL],
            "campaignSms": [],
            "campaignVoiceSms": [],
            "campaignPasses": [],
            "campaignChannelPriorities": [],
        }
        return {name: value for name, value in (body | changes).items() if value is not ...}

    async def made(self, **changes: Any) -> str:
        """A campaign of this body; its id."""
        return str((await self.done("campaigns", await self.campaign(**changes)))["id"])

    async def status(self, campaign: str) -> str:
        return str((await self.get(f"campaigns/{campaign}"))["status"])

    async def person(self, address: str, **fields: Any) -> None:
        async with self.app.database.transaction() as tx:
            draft = ContactDraft(email=address, **fields)
            await contacts.save_contact(tx, account_id=self.account.id, draft=draft)

    async def execute(self, statement: str, *values: object) -> None:
        """Runs a statement, to move a clock in the database."""
        async with self.app.database.reading() as tx:
            await tx.connection.execute(statement, *values)

    async def runs(self) -> int:
        """How many runs the account has."""
        async with self.app.database.reading() as tx:
            found: int = await tx.connection.fetchval("SELECT count(*) FROM run WHERE account_id = $1", self.account.id)
        return found

    async def key_with(self, *permissions: Permission) -> httpx.AsyncClient:
        """A client with another key of the account that may do just this."""
        async with self.app.database.transaction() as tx:
            key, text = await access.create_key(
                tx, account_id=self.account.id, name="narrow", permissions=permissions, owner_email=OWNER
            )
        return httpx.AsyncClient(base_url=self.http.base_url, headers=basic(key.id.hex(), text), timeout=PATIENCE_S)


def basic(user: str, password: str) -> dict[str, str]:
    """Basic credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@asynccontextmanager
async def volt(app: App, base_url: str, *, port: int = 9) -> AsyncIterator[Volt]:
    """A new account with one sender, whose relay listens on this port of the loopback."""
    async with app.database.transaction() as tx:
        account, key, text = await access.create_account(tx, name="Analytical Engines", owner_email=OWNER)
        await senders.create_sender(
            tx,
            account_id=account.id,
            draft=SenderDraft(
                name="Relay",
                host="127.0.0.1",
                port=port,
                security=Security.NONE,
                from_address="Stage <stage@clarion.example>",
            ),
            sealer=SEALER,
        )
    async with httpx.AsyncClient(base_url=base_url, headers=basic(OWNER, text), timeout=PATIENCE_S) as client:
        yield Volt(app, account, key, text, client)
        await forsake(app, account)


async def completed_one(scene: Volt) -> str:
    """A campaign that ran and is over by its end date."""
    campaign = await scene.made(startDateStr=ahead(minutes=-1))
    await scene.done(f"campaigns/{campaign}/pause")
    await end(scene, campaign)
    await scene.done(f"campaigns/{campaign}/resume")
    return campaign


async def end(scene: Volt, campaign: str) -> None:
    """Moves the end of a campaign, and of its runs, to now."""
    await scene.execute("UPDATE campaign SET end_at = now() WHERE number = $1", int(campaign))
    await scene.execute(
        "UPDATE run SET end_at = now() WHERE campaign_id = (SELECT id FROM campaign WHERE number = $1)", int(campaign)
    )


async def recheck(scene: Volt, campaign: str) -> None:
    """Lets the time of the next recheck come."""
    await scene.execute(
        "UPDATE run SET recheck_at = now() WHERE campaign_id = (SELECT id FROM campaign WHERE number = $1)",
        int(campaign),
    )


def subject(data: bytes) -> str:
    """What a message is about."""
    return str(message_from_bytes(data, policy=policy.default)["Subject"])
