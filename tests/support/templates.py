"""Templates under test: a plan made of few words, and the bombs an author or a recipient might try."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Mapping
from typing import Final

from clarion.domain.campaign import Category
from clarion.domain.content import EmailContent
from clarion.domain.errors import Invalid
from clarion.domain.ids import Id
from clarion.rendering.links import Links
from clarion.rendering.plan import EmailPlan, Refusal, RunFacts, compile_email
from clarion.rendering.tokens import TokenSigner

ACCOUNT: Final = Id(bytes(range(12)))
RUN: Final = Id(bytes(range(12, 24)))
DATE: Final = "Sat, 21 Nov 2026 04:00:00 +0000"
SIGNER: Final = TokenSigner({1: b"k" * 32}, 1)
LINKS: Final = Links("https://mail.clarion.test", SIGNER, "leave@clarion.test")


def facts(category: Category = Category.TRANSACTIONAL, from_address: str = "News <news@clarion.test>") -> RunFacts:
    """A run's facts, the same every time."""
    return RunFacts(
        account_id=ACCOUNT,
        account_name="Clarion Test",
        campaign_id=Id(bytes(range(24, 36))),
        campaign_name="Spring",
        run_id=RUN,
        category=category,
        from_address=from_address,
    )


def plan_of(
    html: str = "<p>Hello</p>",
    *,
    subject: str = "Hello",
    text: str | None = None,
    category: Category = Category.TRANSACTIONAL,
    from_: str | None = None,
    reply_to: str | None = None,
) -> EmailPlan:
    """A compiled plan."""
    content = EmailContent(subject=subject, html=html, text=text, from_=from_, reply_to=reply_to)
    return compile_email(content, facts=facts(category), links=LINKS)


_TEXT = "x" * 15_000
BIG_CONTACT: Final[Mapping[str, object]] = {
    "firstName": "Ada",
    "attributes": {"text": _TEXT, "list": ["ab"] * 3000, "deep": [[["a"] * 10] * 10] * 10, "digits": "9" * 4000},
}
"""A contact with as much data as may be, shaped to hurt."""
_SHORT: Final = {"T": "contact.attributes.text", "L": "contact.attributes.list"}

