"""The messages of one connection: taken from the owner one by one, with their command group for this server.

Settles by itself what this server can never be given; ends when the connection has carried its share.
"""

from __future__ import annotations

from collections.abc import Callable

from clarion.adapters.channels.smtp.capabilities import Capabilities
from clarion.adapters.channels.smtp.envelope import Addresser
from clarion.adapters.channels.smtp.stages import Owner
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome
from clarion.rendering.email import WireEmail

Taken = tuple[Window[WireEmail], int, bytes, bytes]
"""A message in a connection's hands: its window, its place there, its command group, its data."""


class Supply:
    """Hands a connection its next message. `limit` is the connection's share."""

    __slots__ = ("_addresser", "_left", "_take")

    def __init__(self, owner: Owner, can: Capabilities, *, limit: int) -> None:
        self._addresser = Addresser(can)
        self._left = limit
        self._take: Callable[[], tuple[Window[WireEmail], int] | None] = owner.take

    @property
    def ended(self) -> bool:
        """True when this connection gets no more messages, however many wait."""
        return self._left <= 0

    def end(self) -> None:
        """Hands out no more."""
        self._left = 0

    def pick(self) -> Taken | None:
        """The next message this server can be given, or None when none waits or the share is used up."""
        while self._left > 0:
            handed = self._take()
            if handed is None:
                return None
            window, index = handed
            group = self._addresser.address(window.messages[index])
            if not isinstance(group, Outcome):
                self._left -= 1
                return window, index, group[0], group[1]
            window.settle(index, group)
        return None
