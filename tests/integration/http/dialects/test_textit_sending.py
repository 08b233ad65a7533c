"""TextIt's broadcasts and messages: what is refused, what arrives in which language, and what became of it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.workers import SEALER, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.sender_rules import SenderDraft
from clarion.application.senders import create_sender
from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.domain.providers.provider import Security

NO_RECIPIENT = {"non_field_errors": ["Must provide either urns, contacts or groups."]}
NO_TEXT = {"non_field_errors": ["Must provide either text or attachments."]}


@pytest.fixture
async def ann(workspace: Workspace) -> dict[str, Any]:
    await workspace.made("groups", {"name": "Farmers"})
    await workspace.made("fields", {"name": "City", "type": "text"})
    body = {"name": "Ann Lee", "language": "fra", "urns": ["mailto:ann@lake.example"], "groups": ["Farmers"]}
    return await workspace.made("contacts", body | {"fields": {"city": "Lindenau & Co"}})


@asynccontextmanager
async def sending(app: App, caller: Caller) -> AsyncIterator[Sink]:
    """A sender of the account, a sink behind it, and a worker."""
    assert isinstance(app.database, PostgresDatabase)
    assert app.settings.database_url is not None
    async with Sink() as sink:
        async with app.database.transaction() as tx:
            draft = SenderDraft(
                name="Relay", host="127.0.0.1", port=sink.port, security=Security.NONE,
                from_address="Lake <news@lake.example>",
            )  # fmt: skip
            await create_sender(tx, account_id=caller.account.id, draft=draft, sealer=SEALER)
        async with working(app.database, app.settings.database_url.reveal()):
            yield sink


async def sent(app: App, broadcast: dict[str, Any]) -> None:
    """Waits until every part of the run of a broadcast is over."""
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.reading() as tx:
        parts = await tx.connection.fetch(
            "SELECT r.id FROM run AS r JOIN campaign AS c ON c.id = r.campaign_id WHERE c.number = $1", broadcast["id"]
        )
    assert parts
    for part in parts:
        await finished(app.database, Id(part["id"]))


def letters(sink: Sink) -> dict[str, tuple[str, str, str]]:
    """Subject, text and HTML of the mail each recipient got."""
    found = {}
    for accepted in sink.accepted:
        mail = email.message_from_bytes(accepted.data, policy=email.policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        found[accepted.rcpt_to[0]] = (
            str(mail["subject"]),
            text.get_content().replace("\r\n", "\n").strip(),
            html.get_content(),
        )
    return found


@pytest.mark.usefixtures("ann")
async def test_each_contact_reads_its_own_language_and_its_own_values(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await _execute(app, "UPDATE account SET languages = '{eng,fra}' WHERE id = $1", caller.account.id)
    bob = await workspace.made("contacts", {"name": "Bob", "language": "deu", "urns": ["mailto:bob@lake.example"]})
    text = {
        "fra": "Salut @contact.first_name & tous,\nà @fields.city <b>!",
        "deu": "Hallo",
        "eng": "Hi @(upper(contact.name)) @@home, write to x@lake.example {{ 7 }}",
    }
    async with sending(app, caller) as sink:
        body = {"text": text, "groups": ["Farmers"], "contacts": [bob["uuid"]], "urns": ["mailto:new@lake.example"]}
        made = await workspace.made("broadcasts", body)
        await sent(app, made)
    found = letters(sink)
    assert {address: (subject, text) for address, (subject, text, _) in found.items()} == {
        "ann@lake.example": ("Analytical Engines", "Salut Ann & tous,\nà Lindenau & Co <b>!"),
        "bob@lake.example": ("Analytical Engines", "Hi BOB @home, write to x@lake.example {{ 7 }}"),
        "new@lake.example": ("Analytical Engines", "Hi  @home, write to x@lake.example {{ 7 }}"),
    }
    assert "Salut Ann &amp; tous,<br>" in found["ann@lake.example"][2]
    assert "Lindenau &amp; Co &lt;b&gt;!" in found["ann@lake.example"][2]
    (new,) = await workspace.rows("contacts", urn="mailto:new@lake.example")
    assert new["name"] is None
    assert (made["text"], made["base_language"]) == (text, "fra")
    assert made["urns"] == ["mailto:new@lake.example"]
    assert made["contacts"] == [{"uuid": bob["uuid"], "name": "Bob"}]
    assert [group["name"] for group in made["groups"]] == ["Farmers"]


async def test_a_broadcast_is_listed_with_how_far_it_is_and_its_messages_with_what_became_of_them(
    app: App, caller: Caller, workspace: Workspace, strange_workspace: Workspace, ann: dict[str, Any]
) -> None:
    await workspace.made("contacts", {"urns": ["tel:+12065550100"], "groups": ["Farmers"]})
    async with sending(app, caller):
        made = await workspace.made("broadcasts", {"text": "Hi", "groups": ["Farmers"], "quick_replies": ["Yes"]})
        assert made["status"] in ("queued", "started")
        assert made["progress"]["total"] == 2
        await sent(app, made)
    (done,) = await workspace.rows("broadcasts", uuid=made["uuid"])
    assert (done["status"], done["progress"]) == ("completed", {"total": 2, "started": 2})
    assert done["quick_replies"] == {"eng": [{"type": "text", "text": "Yes", "extra": None}]}
    assert await workspace.rows("broadcasts", id=made["id"]) == [done]
    assert await workspace.rows("broadcasts", after=done["created_on"], before=done["created_on"]) == [done]
    assert await workspace.rows("broadcasts", uuid=NOBODY) == await workspace.rows("broadcasts", after="x") == []
    assert await strange_workspace.rows("broadcasts") == await strange_workspace.rows("messages") == []

    messages = await workspace.rows("messages")
    assert {(one["urn"], one["status"]) for one in messages} == {("mailto:ann@lake.example", "sent"), (None, "failed")}
    (mine,) = await workspace.rows("messages", contact=ann["uuid"])
    assert mine["contact"] == {"uuid": ann["uuid"], "name": "Ann Lee"}
    assert (mine["direction"], mine["type"], mine["text"], mine["visibility"]) == ("out", "text", "Hi", "visible")
    assert mine["broadcast"] == made["id"]
    assert mine["sent_on"] is not None
    assert await workspace.rows("messages", uuid=mine["uuid"]) == [mine]
    assert await workspace.rows("messages", id=mine["id"]) == [mine]
    assert await workspace.rows("messages", broadcast=made["id"]) == messages
    assert await workspace.rows("messages", folder="sent") == [mine]
    assert [one["status"] for one in await workspace.rows("messages", folder="failed")] == ["failed"]
    for folder in ("inbox", "flows", "archived", "outbox", "nope"):
        assert await workspace.rows("messages", folder=folder) == []
    bad = await workspace.get("messages", id="x")
    assert (bad.status_code, bad.json()) == (400, {"detail": "Value for id must be an integer"})
    two = await workspace.get("messages", folder="sent", broadcast="1")
    said = "You may only specify one of the contact, folder, label, broadcast parameters"
    assert (two.status_code, two.json()) == (400, {"detail": said})


async def test_one_message_is_sent_as_it_is(
    app: App, caller: Caller, workspace: Workspace, ann: dict[str, Any]
) -> None:
    async with sending(app, caller) as sink:
        text = "Hi @contact.name, {{ contact.email }} {% if %} @@"
        made = await workspace.made("messages", {"contact": ann["urns"][0], "text": text})
        assert (made["status"], made["text"], made["contact"]["uuid"]) == ("queued", text, ann["uuid"])
        await sent(app, {"id": made["broadcast"]})
    assert letters(sink)["ann@lake.example"][1] == text
    (row,) = await workspace.rows("messages", uuid=made["uuid"])
    assert (row["id"], row["status"], row["text"]) == (made["id"], "sent", text)
    assert await workspace.rows("broadcasts") == []


async def test_a_message_to_a_contact_without_an_address_is_made_and_has_failed(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await workspace.made("contacts", {"name": "Bo", "urns": ["tel:+12065550100"]})
    async with sending(app, caller) as sink:
        made = await workspace.made("messages", {"contact": "tel:+12065550100", "text": "Hi"})
        assert (made["status"], made["urn"], made["channel"], made["sent_on"]) == ("failed", None, None, None)
        await sent(app, {"id": made["broadcast"]})
    (row,) = await workspace.rows("messages", uuid=made["uuid"])
    assert (row["id"], row["status"], row["urn"]) == (made["id"], "failed", None)
    assert sink.accepted == []


async def test_without_a_sender_a_broadcast_is_accepted_and_has_failed_with_a_notice(
    caller: Caller, workspace: Workspace, ann: dict[str, Any]
) -> None:
    made = await workspace.made("broadcasts", {"text": "Hi", "contacts": [ann["uuid"]]})
    assert (made["status"], made["progress"]) == ("failed", {"total": 0, "started": 0})
    message = await workspace.made("messages", {"contact": ann["uuid"], "text": "Hi"})
    assert (message["status"], message["urn"], message["channel"]) == ("failed", None, None)
    notices = (await caller.get("/notices")).json()["data"]["items"]
    assert [notice["message"] for notice in notices] == ["'Hi' was not sent: the account has no sender"] * 2


async def test_a_broadcast_to_an_empty_group_is_complete_at_once(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await workspace.made("groups", {"name": "Nobody yet"})
    async with sending(app, caller):
        made = await workspace.made("broadcasts", {"text": "Hi", "groups": ["nobody YET"]})
    assert (made["status"], made["progress"]) == ("completed", {"total": 0, "started": 0})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"groups": []}, NO_RECIPIENT),
        ({"text": ...}, NO_TEXT),
        ({"text": ""}, {"text": {"eng": ["This field may not be blank."]}}),
        ({"text": "x" * 4097}, {"text": {"eng": ["Ensure this field has no more than 4096 characters."]}}),
        ({"text": {"base": "x"}}, {"text": {"base": ["Not an allowed ISO 639-3 language code."]}}),
        (
            {"text": {"fra": "x"}, "base_language": "eng"},
            {"non_field_errors": ["No text translation provided in base language."]},
        ),
        ({"base_language": "xx"}, {"base_language": ["Not an allowed ISO 639-3 language code."]}),
        (
            {"quick_replies": {"fra": ["Oui"]}},
            {"non_field_errors": ["No quick_replies translations provided in base language."]},
        ),
        (
            {"quick_replies": [{"type": "form"}]},
            {"quick_replies": {"0": ["Quick replies of type 'form' require 'text' and 'extra' values."]}},
        ),
        (
            {"quick_replies": {"eng": ["Yes", {"type": "url", "text": "x"}]}},
            {"quick_replies": {"eng": {"1": ["Quick replies of type 'url' require 'text' and 'extra' values."]}}},
        ),
        ({"quick_replies": ["x"] * 11}, {"quick_replies": ["Ensure this field has no more than 10 elements."]}),
        (
            {"quick_replies": ["x" * 65]},
            {"quick_replies": {"0": ["Ensure this field has no more than 64 characters."]}},
        ),
        ({"attachments": [NOBODY]}, {"attachments": {"0": [f"No such object: {NOBODY}"]}}),
        ({"attachments": [NOBODY] * 11}, {"attachments": ["Ensure this field has no more than 10 elements."]}),
        ({"groups": ["Nobody"]}, {"groups": {"0": ["No such object: Nobody"]}}),
        ({"contacts": [NOBODY]}, {"contacts": {"0": [f"No such object: {NOBODY}"]}}),
        ({"contacts": ["x"] * 101}, {"contacts": ["Ensure this field has no more than 100 elements."]}),
        ({"urns": ["x"] * 101}, {"urns": ["Ensure this field has no more than 100 elements."]}),
        (
            {"urns": ["tel:12"]},
            {"urns": {"0": ["Invalid URN: tel:12. Ensure phone numbers contain country codes."]}},
        ),
    ],
)
async def test_a_broadcast_that_breaks_a_rule_is_told_and_nothing_is_made(
    workspace: Workspace, ann: dict[str, Any], changes: dict[str, Any], said: dict[str, Any]
) -> None:
    body = {"text": "Hi", "groups": ["Farmers"]} | changes
    given = {name: value for name, value in body.items() if value is not ...}
    assert await workspace.refused("broadcasts", given) == said
    assert await workspace.rows("broadcasts") == []
    assert await workspace.rows("contacts") == [ann]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "Hi"}, {"contact": ["This field is required."]}),
        ({"contact": NOBODY, "text": "Hi"}, {"contact": [f"No such object: {NOBODY}"]}),
        (
            {"contact": "mailto:nobody@lake.example", "text": "Hi"},
            {"contact": ["No such object: mailto:nobody@lake.example"]},
        ),
        ({"contact": "mailto:ann@lake.example"}, NO_TEXT),
        (
            {"contact": "mailto:ann@lake.example", "text": "x" * 4097},
            {"text": ["Ensure this field has no more than 4096 characters."]},
        ),
        (
            {"contact": "mailto:ann@lake.example", "text": "Hi", "quick_replies": ["x"] * 11},
            {"quick_replies": ["Ensure this field has no more than 10 elements."]},
        ),
        (
            {"contact": "mailto:ann@lake.example", "attachments": [NOBODY] * 11},
            {"attachments": ["Ensure this field has no more than 10 elements."]},
        ),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_a_message_that_breaks_a_rule_is_told(
    workspace: Workspace, body: dict[str, Any], said: dict[str, Any]
) -> None:
    assert await workspace.refused("messages", body) == said


async def _execute(app: App, statement: str, *values: object) -> None:
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.transaction() as tx:
        await tx.connection.execute(statement, *values)
