"""Domo's starts over HTTP, with a worker and a mail server: who gets what, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict
from tests.integration.http.conftest import serving
from tests.integration.http.dialects.domo_scene import ALERT, FROM, START, Domo, domo, mails
from tests.support.patience import PATIENCE_S
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.stage import until
from tests.support.workers import working

from clarion.application import suppressions
from clarion.application.start_calls import SAME_WITHIN_S
from clarion.bootstrap import App, open_app
from clarion.domain.channel import ChannelName
from clarion.domain.suppression import SuppressionReason


@asynccontextmanager
async def delivering(app: App, base_url: str, html: str | None = None) -> AsyncIterator[tuple[Domo, Sink]]:
    """An account whose campaign really is sent."""
    url = app.settings.database_url
    assert url
    async with (
        Sink() as sink,
        domo(app, base_url, port=sink.port, html=html) as scene,
        working(app.database, url.reveal()),
    ):
        yield scene, sink


@pytest.fixture
async def sending(app: App, base_url: str) -> AsyncIterator[tuple[Domo, Sink]]:
    async with delivering(app, base_url) as pair:
        yield pair


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Domo]:
    async with domo(app, base_url) as made:
        yield made


def told(lines: list[EventDict]) -> set[tuple[str, str]]:
    """Level and name of what was logged."""
    return {(line["log_level"], line["event"]) for line in lines}


async def sent(scene: Domo) -> None:
    """Waits until every run of the campaign is over."""
    for run in await scene.runs():
        await finished(scene.app.database, run.id)


@pytest.mark.parametrize("fields", [{}, {"emailAddresses": []}, {"emailAddresses": None}])
async def test_a_start_without_addresses_goes_to_the_whole_list(
    sending: tuple[Domo, Sink], fields: dict[str, object]
) -> None:
    scene, sink = sending
    await scene.started(**fields)
    await sent(scene)
    assert mails(sink) == {
        "ada@load.example": ["<p>Ada in North: </p>"],
        "ben@load.example": ["<p>Ben in South: </p>"],
    }


async def test_a_start_for_one_address_goes_to_that_one_alone_however_it_is_written(
    sending: tuple[Domo, Sink],
) -> None:
    scene, sink = sending
    await scene.started(emailAddresses=["  ADA@Load.Example "])
    await sent(scene)
    assert mails(sink) == {"ada@load.example": ["<p>Ada in North: </p>"]}


async def test_an_address_that_is_not_on_the_list_gets_nothing_and_is_told_of(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    with capture_logs() as lines:
        await scene.started(emailAddresses=["ben@load.example", "stranger@load.example", "not an address"])
    assert ("warning", "start.addresses_unknown") in told(lines)
    await sent(scene)
    assert list(mails(sink)) == ["ben@load.example"]
    [(kind, message)] = await scene.notices()
    assert kind == "addressesUnknown"
    assert message.startswith("2 of the addresses")
    assert "stranger@load.example" in message


async def test_unknown_addresses_alone_reach_nobody(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    await scene.started(emailAddresses=["stranger@load.example"])
    await sent(scene)
    assert mails(sink) == {}


@pytest.mark.parametrize("path", [ALERT, START])
async def test_a_test_goes_to_the_sender_with_the_data_of_the_address(sending: tuple[Domo, Sink], path: str) -> None:
    scene, sink = sending
    await scene.started(path, isTest=True, emailAddresses=["ada@load.example"])
    await sent(scene)
    assert mails(sink) == {FROM: ["<p>Ada in North: </p>"]}


async def test_fields_stand_where_the_alert_tags_are_and_the_key_counts_letter_by_letter(
    sending: tuple[Domo, Sink],
) -> None:
    scene, sink = sending
    fields = [{"key": "first name", "value": "Blaise"}, {"key": "First Name", "value": "no"}]
    await scene.started(ALERT, emailAddresses=["ada@load.example"], fields=fields)
    await sent(scene)
    assert mails(sink) == {"ada@load.example": ["<p>Ada in North: Blaise</p>"]}
    [(kind, message)] = await scene.notices()
    assert (kind, message) == ("contextUnused", "A start gave values that the message does not use: First Name")


async def test_whoever_unsubscribed_is_skipped(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    async with scene.app.database.transaction() as tx:
        await suppressions.suppress(
            tx, account_id=scene.account.id, channel=ChannelName.EMAIL,
            address="ada@load.example", reason=SuppressionReason.UNSUBSCRIBED,
        )  # fmt: skip
    await scene.started()
    await sent(scene)
    assert list(mails(sink)) == ["ben@load.example"]


async def test_whoever_unsubscribed_from_this_campaign_is_skipped(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    path = f"/v1/accounts/{scene.account.id.hex()}/campaigns/{scene.campaign.id.hex()}/suppressions"
    native = {"Authorization": f"Bearer {scene.token}"}
    done = await scene.http.post(path, json={"address": "ben@load.example"}, headers=native)
    assert done.is_success, done.text
    await scene.started()
    await sent(scene)
    assert list(mails(sink)) == ["ada@load.example"]


@pytest.mark.parametrize(
    ("strictly", "reached"),
    [(' | required("no rows are left")', ["ada@load.example"]), ("", ["ada@load.example", "ben@load.example"])],
)
async def test_whoever_has_no_rows_left_is_blocked_where_the_message_is_strict(
    app: App, base_url: str, strictly: str, reached: list[str]
) -> None:
    html = "<p>{% for row in contact.attributes.rows" + strictly + " %}{{ row.city }};{% endfor %}</p>"
    async with delivering(app, base_url, html) as (scene, sink):
        rows = [{"city": "Bergen"}, {"city": "Oslo"}]
        await scene.contact("ada@load.example", attributes={"rows": rows})
        await scene.contact("ben@load.example", attributes={"rows": []})
        await scene.started()
        await sent(scene)
        blocked = await scene.execute(
            "SELECT d.state || ' ' || d.reason || ': ' || d.reply FROM delivery AS d JOIN run AS r ON r.id = d.run_id "
            "WHERE r.account_id = $1 AND d.state <> 'sent'",
            scene.account.id,
        )
    assert sorted(mails(sink)) == reached
    assert mails(sink)["ada@load.example"] == ["<p>Bergen;Oslo;</p>"]
    assert blocked == ("skipped render_failed: no rows are left" if strictly else None)


async def test_twenty_same_calls_at_once_start_once(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    answers = await asyncio.gather(*(scene.post() for _ in range(20)))
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 20
    await sent(scene)
    assert sorted(len(texts) for texts in mails(sink).values()) == [1, 1]


async def test_same_calls_to_two_servers_start_once(scene: Domo, app: App) -> None:
    async with open_app(app.settings, acquire_timeout_s=PATIENCE_S) as other, serving(other) as url:
        bodies = [scene.http.post(f"{url}{START}", json=scene.body()) for _ in range(5)] + [
            scene.post() for _ in range(5)
        ]
        assert {answer.status_code for answer in await asyncio.gather(*bodies)} == {200}
    assert len(await scene.runs()) == 1


async def test_two_different_starts_at_once_both_send(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    starts = [scene.post(emailAddresses=[f"{name}@load.example"]) for name in ("ada", "ben")]
    assert [answer.status_code for answer in await asyncio.gather(*starts)] == [200, 200]
    await sent(scene)
    assert sorted(mails(sink)) == ["ada@load.example", "ben@load.example"]


async def test_a_later_start_sends_again_and_a_notice_tells(sending: tuple[Domo, Sink]) -> None:
    scene, sink = sending
    await scene.started(emailAddresses=["ada@load.example"])
    assert await scene.notices() == []
    await sent(scene)
    await scene.execute("UPDATE execution SET answered_at = answered_at - interval '1 s'")
    await scene.started(emailAddresses=["ada@load.example"])
    await sent(scene)
    assert len(mails(sink)["ada@load.example"]) == 2
    assert await scene.notices() == [("startRepeated", "The campaign was started more than once within 60 minutes")]


async def test_the_same_start_within_a_moment_of_its_answer_is_a_double_click(scene: Domo) -> None:
    await scene.started()
    await scene.execute("UPDATE execution SET answered_at = clock_timestamp() + interval '1 h'")
    await scene.started()
    assert len(await scene.runs()) == 1
    await scene.started(ALERT)
    await scene.started(emailAddresses=["ada@load.example"])
    await scene.started(isTest=True, emailAddresses=["ada@load.example"])
    assert len(await scene.runs()) == 4


async def test_a_double_click_that_the_database_hears_of_late_is_one_still(scene: Domo) -> None:
    await scene.started()
    async with scene.app.database.transaction() as tx:
        await tx.connection.execute("LOCK TABLE execution IN ACCESS EXCLUSIVE MODE")
        holder = await tx.connection.fetchval("SELECT pg_backend_pid()")

        async def is_kept_waiting() -> bool:
            return bool(
                await scene.execute("SELECT count(*) FROM pg_locks WHERE $1 = ANY (pg_blocking_pids(pid))", holder)
            )

        again = asyncio.create_task(scene.started())
        await until(is_kept_waiting)
        await tx.connection.execute("UPDATE execution SET answered_at = clock_timestamp()")
        await tx.connection.execute("SELECT pg_sleep($1)", 2 * SAME_WITHIN_S)  # a later start would be another one
    await again
    assert len(await scene.runs()) == 1


async def test_a_test_is_no_repeated_start(scene: Domo) -> None:
    await scene.started(isTest=True, emailAddresses=["ada@load.example"])
    await scene.started()
    assert await scene.notices() == []


async def test_a_campaign_without_a_sender_is_accepted_sends_nothing_and_a_notice_tells(
    app: App, base_url: str
) -> None:
    async with domo(app, base_url, has_sender=False) as scene:
        with capture_logs() as lines:
            await scene.started()
        assert ("error", "start.without_sender") in told(lines)
        assert await scene.runs() == []
        assert await scene.notices() == [
            ("senderMissing", "The campaign was started but has no sender, so nothing was sent")
        ]
