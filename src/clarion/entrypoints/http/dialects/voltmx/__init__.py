"""HCL Volt MX Foundry's engagement API (formerly Kony Messaging): campaigns and segments as its callers know them.

Start reading with `actions`; docs/dialects/voltmx.md says what is spoken and what is not.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.entrypoints.http.dialect import Dialect
from clarion.entrypoints.http.dialects.voltmx import actions, campaigns, logins, segments
from clarion.entrypoints.http.dialects.voltmx.answers import answer

__all__ = ["DIALECT"]

_OWN = re.compile(r"/(?:api/v1/(?:campaigns|segments|oauth)|authService)(?:/.*)?", re.DOTALL)

DIALECT: Final = Dialect(
    name="voltmx",
    title="HCL Volt MX Foundry Engagement Services",
    about="Campaigns and segments under /api/v1, with the vendor's four ways to sign in.",
    operations=(
        logins.login,
        logins.access_token,
        campaigns.list_campaigns,
        campaigns.create_campaign,
        campaigns.get_campaign,
        campaigns.modify_campaign,
        actions.start_campaign,
        actions.pause_campaign,
        actions.resume_campaign,
        actions.terminate_campaign,
        actions.delete_campaign,
        actions.publish_campaign,
        actions.validate_campaign,
        segments.list_segments,
        segments.create_segment,
        segments.get_segment,
        segments.modify_segment,
        segments.delete_segment,
        segments.validate_segment,
    ),
    owns=lambda path: _OWN.fullmatch(path) is not None,
    answer=answer,
    security={
        "claims": {"type": "apiKey", "in": "header", "name": "X-VoltMX-Authorization"},
        "basic": {"type": "http", "scheme": "basic"},
    },
)
