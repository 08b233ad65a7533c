"""Notices: what the people of the account should hear of without asking.

Owns how a notice looks to callers. They are written by the use cases that have something to tell.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from clarion.application.notices import list_notices
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.domain.ids import parse_id
from clarion.domain.notice import Notice
from clarion.entrypoints.http.api.paging import UNKNOWN, HexId, Page, PageQuery, after_id, hex_or_none, page
from clarion.entrypoints.http.operation import Call, Nothing, operation


class NoticeView(msgspec.Struct, rename="camel"):
    """One notice: `kind` is for programs, `message` for people."""

    id: HexId
    campaign_id: HexId | None
    kind: str
    message: str
    created_at: datetime

    @classmethod
    def of(cls, notice: Notice) -> NoticeView:
        """The notice as callers see it."""
        return cls(
            id=notice.id.hex(),
            campaign_id=hex_or_none(notice.campaign_id),
            kind=notice.kind,
            message=notice.message,
            created_at=notice.created_at,
        )


class NoticesQuery(PageQuery, kw_only=True):
    """Which notices to list."""

    campaign: Annotated[str, Meta(max_length=24, description="Id of the campaign they are about.")] | None = None


@operation(
    name="listNotices", method="GET", path="/notices", tag="notices", permission=Permission.CAMPAIGNS_READ,
    summary="List notices", description="In order of creation, the newest last.", query=NoticesQuery,
    data=Page[NoticeView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, NoticesQuery]) -> Page[NoticeView]:
    """Reads one page."""
    asked = call.query.campaign
    campaign_id = None if asked is None else parse_id(asked) or UNKNOWN
    notices = await list_notices(
        tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1, campaign_id=campaign_id
    )
    return page(call, notices, NoticeView.of, lambda notice: notice.id)


ROUTES = [list_all]
