"""What an account at a centre may be, and which field is named when it may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clarion.domain.providers.provider import Security
from clarion.domain.providers.smpp import SmppBind

GOOD = SmppBind(host="smpp.carrier.example", port=3550, system_id="clarion")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"system_type": "CMT", "service_type": "CMT", "window": 1000, "short_code_ton": 0},
        {"security": Security.NONE, "trusted_network": True},
        {"security": Security.NONE, "host": "127.0.0.1"},
    ],
)
def test_a_good_account_has_no_problem(changes: dict[str, object]) -> None:
    assert list(replace(GOOD, **changes).problems()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"host": "no host"}, "settings.host", "host"),
        ({"port": 0}, "settings.port", "range"),
        ({"security": Security.NONE}, "settings.security", "tlsForLogin"),
        ({"security": Security.STARTTLS}, "settings.security", "enum"),
        ({"system_id": ""}, "settings.systemId", "pattern"),
        ({"system_id": "x" * 16}, "settings.systemId", "pattern"),
        ({"system_id": "clárion"}, "settings.systemId", "pattern"),
        ({"system_id": "a\0b"}, "settings.systemId", "pattern"),
        ({"system_type": "x" * 13}, "settings.systemType", "pattern"),
        ({"service_type": "x" * 6}, "settings.serviceType", "pattern"),
        ({"window": 0}, "settings.window", "range"),
        ({"window": 1001}, "settings.window", "range"),
        ({"validity_seconds": 59}, "settings.validitySeconds", "range"),
        ({"validity_seconds": 604_801}, "settings.validitySeconds", "range"),
        ({"short_code_ton": 256}, "settings.shortCodeTon", "range"),
        ({"short_code_npi": -1}, "settings.shortCodeNpi", "range"),
        ({"max_connections": 0}, "settings.maxConnections", "range"),
    ],
)
def test_each_mistake_names_its_field_and_rule(changes: dict[str, object], field: str, rule: str) -> None:
    (problem,) = replace(GOOD, **changes).problems()  # type: ignore[arg-type]
    assert (problem.field, problem.rule) == (field, rule)
