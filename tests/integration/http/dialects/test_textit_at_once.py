"""Many callers of TextIt's API at once: one name, one URN, one field; exactly one of them makes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.integration.http.dialects.textit_scene import Workspace

CALLERS = 12


@pytest.mark.parametrize(
    ("noun", "bodies"),
    [
        ("groups", [{"name": name} for name in ("Farmers", "FARMERS", "farmers") * 4]),
        ("campaigns", [{"name": name, "group": "Everyone"} for name in ("Reminders", "REMINDERS", "reminders") * 4]),
        ("contacts", [{"urns": ["mailto:ann@lake.example", f"telegram:{number}"]} for number in range(CALLERS)]),
        ("contacts", [{"urns": ["telegram:7"]}] * CALLERS),
        ("fields", [{"name": "Due date", "type": "datetime"}] * CALLERS),
    ],
    ids=["groups", "campaigns", "addresses", "identities", "fields"],
)
async def test_of_many_that_want_one_name_one_gets_it(
    workspace: Workspace, noun: str, bodies: list[dict[str, Any]]
) -> None:
    if noun == "campaigns":
        await workspace.made("groups", {"name": "Everyone"})
    answers = await asyncio.gather(*(workspace.post(noun, body) for body in bodies))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 400: CALLERS - 1}
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    listed = await workspace.rows(noun)
    assert made in listed
    assert len(listed) == 1
