"""What callers meet while a restored database is held: answers as always, and nothing that starts."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.http.conftest import Caller, serving
from tests.integration.http.test_executions import to_ada, triggered

from clarion.application.restored import release
from clarion.bootstrap import App
from clarion.domain.campaign import Lane

LEASE = timedelta(minutes=1)


async def test_a_held_database_answers_and_takes_calls_and_starts_nothing(app: App, caller: Caller) -> None:
    campaign_id = await triggered(caller)
    sender = (await caller.get("/senders")).json()["data"]["items"][0]["id"]
    ada = (await caller.get("/contacts")).json()["data"]["items"][0]["id"]
    letter = {"email": {"subject": "Hello", "html": "<p>Hello</p>"}}
    draft = {
        "name": "News",
        "category": "transactional",
        "audience": {"contacts": [ada]},
        "senderId": sender,
        "message": letter,
    }
    made = await caller.post("/campaigns", json=draft)
    assert made.status_code == 201, made.text
    news = made.json()["data"]["id"]
    async with app.database.transaction() as tx:
        await tx.home.hold("somebody held it by hand")
    try:
        async with serving(app) as url:  # another than the one that may have been asked a moment ago, and remembers
            ready = await caller.http.get(f"{url}/health/ready")
        assert ready.json()["data"] == {"status": "ready", "sending": "held"}
        refused = await caller.post(f"/campaigns/{news}/start")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
        assert "restored from a backup" in refused.text
        assert (await caller.get(f"/campaigns/{news}")).json()["data"]["status"] == "draft"
        taken = await caller.post(f"/campaigns/{campaign_id}/trigger", json=to_ada())
        assert taken.status_code == 202, taken.text
        async with app.database.reading() as tx:
            for lane in Lane:
                assert await tx.batches.claim("hand", lane, [], LEASE) is None
    finally:
        async with app.database.transaction() as tx:
            await release(tx)
    started = await caller.post(f"/campaigns/{news}/start")
    assert started.status_code == 200, started.text
