"""What a provider's error code comes to: verdict, reason and a few words.

Every provider has one table of these, and docs/providers.md shows it with its source. Decides nothing by itself. Where
to read next: any provider's module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clarion.adapters.channels.http import HttpWay, Request
from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.domain.outcome import Outcome, Reason, Verdict


class Meaning(NamedTuple):
    """What one code means for the message it is said of. As a receipt, only the reason counts: the message went."""

    verdict: Verdict
    reason: Reason
    words: str

    def outcome(self, said: str) -> Outcome:
        """The outcome of a message that was answered with this code."""
        return Outcome(self.verdict, self.reason, plain(said))


Table = Mapping[str, Meaning]


def failed(reason: Reason, words: str) -> Meaning:
    """It never will be sent."""
    return Meaning(Verdict.FAILED, reason, words)


def later(reason: Reason, words: str) -> Meaning:
    """Not sent, and not the message's fault, or not for ever."""
    return Meaning(Verdict.RETRY, reason, words)


def uncertain(words: str) -> Meaning:
    """Sent or not, the provider itself cannot tell."""
    return Meaning(Verdict.UNKNOWN, Reason.NO_ANSWER, words)


def refused(table: Table, code: str, said: str, answer: Answer) -> Outcome:
    """What a refusal means: by the provider's own table, or else by its HTTP status."""
    known = table.get(code)
    return known.outcome(said) if known is not None else refusal(answer, said)


async def probed(way: HttpWay, request: Request, healthy: Sequence[int]) -> Outcome:
    """Asks something harmless; `sent` when the status is one that only good credentials get."""
    answer = await way.ask(request)
    if isinstance(answer, Outcome):
        return answer
    if answer.status in healthy:
        return Outcome.sent("ready; the provider takes our credentials")
    outcome = refusal(answer, "")
    return outcome if outcome.verdict is Verdict.RETRY else Outcome.retry(Reason.CONNECTION_FAILED, outcome.reply)


def bare(number: str) -> str:
    """An originator or number without its plus sign, for providers that want none."""
    return number.removeprefix("+")
