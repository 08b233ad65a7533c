"""A message on any channel: what goes on the wire for one person, and the plan that makes it.

Each channel has a plan of its own: `plan` for email, `sms_plan`, `push`. Never sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from clarion.domain.outcome import Reason
from clarion.rendering.context import NO_CONTEXT, LookedOver
from clarion.rendering.email import WireEmail
from clarion.rendering.push import WirePush
from clarion.rendering.sms import WireSms

WireMessage = WireEmail | WireSms | WirePush


class Refusal(NamedTuple):
    """Why this person gets no message: the delivery is skipped with this reason and detail."""

    reason: Reason
    detail: str


class Plan(Protocol):
    """What is the same for every recipient of a run. Immutable; may be cached for as long as its run.

    `variables` are the dotted names the message looks up, `optional` those it has a default for, `columns` the contact
    columns it needs, `reads_context` whether it looks at what a call or a start said, `warnings` what an author should
    know before the start.
    """

    variables: frozenset[str]
    optional: frozenset[str]
    columns: frozenset[str]
    reads_context: bool
    warnings: tuple[str, ...]

    def key(self, address: str) -> str:
        """The canonical key of an address: what suppressions compare. Never raises."""
        ...

    def render(
        self, seq: int, address: str, contact: Mapping[str, object], date: str, context: LookedOver = NO_CONTEXT
    ) -> WireMessage | Refusal:
        """The message for one person, or why there is none. Never raises for bad data; pure.

        `date` is an RFC 5322 date of now; a plan without one leaves it.
        """
        ...
