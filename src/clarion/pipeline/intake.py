"""Recipients that come with a call: concurrent calls are stored together, and each is answered after the commit.

While one group is being committed the next one gathers, so a commit is shared by as many calls as came meanwhile and a
single call waits for nobody. Nothing is remembered outside the database: a call that was answered is stored, and one
that was not may be repeated with its request id. Where to read next: `application.accepting`.
"""

from __future__ import annotations

from clarion.application.ports import Database
from clarion.application.triggers import TriggerCall
from clarion.domain.execution import Execution


class Intake:
    """Stores calls in groups. One in a process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, call: TriggerCall) -> Execution:
        """Stores a call; its deliveries are on disk when this returns, and a worker has been woken.

        A caller that goes away does not take its call back.

        Raises:
            Invalid: a recipient's identity or address cannot be read, or a limit is exceeded.
            NotFound: there is no such campaign, or no such contact.
            Conflict: the campaign is not running, takes no calls, or the request id came before with another body.
            Unavailable: too many calls wait, or the database does not answer; a call with a request id may be repeated.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Stores what was handed in, then takes no more. Safe to repeat."""
