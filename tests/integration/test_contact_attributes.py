"""The attributes of a contact keep their limits, alone and merged."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.people import new_account, save

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.domain.errors import Invalid


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("rule", "attributes"),
    [
        ("characters", {"a": "x\0"}),
        ("characters", {"a": [["\ud800"]]}),
        ("propertyNames", {"a\0": 1}),
        ("propertyNames", {"x" * 101: 1}),
        ("number", {"a": float("nan")}),
        ("number", {"a": [float("inf")]}),
        ("number", {"a": 10**5000}),
        ("number", {"a": 2**63}),
        ("number", {"a": 1e300}),
        ("maxDepth", nested(9)),
        ("maxDepth", {"a": [[[[[[[[[]]]]]]]]]}),
        ("maxProperties", {f"k{n}": 1 for n in range(501)}),
        ("maxProperties", {"a": [{f"k{n}": 1} for n in range(501)]}),
        ("maxBytes", {"a": "x" * 65_536}),
    ],
)
async def test_t60_t61_t62_t63_attributes_keep_their_limits(
    database: PostgresDatabase, rule: str, attributes: dict[str, Any]
) -> None:
    account_id = await new_account(database)
    with pytest.raises(Invalid) as refused:
        await save(database, account_id, email="a@b.example", attributes=attributes)
    assert [(one.field, one.rule) for one in refused.value.problems] == [("attributes", rule)]


@pytest.mark.parametrize(
    "attributes",
    [nested(8), {f"k{n}": n for n in range(500)}, {"a": "x" * 65_000}, {"n": -(2**63), "f": 1e18, "g": 1e-300}],
)
async def test_attributes_at_their_limits_are_kept(database: PostgresDatabase, attributes: dict[str, Any]) -> None:
    account_id = await new_account(database)
    saved = await save(database, account_id, email="a@b.example", attributes=attributes)
    assert saved.attributes == attributes


async def test_merged_attributes_keep_the_limit_too(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="a@b.example", attributes={"a": "x" * 40_000})
    with pytest.raises(Invalid, match="together with those stored"):
        await save(database, account_id, email="a@b.example", attributes={"b": "x" * 40_000})
