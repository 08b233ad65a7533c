"""TextIt's contacts, one and many: URNs, one name of two, typed fields, groups, changes and deletion."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.bootstrap import App

ANN = {"name": "Ann Lee Oak", "language": "eng", "urns": ["mailto:Ann@Lake.example", "tel:+12065550100"]}


@pytest.fixture
async def ann(workspace: Workspace) -> dict[str, Any]:
    await workspace.made("groups", {"name": "Farmers"})
    await workspace.made("fields", {"name": "Nick", "type": "text"})
    return await workspace.made("contacts", ANN)


async def test_a_contact_is_shown_in_full(workspace: Workspace) -> None:
    group = await workspace.made("groups", {"name": "Farmers"})
    await workspace.made("fields", {"name": "Nick", "type": "text"})
    made = await workspace.made("contacts", ANN | {"groups": ["farmers"], "fields": {"nick": "An"}, "note": " Hi "})
    assert await workspace.rows("contacts") == [made]
    note = made["notes"].pop()
    assert (note["text"], sorted(note)) == ("Hi", ["created_by", "created_on", "text"])
    del made["uuid"], made["created_on"], made["modified_on"]
    assert made == {
        "name": "Ann Lee Oak",
        "status": "active",
        "language": "eng",
        "urns": ["mailto:ann@lake.example", "tel:+12065550100"],
        "groups": [{"uuid": group["uuid"], "name": "Farmers"}],
        "notes": [],
        "fields": {"nick": "An"},
        "flow": None,
        "last_seen_on": None,
        "blocked": False,
        "stopped": False,
    }


async def test_a_contact_may_have_nothing_at_all(workspace: Workspace) -> None:
    made = await workspace.made("contacts", {})
    assert (made["name"], made["language"], made["urns"], made["groups"]) == (None, None, [], [])


async def test_first_and_last_names_are_those_of_the_native_api(caller: Caller, workspace: Workspace) -> None:
    await workspace.made("contacts", ANN)
    (native,) = (await caller.get("/contacts")).json()["data"]["items"]
    assert (native["firstName"], native["lastName"], native["email"]) == ("Ann", "Lee Oak", "ann@lake.example")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("mailto:Bob@Lake.example", "mailto:bob@lake.example"),
        ("tel:+1 (206) 555-0100", "tel:+12065550100"),
        ("tel:0788383383", "tel:+250788383383"),
        ("twitter:@Bob", "twitter:bob"),
        ("telegram:123456#bob", "telegram:123456"),
        ("EXT:crm 7", "ext:crm 7"),
        ("whatsapp:250788383383", "whatsapp:250788383383"),
        ("facebook:ref:x", "facebook:ref:x"),
        ("webchat:abcdefghij0123456789abcd:bob@lake.example", "webchat:abcdefghij0123456789abcd:bob@lake.example"),
    ],
)
async def test_urns_are_written_in_one_way(
    app: App, caller: Caller, workspace: Workspace, given: str, shown: str
) -> None:
    await _execute(app, "UPDATE account SET country = 'RW' WHERE id = $1", caller.account.id)
    made = await workspace.made("contacts", {"urns": [given]})
    assert made["urns"] == [shown]
    assert [one["uuid"] for one in await workspace.rows("contacts", urn=given)] == [made["uuid"]]


async def test_further_addresses_of_a_kind_are_kept_in_order(workspace: Workspace) -> None:
    urns = ["mailto:a@x.example", "tel:+12065550100", "ext:1", "telegram:7", "mailto:b@x.example", "tel:+12065550101"]
    made = await workspace.made("contacts", {"urns": urns})
    assert made["urns"] == urns
    expanded = await workspace.rows("contacts", uuid=made["uuid"], expand_urns="true")
    assert expanded[0]["urns"][3] == {"channel": None, "scheme": "telegram", "path": "7", "display": None}
    changed = await workspace.post("contacts", {"urns": urns[4:]}, uuid=made["uuid"])
    assert changed.json()["urns"] == urns[4:]


@pytest.mark.parametrize(
    "urn", ["tel:12345", "tel:0788383383", "mailto:bob", "nope:7", "twitter:a b", "bob", "", 7, None]
)
async def test_a_bad_urn_is_told_by_its_place(workspace: Workspace, urn: object) -> None:
    said = await workspace.refused("contacts", {"urns": ["mailto:ok@x.example", urn]})
    assert said == {"urns": {"1": [f"Invalid URN: {urn}. Ensure phone numbers contain country codes."]}}
    assert await workspace.rows("contacts") == []


async def test_a_urn_belongs_to_one_contact(workspace: Workspace, ann: dict[str, Any]) -> None:
    taken = ["URN is in use by another contact."]
    urns = ["telegram:7", "mailto:ANN@lake.example"]
    assert await workspace.refused("contacts", {"urns": urns}) == {"urns": {"1": taken}}
    other = await workspace.made("contacts", {"urns": ["telegram:7"]})
    assert await workspace.refused("contacts", {"urns": urns}, uuid=other["uuid"]) == {"urns": {"1": taken}}
    assert (await workspace.post("contacts", {"urns": urns[1:]}, uuid=ann["uuid"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "x" * 65}, {"name": ["Ensure this field has no more than 64 characters."]}),
        ({"name": {}}, {"name": ["Not a valid string."]}),
        ({"language": "english"}, {"language": ["Not a valid ISO639-3 language code."]}),
        ({"language": "en"}, {"language": ["Not a valid ISO639-3 language code."]}),
        ({"note": "x" * 10_001}, {"note": ["Ensure this field has no more than 10000 characters."]}),
        ({"urns": "x"}, {"urns": ['Expected a list of items but got type "str".']}),
        ({"urns": ["x"] * 101}, {"urns": ["Ensure this field has no more than 100 elements."]}),
        ({"groups": ["x"] * 101}, {"groups": ["Ensure this field has no more than 100 elements."]}),
        ({"groups": ["Nobody", 1.5]}, {"groups": {"1": ["Must be a string or integer"]}}),
        ({"groups": ["Nobody"]}, {"groups": {"0": ["No such object: Nobody"]}}),
        ({"fields": {"nope": "x"}}, {"fields": ["Invalid contact field key: nope"]}),
        ({"fields": []}, {"fields": ['Expected a dictionary of items but got type "list".']}),
        ({"fields": {"nick": "a\0"}}, {"fields": {"nick": ["Null characters are not allowed."]}}),
        (
            {"fields": {f"k{n}": "" for n in range(101)}},
            {"fields": ["Ensure this field has no more than 100 elements."]},
        ),
    ],
)
async def test_what_breaks_a_rule_is_told(workspace: Workspace, body: dict[str, Any], said: dict[str, Any]) -> None:
    assert await workspace.refused("contacts", body) == said


async def test_a_change_is_partial_and_lists_replace(workspace: Workspace, ann: dict[str, Any]) -> None:
    await workspace.made("groups", {"name": "Fishers"})
    first = (await workspace.post("contacts", {"groups": ["Farmers"]}, uuid=ann["uuid"])).json()
    assert (first["name"], [group["name"] for group in first["groups"]]) == ("Ann Lee Oak", ["Farmers"])
    second = (await workspace.post("contacts", {"groups": ["Fishers"], "name": "Bo"}, uuid=ann["uuid"])).json()
    assert (second["name"], [group["name"] for group in second["groups"]]) == ("Bo", ["Fishers"])
    third = (await workspace.post("contacts", {"groups": [], "language": None}, uuid=ann["uuid"])).json()
    assert (third["name"], third["groups"], third["language"]) == ("Bo", [], None)
    assert third["urns"] == ann["urns"]
    assert third["modified_on"] > ann["modified_on"]


async def test_an_unknown_urn_in_the_url_makes_a_contact_and_a_known_one_changes_it(workspace: Workspace) -> None:
    made = await workspace.post("contacts", {"name": "Cy"}, urn="tel:+12065550100")
    assert (made.status_code, made.json()["urns"]) == (201, ["tel:+12065550100"])
    changed = await workspace.post("contacts", {"name": "Cyd"}, urn="tel:+1 206 555 0100")
    assert (changed.status_code, changed.json()["uuid"]) == (200, made.json()["uuid"])
    body = {"urns": ["tel:+12065550101"]}
    refused = await workspace.refused("contacts", body, urn="tel:+12065550100")
    assert refused == {"urns": ["Field not allowed when using URN in URL"]}
    both = await workspace.refused("contacts", {}, urn="tel:+12065550100", uuid=made.json()["uuid"])
    assert both == {"detail": "URL can only contain one of the following parameters: urn, uuid"}
    assert await workspace.refused("contacts", {}, urn="12345") == {"detail": "Invalid URN: 12345"}


async def test_values_of_fields_are_read_by_type_and_shown_as_texts(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await _execute(app, "UPDATE account SET timezone = 'Africa/Kigali' WHERE id = $1", caller.account.id)
    for name, kind in (("Age", "number"), ("Due", "datetime"), ("State", "state"), ("Nick", "text")):
        await workspace.made("fields", {"name": name, "type": kind})

    async def shown(**fields: object) -> dict[str, str | None]:
        made = await workspace.made("contacts", {"fields": fields})
        return {key: value for key, value in made["fields"].items() if value is not None}

    assert await shown(age="7", due="2017-11-11T11:12:13Z", state="Kigali", nick=5) == {
        "age": "7", "due": "2017-11-11T13:12:13+02:00", "state": "Kigali", "nick": "5",
    }  # fmt: skip
    assert await shown(age=7.5, due="11-12-2017 11:12") == {"age": "7.5", "due": "2017-12-11T11:12:00+02:00"}
    assert await shown(age="many", due="2017-13-45", nick="") == {}
    made = await workspace.made("contacts", {"fields": {"nick": "An", "age": 1}})
    changed = await workspace.post("contacts", {"fields": {"nick": None}}, uuid=made["uuid"])
    assert (changed.json()["fields"]["nick"], changed.json()["fields"]["age"]) == (None, "1")


async def test_contacts_come_by_last_change_and_are_found_in_every_way(
    workspace: Workspace, strange_workspace: Workspace, ann: dict[str, Any]
) -> None:
    bob = await workspace.made("contacts", {"name": "Bob", "groups": ["Farmers"]})
    ann = (await workspace.post("contacts", {"name": "Ann"}, uuid=ann["uuid"])).json()
    assert await workspace.rows("contacts") == [ann, bob]
    assert await workspace.rows("contacts", reverse="1") == [bob, ann]
    assert await workspace.rows("contacts", uuid=bob["uuid"]) == [bob]
    assert await workspace.rows("contacts", group="Farmers") == [bob]
    assert await workspace.rows("contacts", group=bob["groups"][0]["uuid"]) == [bob]
    assert await workspace.rows("contacts", after=ann["modified_on"]) == [ann]
    assert await workspace.rows("contacts", before=bob["modified_on"]) == [bob]
    for query in ({"group": "farmers"}, {"group": NOBODY}, {"uuid": NOBODY}, {"urn": "telegram:9"}, {"after": "x"}):
        assert await workspace.rows("contacts", **query) == []
    assert await strange_workspace.rows("contacts", uuid=bob["uuid"]) == []
    bad = await workspace.get("contacts", urn="12345")
    assert (bad.status_code, bad.json()) == (400, {"detail": "Invalid URN: 12345"})


async def test_the_last_of_a_page_of_changes_is_where_the_next_begins(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    await _execute(
        app,
        "INSERT INTO contact (id, account_id, updated_at) SELECT decode(lpad(to_hex(n), 8, '0'), 'hex') || "
        "substr($1::bytea, 5), $1, '2026-01-07T03:04:05.678901Z' FROM generate_series(1, 501) AS n",
        caller.account.id,
    )
    seen, url = [], f"{workspace.http.base_url}/api/v2/contacts.json?reverse=true"
    while url:
        page = (await workspace.http.get(url)).json()
        seen.append([row["uuid"] for row in page["results"]])
        url = page["next"]
    assert [len(page) for page in seen] == [250, 250, 1]
    assert len({uuid for page in seen for uuid in page}) == 501


async def test_a_deleted_contact_is_a_name_without_a_person(workspace: Workspace, ann: dict[str, Any]) -> None:
    done = await workspace.delete("contacts", urn="mailto:ann@lake.example")
    assert (done.status_code, done.content) == (204, b"")
    assert await workspace.rows("contacts") == []
    (gone,) = await workspace.rows("contacts", deleted="true")
    assert gone["uuid"] == ann["uuid"]
    assert {key for key, value in gone.items() if value} == {"uuid", "created_on", "modified_on"}
    refused = await workspace.refused("contacts", {"name": "Back"}, uuid=ann["uuid"])
    assert refused == {"non_field_errors": ["Deleted contacts can't be modified."]}
    for query in ({"uuid": ann["uuid"]}, {"uuid": NOBODY}, {"urn": "mailto:ann@lake.example"}):
        assert (await workspace.delete("contacts", **query)).status_code == 404
    missing = await workspace.delete("contacts")
    assert missing.json() == {"detail": "URL must contain one of the following parameters: urn, uuid"}
    assert (await workspace.post("contacts", {}, uuid=NOBODY)).status_code == 404


async def _execute(app: App, statement: str, *values: object) -> None:
    assert isinstance(app.database, PostgresDatabase)
    async with app.database.transaction() as tx:
        await tx.connection.execute(statement, *values)
