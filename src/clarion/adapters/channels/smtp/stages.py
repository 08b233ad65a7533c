"""The stages an exchange goes through, and what it asks of its owner.

Stages are plain integers, not an enum: one is looked at four times a message. Where next: `exchange` moves through
them, `channel` is the owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from clarion.adapters.channels.smtp.outcomes import Phase
from clarion.adapters.channels.smtp.timeouts import Timeouts
from clarion.application.ports.channel import Window
from clarion.failpoints import failpoint
from clarion.rendering.email import WireEmail

if TYPE_CHECKING:
    from clarion.adapters.channels.smtp.chunked import ChunkedExchange
    from clarion.adapters.channels.smtp.exchange import Exchange

IDLE: Final = 0
"""No message in hand."""
RESET: Final = 1
MAIL: Final = 2
RCPT: Final = 3
DATA: Final = 4
"""Each of these: the command is written, its answer awaited."""
BODY: Final = 5
"""A large message's data is in the buffer; the dot is not written."""
DOT: Final = 6
"""The dot is written: from here on nobody can say that the message was not sent, but the server."""
LEAVING: Final = 7
CLOSED: Final = 8

EXPECTED: Final = (b"none", b"250", b"250", b"250", b"354", b"none", b"250", b"none", b"none")
"""The usual code at each stage; `none` never equals three bytes of a reply."""

PHASES: Final = {
    RESET: Phase.RSET,
    MAIL: Phase.MAIL,
    RCPT: Phase.RCPT,
    DATA: Phase.DATA,
    BODY: Phase.DOT,
    DOT: Phase.DOT,
}


def patience(stage: int, timeouts: Timeouts) -> float:
    """Seconds until an awaited answer is given up."""
    if stage == DOT:
        failpoint("after_dot")
        return timeouts.dot
    if stage == DATA:
        return timeouts.data
    return timeouts.leave if stage == LEAVING else timeouts.command


class Owner(Protocol):
    """Who hands out messages and wants to know how the connection fares."""

    def take(self) -> tuple[Window[WireEmail], int] | None:
        """The next waiting message."""
        ...

    def give_back(self, window: Window[WireEmail], index: int) -> bool:
        """Lets another connection have a message whose data was not written; False when it had that chance before."""
        ...

    def wants_loan(self) -> bool:
        """True when a message waiting behind a slow answer would be sent sooner elsewhere."""
        ...

    def rested(self, exchange: Exchange | ChunkedExchange) -> None:
        """The exchange has nothing to do."""
        ...

    def ended(self, exchange: Exchange | ChunkedExchange) -> None:
        """The exchange is over; every message it had is settled or given back."""
        ...