BOMBS: Final[dict[str, str]] = {
    "nested loops": "{% for a in L %}{% for b in L %}{% for c in L %}x{% endfor %}{% endfor %}{% endfor %}",
    "four loops": "{% for a in L %}" * 4 + "x" + "{% endfor %}" * 4,
    "range of a billion": "{% for i in range(1000000000) %}x{% endfor %}",
    "range squared": "{% for i in range(1000) %}{% for j in range(1000) %}x{% endfor %}{% endfor %}",
    "repeated text": "{{ 'a' * 1000000000 }}",
    "repeated power": "{{ 'a' * 10 ** 9 }}",
    "repeated data": "{{ T * 100000 }}",
    "repeated list": "{{ [1, 2] * 100000000 }}",
    "repetition from the left": "{{ 1000000000 * 'a' }}",
    "center": "{{ 'a'.center(1000000000) }}",
    "center filter": "{{ 'a' | center(1000000000) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "format width": "{{ '%1000000000d' | format(1) }}",
    "format method": "{{ '{:>1000000000}'.format(1) }}",
    "indent": "{{ T | indent(1000000) }}",
    "batch": "{% for r in [1] | batch(1000000000, 'x') %}{{ r }}{% endfor %}",
    "tojson indent": "{{ contact | tojson(indent=1000000) }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep lists": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "deep negation": "{{ " + "not " * 5000 + "1 }}",
    "deep minus": "{{ " + "-" * 5000 + "1 }}",
    "deep ifs": "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "recursive macro": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "recursive loop": "{% for a in L recursive %}{{ loop(L) }}{% endfor %}",
    "self include": "{% include 'message' %}",
    "self extends": "{% extends 'message' %}",
    "namespace doubling": "{% set n = namespace(x='a') %}{% for i in L %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubling by set": "{% set x = T %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "doubling by plus": "{% set x = T %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "list doubling": "{% set x = L %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "set in a loop": "{% for i in L %}{% set x = (x or T) ~ T %}{{ x }}{% endfor %}",
    "replace growth": "{{ T | replace('x', T) | replace('x', T) }}",
    "replace empty": "{{ T | replace('', T) }}",
    "join growth": "{{ L | join(T) | list | join(T) }}",
    "escape chain": "{{ T" + " | e" * 60 + " }}",
    "upper in a loop": "{% for i in L %}{{ T" + " | upper | lower" * 30 + " }}{% endfor %}",
    "sorting in a loop": "{% for i in L %}{{ L | sort | reverse | sort | join(',') }}{% endfor %}",
    "comparing in a loop": "{% for i in L %}{% if (T ~ T ~ T) == (T ~ T ~ T) %}{% endif %}{% endfor %}",
    "print in a loop": "{% for i in L %}{{ contact }}{% endfor %}",
    "long text in a loop": "{% for i in L %}" + "y" * 400_000 + "{% endfor %}",
    "many values": "{{ T }}" * 1990,
    "too many tags": "{{ T }}" * 50_000,
    "one long expression": "{{ T" + " ~ T" * 10_000 + " }}",
    "long alternatives": "{{ 1" + " if T else 1" * 10_000 + " }}",
    "debug": "{{ debug() }}",
    "big numbers": "{{ (contact.attributes.digits | int) * (contact.attributes.digits | int) }}",
    "round": "{{ (1.5 | float) | round(2147483647) }}",
    "truncate growth": "{{ T | truncate(1, T ~ T ~ T) | replace('x', T) }}",
    "unclosed": "{{ 'a" * 10_000,
    "unclosed comments": "{# " * 100_000,
    "unclosed raw": "{% raw %}" * 50_000,
    "many open tags": "<a " * 100_000,
    "many open quotes": '<a href="' * 50_000,
    "many comments": "<!-- " * 100_000,
    "many attributes": "<a " + "b='c' " * 80_000 + ">",
    "many tags of HTML": "<b>" * 170_000,
    "many tags and texts": "<b>x</b>" * 60_000,
    "many links": "<a href='#'>" * 40_000,
    "many entities": "&amp;" * 100_000,
    "many less-than signs": "< " * 250_000,
    "many lists": "<ul><li>" * 60_000,
    "many conditionals": "<!--[if mso]>" * 40_000,
    "many line ends": "\n" * 500_000,
    "many hidden": "<svg>" * 100_000 + "</title>",
    "wide spaces": "<a" + " " * 500_000,
    "wide attribute": "<a " + "b" * 500_000,
    "wide equals": "<a " + "b " * 250_000,
    "many scripts": "<script>" * 60_000,
    "long word": "<p>" + "w" * 500_000,
    "many words": "<p>" + "w " * 250_000,
}
"""Name and HTML of each bomb; L and T stand for a long list and a long text of the contact's."""


def attempt(bomb: str) -> str:
    """What becomes of a bomb: refused when saved, refused for the person, or printed within the limits."""
    source = re.sub(r"(?<=[ (+])([TL])(?=[ ),~])", lambda match: _SHORT[match[1]], bomb)
    try:
        plan = plan_of(source)
    except Invalid as refused:
        return f"save: {refused.problems[0].rule}"
    message = plan.render(1, "ada@clarion.test", BIG_CONTACT, DATE)
    return f"person: {message.detail}" if isinstance(message, Refusal) else f"printed {len(message.data)}"


def peak_bytes() -> int:
    """The largest resident size this process has had."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def main() -> None:
    """Tries every bomb and prints how much memory that took over an ordinary message."""
    attempt("<p>{{ T | upper }}</p>")
    before = peak_bytes()
    for bomb in BOMBS.values():
        attempt(bomb)
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
