"""What people write to us: kept, seen, and obeyed when it is one of the known words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.http.conftest import Caller

from clarion.application.ports.receipts import Inbound
from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.pipeline import inbound

ADA, BOB, NOBODY = "+12025550101", "+12025550102", "+12025550199"
OURS = "+12025550100"


async def _sender(caller: Caller) -> str:
    made = await caller.post(
        "/senders",
        json={
            "name": "Texts", "provider": "signed_http", "fromAddress": OURS,
            "settings": {"url": "https://texts.example/send"}, "secrets": {"signingSecret": "whsec_c2VjcmV0"},
            "sms": {"countries": ["US"]},
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def _people(caller: Caller) -> list[str]:
    made = [await caller.post("/contacts", json={"phone": phone}) for phone in (ADA, BOB)]
    return [str(one.json()["data"]["id"]) for one in made]


async def _campaign(caller: Caller, sender: str, people: list[str], **more: Any) -> str:
    made = await caller.post(
        "/campaigns",
        json={
            "name": "Offer", "category": "marketing", "audience": {"contacts": people}, "smsSenderId": sender,
            "message": {"sms": {"text": "An offer. Answer STOP and there are no more."}}, **more,
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def _started(caller: Caller, app: App, campaign: str) -> dict[str, tuple[str, str | None]]:
    """State and reason by contact of a campaign's newest run, once its audience is frozen."""
    started = await caller.post(f"/campaigns/{campaign}/start")
    assert started.status_code == 200, started.text
    return await _rows(caller, app, campaign)


async def _rows(caller: Caller, app: App, campaign: str) -> dict[str, tuple[str, str | None]]:
    async with app.database.transaction() as tx:
        while await tx.runs.take_slice(100, 100):
            pass
    run = (await caller.get("/runs", params={"campaign": campaign})).json()["data"]["items"][-1]["id"]
    rows = (await caller.get(f"/runs/{run}/deliveries")).json()["data"]["items"]
    return {row["contactId"]: (row["state"], row["reason"]) for row in rows}


async def _write(app: App, sender: str, *written: tuple[str, str]) -> None:
    """Puts messages of these numbers into the inbox, and lets follow what follows."""
    sender_id = Id(bytes.fromhex(sender))
    await app.inbox.put([Inbound(sender_id, f"{no}:{text}", who, OURS, text) for no, (who, text) in enumerate(written)])
    while await inbound.read_new(app.database):
        pass


async def test_stop_keeps_marketing_away_until_start_lifts_it_and_everything_is_listed(
    caller: Caller, stranger: Caller, app: App
) -> None:
    sender, people = await _sender(caller), await _people(caller)
    manual = {"channel": "sms", "address": BOB, "reason": "manual"}
    assert (await caller.post("/suppressions", json=manual)).status_code == 201
    await _write(app, sender, (ADA, " Stop! "), (BOB, "START"), (NOBODY, "hello"), (ADA, "help"))
    await _write(app, sender, (ADA, " Stop! "))  # the provider tells it again
    ada, bob = people
    rows = await _started(caller, app, await _campaign(caller, sender, people))
    assert rows == {ada: ("skipped", "unsubscribed"), bob: ("skipped", "suppressed")}

    page = (await caller.get("/inbound-messages", params={"limit": 3})).json()["data"]
    assert [(one["from"], one["keyword"], one["contactId"]) for one in page["items"]] == [
        (ADA, "stop", ada),
        (BOB, "start", bob),
        (NOBODY, None, None),
    ]
    rest = (await caller.get("/inbound-messages", params={"limit": 3, "cursor": page["nextCursor"]})).json()["data"]
    assert [(one["text"], one["to"], one["keyword"]) for one in rest["items"]] == [("help", OURS, "help")]
    hers = (await caller.get(f"/contacts/{ada}/inbound-messages")).json()["data"]["items"]
    assert [one["text"] for one in hers] == [" Stop! ", "help"]
    assert (await stranger.get("/inbound-messages")).json()["data"]["items"] == []
    assert (await stranger.get(f"/contacts/{ada}/inbound-messages")).status_code == 404

    await _write(app, sender, (ADA, "stop"), (ADA, "start"))
    rows = await _started(caller, app, await _campaign(caller, sender, people, name="Another"))
    assert rows == {ada: ("pending", None), bob: ("skipped", "suppressed")}
    await caller.delete(f"/contacts/{ada}")
    left = (await caller.get("/inbound-messages")).json()["data"]["items"]
    assert {one["from"] for one in left} == {BOB, NOBODY}


async def test_whoever_writes_was_seen_and_a_campaign_may_end_for_them(caller: Caller, app: App) -> None:
    sender, (ada, bob) = await _sender(caller), await _people(caller)
    ending = await _campaign(caller, sender, [ada, bob], autoCancelOnMessageReceived=True)
    going_on = await _campaign(caller, sender, [ada, bob], name="Going on")
    for campaign in (ending, going_on):
        assert set((await _started(caller, app, campaign)).values()) == {("pending", None)}
    earlier = datetime.now(UTC) - timedelta(hours=2)
    sender_id = Id(bytes.fromhex(sender))
    await app.inbox.put([Inbound(sender_id, "old", ADA, OURS, "I am interested", earlier)])
    await _write(app, sender)
    assert await _rows(caller, app, ending) == {ada: ("cancelled", "answered"), bob: ("pending", None)}
    assert await _rows(caller, app, going_on) == {ada: ("pending", None), bob: ("pending", None)}
    seen = (await caller.get(f"/contacts/{ada}")).json()["data"]["lastSeenAt"]
    assert datetime.fromisoformat(seen) == earlier
    older = earlier - timedelta(hours=1)
    future = datetime.now(UTC) + timedelta(days=1)
    second = "+12025550103"
    await caller.patch(f"/contacts/{bob}", json={"identities": [{"namespace": "phone", "value": second}]})
    await app.inbox.put([Inbound(sender_id, "older", ADA, OURS, "hm", older)])
    await app.inbox.put([Inbound(sender_id, "future", second, OURS, "hm", future)])
    await _write(app, sender)
    assert (await caller.get(f"/contacts/{ada}")).json()["data"]["lastSeenAt"] == seen
    bobs = (await caller.get(f"/contacts/{bob}")).json()["data"]["lastSeenAt"]
    assert datetime.fromisoformat(bobs) < datetime.now(UTC)
