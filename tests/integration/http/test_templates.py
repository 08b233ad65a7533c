"""Templates of other systems over HTTP: translated, or refused with what is wrong and where."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.http.conftest import Caller


async def translated(caller: Caller, syntax: str, source: str) -> dict[str, Any]:
    response = await caller.post("/templates/translate", json={"syntax": syntax, "source": source})
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


@pytest.mark.parametrize(
    ("syntax", "source", "text"),
    [
        ("domo", "{{domo-distribution-First Name}} {{!x}}{%", "{{ contact.firstName }} {% raw %}{{% endraw %}%"),
        ("textit", "Hi @fields.city, ann@lake.example", "Hi {{ contact.attributes.city }}, ann@lake.example"),
        ("voltmx", "Dear ##First Name##", "Dear {{ contact.firstName }}"),
        ("adobe", "{{profile.person.name.firstName}}", "{{ contact.firstName }}"),
    ],
)
async def test_a_template_comes_back_in_our_own_language(caller: Caller, syntax: str, source: str, text: str) -> None:
    assert await translated(caller, syntax, source) == {"text": text, "notes": []}


async def test_what_prints_nothing_is_noted(caller: Caller) -> None:
    data = await translated(caller, "textit", "[@contact.groups]")
    assert data["text"] == "[]"
    assert len(data["notes"]) == 1


async def test_a_tag_without_a_counterpart_is_refused_with_its_line(caller: Caller) -> None:
    body = {"syntax": "domo", "source": "one\n{{domo-content-7-chart}}"}
    response = await caller.post("/templates/translate", json=body)
    assert response.status_code == 422
    [problem] = response.json()["error"]["problems"]
    assert (problem["field"], problem["rule"]) == ("source", "unsupported")
    assert problem["message"].startswith("line 2:")


@pytest.mark.parametrize(
    "body",
    [
        {"syntax": "mustache", "source": ""},
        {"syntax": "domo", "source": "x" * 524_289},
        {"syntax": "domo", "source": "{{" * 50_000},
        {"syntax": "domo"},
    ],
)
async def test_an_unknown_syntax_and_a_text_without_end_are_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert (await caller.post("/templates/translate", json=body)).status_code == 422
