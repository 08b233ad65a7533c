"""What a provider's error code comes to: verdict, reason and a few words, and careful reading of what it answered.

Every provider has one table of these, and docs/providers.md shows it with its source. Decides nothing by itself and
never raises over an answer, however odd. Where to read next: any provider's module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

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


UNREADABLE: Final = Outcome.unknown(Reason.NO_ANSWER, "the provider answered with success, but not in its own form")
"""A success that is not what the provider documents: somebody else may have answered in its place."""


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


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; empty when it is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_of(value: object) -> str:
    """A value that should be a text or a number, as a text; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def object_of(value: object) -> dict[str, Any]:
    """A value that should be an object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A value that should be a list; empty for anything else."""
    return value if isinstance(value, list) else []


def bare(number: str) -> str:
    """An originator or number without its plus sign, for providers that want none."""
    return number.removeprefix("+")
