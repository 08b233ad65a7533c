"""Microseconds to render one text message, by part. Run: `python tests/benchmarks/render_sms.py`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import phonenumbers
from tests.benchmarks.render import report
from tests.support.templates import DATE
from tests.support.text_messages import plan_of

from clarion.rendering.message import Refusal
from clarion.rendering.phone_numbers import look_up
from clarion.rendering.sms_encoding import fitted
from clarion.rendering.sms_plan import SmsPlan
from clarion.rendering.sms_wording import in_gsm

NUMBERS = [f"+4915123{number:06}" for number in range(1000)] + [f"+33612{number:06}" for number in range(1000)]
CONTACT: dict[str, object] = {"firstName": "Ada", "attributes": {"city": "Berlin", "code": "X7Q"}}
PLAIN = "Hello {{ contact.firstName }}, your code {{ contact.attributes.code }} for {{ contact.attributes.city }} is valid until Friday. STOP to stop"  # noqa: E501 - one message
QUOTED = PLAIN.replace("until Friday", "until \u201cFriday\u201d \u2013 enjoy")
FOREIGN = PLAIN.replace("until Friday", "until Friday \U0001f389")
LONG = " \u20ac ".join([PLAIN] * 3)


def rendering(plan: SmsPlan) -> Callable[[], object]:
    """Renders for one person after another, checked once."""
    numbers = itertools.cycle(NUMBERS)
    message = plan.render(1, NUMBERS[0], CONTACT, DATE)
    if isinstance(message, Refusal):
        raise SystemExit(message.detail)
    return lambda: plan.render(1, next(numbers), CONTACT, DATE)


def main() -> None:
    """Prints the table."""
    print("one text message, each to another number")
    report("all in, the same text for everyone", rendering(plan_of("Sale today. STOP to stop")))
    report("all in, three values", rendering(plan_of(PLAIN)))
    report("all in, three segments with euro signs", rendering(plan_of(LONG)))
    report("all in, an emoji", rendering(plan_of(FOREIGN)))
    report("all in, written otherwise", rendering(plan_of(QUOTED, transliterate=True)))
    numbers = itertools.cycle(NUMBERS)
    report("  look the number up", lambda: look_up(next(numbers)))
    report("    beside it, phonenumbers", lambda: _by_library(next(numbers)))
    report("  encode and split", lambda: fitted(LONG))
    report("  write otherwise", lambda: in_gsm(QUOTED))


def _by_library(number: str) -> tuple[str | None, bool, int]:
    parsed = phonenumbers.parse(number, None)
    return (
        phonenumbers.region_code_for_number(parsed),
        phonenumbers.is_valid_number(parsed),
        phonenumbers.number_type(parsed),
    )


if __name__ == "__main__":
    main()
