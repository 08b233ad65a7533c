"""The native API, one module a noun: its models as callers see them, and its routes.

A route says what it does in its declaration; the work is one use case of `application`. Read `contacts` first.
"""

from __future__ import annotations

from typing import Final

from litestar.handlers import HTTPRouteHandler

from clarion.entrypoints.http.api import (
    campaign_verbs,
    campaigns,
    contacts,
    deliveries,
    groups,
    imports,
    keys,
    previews,
    runs,
    segments,
    senders,
    suppressions,
)

OPERATIONS: Final[list[HTTPRouteHandler]] = [
    *contacts.ROUTES,
    *groups.ROUTES,
    *segments.ROUTES,
    *imports.ROUTES,
    *senders.ROUTES,
    *campaigns.ROUTES,
    *campaign_verbs.ROUTES,
    *previews.ROUTES,
    *runs.ROUTES,
    *deliveries.ROUTES,
    *suppressions.ROUTES,
    *keys.ROUTES,
]
"""Every operation, in the order the reference shows them."""
