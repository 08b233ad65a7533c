"""The submit_sm of one session that have no answer yet: written by number, answered in any order.

Owns sequence numbers and which message an answer belongs to. Every part that was picked up is answered exactly once:
by the centre, by the response timer, or by the end of the session. Where to read next: `bind`, `dispatch`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from clarion.adapters.channels.smpp.dispatch import Dispatch
from clarion.adapters.channels.smpp.pdu import HEADER, SEQUENCE_LIMIT, SUBMIT_SM, Pdu, read_id

_HEADER_SIZE: Final = HEADER.size


class InFlight:
    """`take` hands out the next message, `name` makes a ref of an id, `done` hears of a message all answered."""

    __slots__ = ("_done", "_name", "_pending", "_sequence", "_take", "_unwritten", "finished")

    def __init__(
        self, take: Callable[[], Dispatch | None], name: Callable[[str], str], done: Callable[[Dispatch], None]
    ) -> None:
        self._take = take
        self._name = name
        self._done = done
        self._sequence = 0
        self._pending: dict[int, tuple[Dispatch, int, float]] = {}
        """Oldest first: the message, the part, when it was written."""
        self._unwritten: deque[tuple[Dispatch, int]] = deque()
        self.finished = 0
        """Answers that came."""

    def __len__(self) -> int:
        return len(self._pending)

    def number(self) -> int:
        """The next sequence number of the session."""
        self._sequence = self._sequence % SEQUENCE_LIMIT + 1
        return self._sequence

    def fill(self, room: int, now: float) -> list[bytes]:
        """Picks up to `room` parts that wait and gives them as PDUs to be written at once."""
        units: list[bytes] = []
        while len(units) < room and (picked := self._pick()) is not None:
            dispatch, part = picked
            body = dispatch.bodies[part]
            sequence = self.number()
            self._pending[sequence] = (dispatch, part, now)
            units.append(HEADER.pack(_HEADER_SIZE + len(body), SUBMIT_SM, 0, sequence) + body)
        return units

    def answer(self, unit: Pdu) -> bool:
        """Takes the answer to a submit_sm; False when it answers none that is still waited for."""
        found = self._pending.pop(unit.sequence, None)
        if found is None:
            return False
        self.finished += 1
        dispatch, part, _ = found
        if unit.status:
            is_done = dispatch.refused(part, unit.status)
        else:
            is_done = dispatch.took(part, self._name(read_id(unit.body)))
        if is_done:
            self._done(dispatch)
        return True

    def give_up_before(self, moment: float, why: str) -> None:
        """Nobody waits any longer for answers to what was written before the moment."""
        while self._pending:
            sequence, (dispatch, part, written_at) = next(iter(self._pending.items()))
            if written_at >= moment:
                return
            del self._pending[sequence]
            if dispatch.lost(part, why):
                self._done(dispatch)

    def put_down(self, why: str) -> None:
        """Parts that were picked up and not written will not be, over this session."""
        while self._unwritten:
            dispatch, part = self._unwritten.popleft()
            if dispatch.unsent(part, why):
                self._done(dispatch)

    def end(self, why: str) -> None:
        """The session is over: what was written has no answer, what was not was not sent."""
        self.put_down(why)
        self.give_up_before(float("inf"), why)

    def _pick(self) -> tuple[Dispatch, int] | None:
        if not self._unwritten:
            dispatch = self._take()
            if dispatch is None:
                return None
            if len(dispatch.bodies) == 1:
                return dispatch, 0
            self._unwritten.extend((dispatch, part) for part in dispatch.parts())
        return self._unwritten.popleft()
