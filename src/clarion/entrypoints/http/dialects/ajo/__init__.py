"""Adobe Journey Optimizer: the Interactive Message Execution API, with the token exchange its callers use.

A call names an API-triggered campaign of ours; everything else about campaigns is done over the native API. Where to
read next: `routes`, and docs/dialects/ajo.md for what is alike and what is not.
"""

from __future__ import annotations

from typing import Final

from clarion.entrypoints.http.dialect import Dialect
from clarion.entrypoints.http.dialects.ajo.audiences import audience, audience_status, delete_schedule, schedule
from clarion.entrypoints.http.dialects.ajo.errors import answer
from clarion.entrypoints.http.dialects.ajo.health import health
from clarion.entrypoints.http.dialects.ajo.outcomes import unitary_outcome
from clarion.entrypoints.http.dialects.ajo.recipients import high_throughput, unitary
from clarion.entrypoints.http.dialects.ajo.tokens import token

__all__ = ["DIALECT"]


def _owns(path: str) -> bool:
    return path.startswith(("/ajo/", "/ims/"))


DIALECT: Final = Dialect(
    name="ajo",
    title="Adobe Journey Optimizer",
    about="Messages by API-triggered campaigns: Interactive Message Execution.",
    operations=(
        unitary,
        high_throughput,
        unitary_outcome,
        audience,
        audience_status,
        schedule,
        delete_schedule,
        token,
        health,
    ),
    owns=_owns,
    answer=answer,
    security={
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `/ims/token/v3`."},
    },
)
