"""Every dialect against its part of the document: made-up requests never get a 5xx or an undocumented answer.

With a good key, with none, and with one of another account.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.credentials import VENDORS, Credentials, new_key
from tests.support.patience import PATIENCE_S

from clarion.bootstrap import App
from clarion.entrypoints.http.dialects import mounted
from clarion.entrypoints.http.reference import document_of
from clarion.settings import load_settings

EXAMPLES: Final = int(os.environ.get("CLARION_TEST_EXAMPLES", "6"))
"""Requests per operation and caller; a long run sets more."""
CHECKS: Final = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance
]  # fmt: skip
DOCUMENT: Final = document_of(mounted(load_settings({"CLARION_DATA_DIR": "/nowhere"})))
OPERATIONS: Final = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if isinstance(found, Ok) and found.ok().definition.raw["tags"][0] in VENDORS
}


def exercise(label: str, base_url: str, credentials: Credentials) -> list[int]:
    """Sends made-up requests to one operation and checks every answer against the document."""
    operation = OPERATIONS[label]
    statuses: list[int] = []
    made = st.one_of(
        operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    )

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, verbosity=Verbosity.quiet,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=made)
    def send(case: Any) -> None:
        for name in list(case.headers or {}):
            if name.lower() in {own.lower() for own in (*credentials.headers, "Authorization", "X-API-Key")}:
                del case.headers[name]
        if isinstance(case.body, dict):
            case.body = case.body | credentials.body
        response = case.call(base_url=base_url, headers=credentials.headers, timeout=PATIENCE_S)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
async def test_made_up_requests_get_documented_answers(
    label: str, app: App, caller: Caller, stranger: Caller, base_url: str
) -> None:
    vendor = VENDORS[OPERATIONS[label].definition.raw["tags"][0]]
    keys = [await new_key(app, account.account.id) for account in (caller, stranger)]
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as http:
        known = [await vendor(http, key) for key in keys]
    for credentials in (Credentials(), *known):
        assert await asyncio.to_thread(exercise, label, base_url, credentials)


def test_each_dialect_has_a_section_of_its_own() -> None:
    sections = {tag["name"] for tag in DOCUMENT["tags"]}
    assert set(VENDORS) <= sections
    for path, item in DOCUMENT["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert item[method]["tags"][0] in sections, (method, path)
