"""Microseconds to render one email, by part. Run: `python tests/benchmarks/render.py`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.templates import DATE, plan_of

from clarion.domain.campaign import Category
from clarion.rendering.addresses import email_key, is_mailbox, parse_email
from clarion.rendering.context import look_over
from clarion.rendering.email import has_long_line, reencoded, stuffed
from clarion.rendering.plan import EmailPlan, Refusal

PARAGRAPH = '<p class="body">Plain words that say something about spring, of about one hundred characters a line.</p>\n'
HTML = (
    "<html><head><style>\n.body{color:#333}\n</style></head><body>\n"
    "<h1>Hello {{ contact.firstName | default('there') }}</h1>\n"
    + PARAGRAPH * 16
    + "<p>{{ contact.attributes.city }}, {{ contact.attributes.plan }}, {{ contact.lastName }}</p>\n"
    + "{% if contact.attributes.plan == 'gold' %}<p>Thanks for {{ contact.attributes.years }} years.</p>{% endif %}\n"
    + PARAGRAPH * 16
    + '<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>\n'
)
TEXT = "Hello {{ contact.firstName }}\n" + "Plain words that say something.\n" * 20 + "Leave: {{ unsubscribe_url }}\n"
CONTACT: dict[str, object] = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "attributes": {"city": "Berlin", "plan": "gold", "years": 3},
}
TO = "ada.lovelace@example.test"


def microseconds(work: Callable[[], object], rounds: int = 20, repeats: int = 1000) -> float:
    """The best mean of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time_ns()
        for _ in range(repeats):
            work()
        best = min(best, (time.process_time_ns() - begun) / repeats / 1000)
    return best


def report(name: str, work: Callable[[], object]) -> None:
    """Prints one line."""
    print(f"{name:52} {microseconds(work):8.2f} µs")


def whole(plan: EmailPlan, contact: dict[str, object]) -> Callable[[], object]:
    """One render, checked once."""
    message = plan.render(1, TO, contact, DATE)
    if isinstance(message, Refusal):
        raise SystemExit(message.detail)
    return lambda: plan.render(1, TO, contact, DATE)


def main() -> None:
    """Prints the table."""
    plan = plan_of(HTML, subject="{{ contact.firstName }}, news for spring", text=TEXT, category=Category.MARKETING)
    derived = plan_of(HTML, subject="News for spring", category=Category.MARKETING)
    message = plan.render(1, TO, CONTACT, DATE)
    if isinstance(message, Refusal):
        raise SystemExit(message.detail)
    data, urls, body, envelope = message.data, plan._envelope.urls(1), plan._body, plan._envelope
    print(f"one marketing email, text and HTML, {len(data)} octets on the wire")
    report("all in, subject and text given", whole(plan, CONTACT))
    report("all in, fixed subject, text derived", whole(derived, CONTACT))
    report("all in, a value with a line break", whole(plan, CONTACT | {"lastName": "Love\nlace"}))
    report("all in, a value that is null", whole(plan, CONTACT | {"lastName": None}))
    report("all in, a non-ASCII subject", whole(plan, CONTACT | {"firstName": "Zoë"}))
    report("all in, a long line (quoted-printable)", whole(plan, CONTACT | {"lastName": "l" * 1200}))
    report("  look at the address", lambda: is_mailbox(TO))
    report("  sign the links", lambda: envelope.urls(1))
    report("  put subject, text and HTML together", lambda: body.render(CONTACT, urls))
    report("  instead, by the engine", lambda: body.engine_print(CONTACT, urls))
    report("    of it, the data's JSON", lambda: look_over(CONTACT))
    report("  write the headers", lambda: envelope.headers(1, TO, "News for spring", DATE, urls))
    text = data.decode()
    report("  encode", text.encode)
    report("  look for the boundary", lambda: data.count(envelope.boundary))
    report("when needed: look for long lines", lambda: has_long_line(data))
    report("when needed: double dots", lambda: stuffed(data))
    report("when needed: quoted-printable", lambda: reencoded(data))
    report("parse an address", lambda: parse_email(TO))
    report("key of an address", lambda: email_key(TO))


if __name__ == "__main__":
    main()
