"""The API against its own document: made-up requests, sensible and not, never get a 5xx or an undocumented answer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

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
from tests.support.patience import PATIENCE_S

from clarion.entrypoints.http.reference import document_of

EXAMPLES = int(os.environ.get("CLARION_TEST_EXAMPLES", "8"))
"""Requests per operation; a long run sets more."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document_of())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}


def exercise(label: str, base_url: str, account: str, headers: dict[str, str], examples: int = EXAMPLES) -> list[int]:
    """Sends made-up requests to one operation and checks every answer against the document."""
    operation = OPERATIONS[label]
    statuses: list[int] = []
    made = st.one_of(
        operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    )

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, verbosity=Verbosity.quiet,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=made)
    def send(case: Any) -> None:
        for own in ("Authorization", "X-API-Key"):
            (case.headers or {}).pop(own, None)
        case.path_parameters = {**(case.path_parameters or {}), "accountGroupId": account}
        response = case.call(base_url=base_url, headers=headers, timeout=PATIENCE_S)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
async def test_the_answers_to_made_up_requests_are_documented_and_never_a_5xx(
    label: str, caller: Caller, base_url: str
) -> None:
    headers = {"X-API-Key": caller.text}
    statuses = await asyncio.to_thread(exercise, label, base_url, caller.account.id.hex(), headers)
    assert statuses
    assert 401 not in statuses


@pytest.mark.parametrize("label", OPERATIONS)
async def test_made_up_requests_without_a_key_or_with_a_strangers_are_refused_as_documented(
    label: str, caller: Caller, stranger: Caller, base_url: str
) -> None:
    for headers, status in (({}, 401), ({"X-API-Key": stranger.text}, 403)):
        account = caller.account.id.hex()
        statuses = await asyncio.to_thread(exercise, label, base_url, account, headers, examples=3)
        assert set(statuses) == {status}


async def test_no_operation_answers_without_a_key(anonymous: httpx.AsyncClient) -> None:
    for path, item in document_of()["paths"].items():
        for method in item.keys() - {"parameters"}:
            response = await anonymous.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert response.status_code == 401, (method, path)
