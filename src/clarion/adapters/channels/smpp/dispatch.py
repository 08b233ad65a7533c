"""One message on its way: what became of each of its parts, and what that comes to for the message.

Owns what a partly taken message is. No phone shows a message of which a part is missing, so only all parts taken is
`sent`. Parts that were refused for now are tried again while others were taken, since nothing else makes the message
readable; one that is refused for good makes it `failed`, with the words "2 of 3 parts taken"; one without an answer
makes it `unknown`. Where to read next: `bind`, which writes the parts; `statuses`.
"""

from __future__ import annotations

from clarion.adapters.channels.smpp.statuses import answered
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.rendering.sms import WireSms


class Dispatch:
    """A message of a window, as submit_sm bodies."""

    __slots__ = ("_again_until", "_answers", "_waiting", "bodies", "index", "window")

    def __init__(self, window: Window[WireSms], index: int, bodies: list[bytes]) -> None:
        self.window = window
        self.index = index
        self.bodies = bodies
        self._again_until: float | None = None
        self._answers: list[str | Outcome | None] = [None] * len(bodies)
        """Of each part: the centre's id of it, why it was not taken, or None while that is not known."""
        self._waiting = len(bodies)

    def parts(self) -> list[int]:
        """The parts that are to be written, by place: all of them at first."""
        return [part for part, answer in enumerate(self._answers) if answer is None]

    def took(self, part: int, ref: str) -> bool:
        """The centre took a part and named it; tells whether that was the last answer."""
        return self._answer(part, ref)

    def refused(self, part: int, status: int) -> bool:
        """The centre refused a part; tells whether that was the last answer."""
        return self._answer(part, answered(status))

    def lost(self, part: int, why: str) -> bool:
        """A part was written and will not be answered; tells whether that was the last answer."""
        return self._answer(part, Outcome.unknown(Reason.NO_ANSWER, why))

    def unsent(self, part: int, why: str) -> bool:
        """A part was not written and will not be; tells whether that was the last answer."""
        return self._answer(part, Outcome.retry(Reason.CONNECTION_LOST, why))

    @property
    def is_unfinished(self) -> bool:
        """Whether some parts were taken and all others were refused for now."""
        refusals = self._refusals()
        return 0 < len(refusals) < len(self._answers) and all(one.verdict is Verdict.RETRY for one in refusals)

    def again_until(self, now: float, patience_s: float) -> float:
        """When its refused parts are given up: so long after the first time that this was asked."""
        if self._again_until is None:
            self._again_until = now + patience_s
        return self._again_until

    def begin_again(self) -> None:
        """Makes the refused parts ones to be written; those taken stay taken."""
        self._answers = [None if isinstance(answer, Outcome) else answer for answer in self._answers]
        self._waiting = len(self.parts())

    def settle(self) -> None:
        """Tells the window what the message came to; call it when every part has an answer."""
        self.window.settle(self.index, self._outcome())

    def _answer(self, part: int, answer: str | Outcome) -> bool:
        self._answers[part] = answer
        self._waiting -= 1
        return not self._waiting

    def _refusals(self) -> list[Outcome]:
        return [answer for answer in self._answers if isinstance(answer, Outcome)]

    def _outcome(self) -> Outcome:
        refusals = self._refusals()
        if not refusals:
            refs = tuple(answer for answer in self._answers if isinstance(answer, str))
            return Outcome.sent(" ".join(refs), refs if all(refs) else ())
        for verdict in (Verdict.UNKNOWN, Verdict.FAILED):
            decisive = next((one for one in refusals if one.verdict is verdict), None)
            if decisive is not None:
                return Outcome(verdict, decisive.reason, self._words(decisive.reply, len(refusals)))
        if len(refusals) < len(self._answers):
            return Outcome.failed(Reason.MESSAGE_REJECTED, self._words(refusals[0].reply, len(refusals)))
        return refusals[0]

    def _words(self, why: str, refusals: int) -> str:
        count = len(self._answers)
        return why if count == 1 else f"{count - refusals} of {count} parts taken: {why}"
