"""Domo Campaigns: the two calls that start a campaign, one of them the webhook of a DataSet alert.

The credential travels in the body: it is one of our API keys, and its owner's address is the second half of the proof.
Where to read next: `routes`, and docs/dialects/domo.md for what is alike and what is not.
"""

from __future__ import annotations

from typing import Final

from clarion.entrypoints.http.dialect import Dialect
from clarion.entrypoints.http.dialects.domo.errors import answer
from clarion.entrypoints.http.dialects.domo.routes import queue_sms, start, start_by_alert

__all__ = ["DIALECT"]

_PATHS: Final = frozenset(operation.path for operation in (start, start_by_alert, queue_sms))

DIALECT: Final = Dialect(
    name="domo",
    title="Domo Campaigns",
    about="Starting a campaign by a call, or by a DataSet's alert.",
    operations=(start, start_by_alert, queue_sms),
    owns=lambda path: path.rstrip("/") in _PATHS,
    answer=answer,
)
