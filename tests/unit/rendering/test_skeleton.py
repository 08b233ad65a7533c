"""What is joined from fixed bytes and gaps is what the engine would have printed in one piece."""

from __future__ import annotations

import pytest
from tests.support.templates import DATE, plan_of

from clarion.rendering.email import WireEmail
from clarion.rendering.plan import Refusal

TO = "ada@clarion.test"
LONG = "Plain words about spring, of more than a few characters.\n"
CONTACT = {"firstName": "Ada", "lastName": "Lovelace", "attributes": {"city": "Berlin", "tags": ["a", "b"], "n": 3}}
PARTS = [
    "nothing of anybody",
    LONG * 3,
    "",
    f"{LONG}{{{{ contact.firstName }}}}{LONG}{{{{ contact.lastName }}}}{LONG}",
    "{{ contact.firstName }}{{ contact.lastName }}",
    f"{{{{ contact.firstName }}}} {LONG}·é漢 {{{{ contact.attributes.nothing }}}}",
    f"{LONG}{{% if contact.attributes.n == 3 %}}{LONG}yes{{% else %}}{LONG}no{{% endif %}}{LONG}",
    f"{LONG}{{% for tag in contact.attributes.tags %}}{LONG}{{{{ tag }}}}{{% endfor %}}{LONG}",
    f"{LONG}{{% set town = contact.attributes.city %}}{LONG}{{{{ town }}}}{LONG}{{{{ town | upper }}}}",
    f".{LONG}.{LONG}{{{{ contact.firstName }}}}\n.{LONG}",
    f"{LONG}{{% if contact.firstName %}}{LONG}{{% if contact.lastName %}}x{{% endif %}}{{% endif %}}{{{{ '{{{{' }}}}",
]


@pytest.mark.parametrize("text", PARTS)
@pytest.mark.parametrize("html", PARTS)
def test_a_joined_message_is_the_one_printed_in_one_piece(text: str, html: str) -> None:
    plan = plan_of(f"<p>{html}</p>", subject="Hello {{ contact.firstName }}", text=text)
    joined = plan.render(1, TO, CONTACT, DATE)
    # A value that needs a second look, though nothing prints it, sends the same message the long way.
    printed = plan.render(1, TO, {**CONTACT, "phone": "\\"}, DATE)
    assert isinstance(joined, WireEmail)
    assert joined == printed


def test_a_separator_in_a_value_fills_no_gap() -> None:
    plan = plan_of(f"<p>{LONG}{{{{ contact.firstName }}}}{LONG}</p>")
    assert isinstance(plan.render(1, TO, {"firstName": "A\x1eda"}, DATE), Refusal)
