"""Recipients that come with a call: concurrent calls are stored together, and each is answered after the commit.

Calls that come together share a commit (`group_commit`). Nothing is remembered outside the database: a call that was
answered is stored, and one that was not may be repeated with its request id. Where to read next: `application.intake`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from clarion.application.calls import KnownCall, TriggerCall, read_call
from clarion.application.intake import Answer, accept
from clarion.application.ports import Database
from clarion.domain.errors import Unavailable
from clarion.domain.execution import Execution
from clarion.domain.ids import Id, new_id
from clarion.failpoints import failpoint
from clarion.pipeline.group_commit import GroupCommit, Load

GROUP_RECIPIENTS: Final = 500
"""Recipients of one group; a single call is never larger."""
GROUP_BYTES: Final = 8 * 1024 * 1024
"""What the calls of one group may say of their recipients, unless one call alone says more."""
WAITING_RECIPIENTS: Final = 20_000
WAITING_BYTES: Final = 64 * 1024 * 1024
"""What may wait to be stored; beyond that callers are told to come again."""


class Intake:
    """Stores calls in groups. One in a process, used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups = GroupCommit(
            self._store,
            name="intake",
            group=Load(GROUP_RECIPIENTS, GROUP_BYTES),
            waiting=Load(WAITING_RECIPIENTS, WAITING_BYTES),
        )
        self._unopened: dict[Id, Id] = {}

    async def submit(self, call: TriggerCall) -> Execution:
        """Stores a call; its deliveries are on disk when this returns, and a worker has been woken.

        A caller that goes away does not take its call back. Safe to repeat with the same request id and body.

        Raises:
            Invalid: a recipient's identity cannot be read, comes twice, or a limit is exceeded.
            NotFound: there is no such campaign, or no such contact.
            Conflict: the campaign is not running, takes no calls, or the request id came before with another body.
            Unavailable: too many calls wait, or the database does not answer; it may or may not be stored.
        """
        known = read_call(call)
        return await self._groups.put(known, Load(len(known.recipients), known.size))

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
        await self._groups.aclose()

    async def _store(self, calls: Sequence[KnownCall]) -> Sequence[Answer]:
        await self._open_runs()
        failpoint("before_intake_commit")
        answers = await self._database.retrying(lambda tx: accept(tx, calls))
        failpoint("after_intake_commit")
        for known, answer in zip(calls, answers, strict=True):
            if answer is None:
                self._unopened[known.call.campaign_id] = known.call.account_id
        return answers

    async def _open_runs(self) -> None:
        """Opens the next run of campaigns that had none for a call of the group before; these calls come again."""
        while self._unopened:
            campaign_id, account_id = self._unopened.popitem()
            with contextlib.suppress(Unavailable):  # then the call finds none again, and after some tries is told so
                async with self._database.transaction() as tx:
                    await tx.intake.open_run(account_id, campaign_id, new_id())
