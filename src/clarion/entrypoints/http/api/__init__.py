"""The native API, one module a noun: its models as callers see them, and its routes.

A route says what it does in its declaration; the work is one use case of `application`. Read `contacts` first.
"""

from __future__ import annotations

from typing import Final

from litestar.handlers import HTTPRouteHandler

from clarion.entrypoints.http.api import (
    account,
    campaign_runs,
    campaign_suppressions,
    campaign_verbs,
    campaigns,
    contacts,
    deliveries,
    devices,
    executions,
    fields,
    groups,
    imports,
    inbound_messages,
    keys,
    notices,
    previews,
    runs,
    segments,
    senders,
    suppressions,
    templates,
)

OPERATIONS: Final[list[HTTPRouteHandler]] = [
    *contacts.ROUTES,
    *devices.ROUTES,
    *fields.ROUTES,
    *groups.ROUTES,
    *segments.ROUTES,
    *imports.ROUTES,
    *senders.ROUTES,
    *campaigns.ROUTES,
    *campaign_verbs.ROUTES,
    *campaign_runs.ROUTES,
    *previews.ROUTES,
    *templates.ROUTES,
    *executions.ROUTES,
    *runs.ROUTES,
    *deliveries.ROUTES,
    *inbound_messages.ROUTES,
    *suppressions.ROUTES,
    *campaign_suppressions.ROUTES,
    *notices.ROUTES,
    *keys.ROUTES,
    *account.ROUTES,
]
"""Every operation, in the order the reference shows them."""
