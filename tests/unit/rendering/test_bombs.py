"""Templates that try to burn time or memory: each stops, and quickly (T19, T20, T67, S5)."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

import pytest
from tests.support.templates import BIG_CONTACT, BOMBS, attempt, plan_of

from clarion.domain.errors import Invalid
from clarion.rendering.email import WireEmail
from clarion.rendering.language import TAG_LIMIT

TIME_LIMIT_S: Final = 2.5
"""Of processor time. The worst takes 0.65 s; without any limit one of them takes 3.9."""
MEMORY_LIMIT: Final = 256 * 1024 * 1024
OUTPUT_LIMIT: Final = 3 * 1024 * 1024


@pytest.mark.parametrize("name", BOMBS)
def test_t20_a_bomb_stops_in_time_and_prints_little(name: str) -> None:
    for _ in range(3):  # what else the machine does can only add
        begun = time.process_time()
        verdict = attempt(BOMBS[name])
        if (took_s := time.process_time() - begun) < TIME_LIMIT_S:
            break
    assert took_s < TIME_LIMIT_S
    assert not verdict.startswith("printed") or int(verdict.split()[1]) < OUTPUT_LIMIT


def test_t20_half_a_megabyte_of_tags_is_read_no_further_than_the_last_that_may_be() -> None:
    with pytest.raises(Invalid) as refused:
        plan_of("{{ contact.email }}" * TAG_LIMIT + "\n{{ 1 }}" + "{{ never read" * 1000)
    assert refused.value.problems[0].rule == "maxTags"
    assert refused.value.problems[0].message.startswith("line 2:")


def test_t20_all_bombs_together_take_less_memory_than_one_may() -> None:
    command = [sys.executable, "-m", "tests.support.templates"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True)
    assert int(done.stdout.split()[-1]) < MEMORY_LIMIT


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.__class__ }}",
        "{{ contact['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ contact.keys() }}",
        "{{ contact | attr('__class__') }}",
        "{{ ''.format(1) }}",
        "{{ env('DB') }}",
        '{{ env "DB" }}',
        "{{ self }}{{ self() }}",
        "{% macro a() %}{% endmacro %}",
        "{% import 'a' as b %}",
        "{% include 'a' %}",
        "{% extends 'a' %}",
        "{% call a() %}{% endcall %}",
        "{% block a %}{% endblock %}",
        "{% filter upper %}{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% do 1 %}",
        "{{ {'a': 1} }}",
        "{{ contact | tojson }}",
        "{{ (contact | safe) ~ 'x' }}",
        "{{ contact | map('upper') }}",
        "{{ dict(a=1) }}",
        "{{ namespace() }}",
        "{{ joiner() }}",
        "{{ cycler(1) }}",
        "{{ lipsum() }}",
        "{{ contact.firstName() }}",
        "{{ range(3)() }}",
        "{{ contact[contact.firstName] }}",
        "{% autoescape false %}{{ contact.firstName }}{% endautoescape %}",
        "{{ x | unknown }}",
        "{{ x is unknown }}",
        "{% for contact in [1] %}{% endfor %}",
        "{% set contact = 1 %}",
        "{% set _x = 1 %}",
        "{{ a b }}",
        "{{ }}",
        "{% %}",
        "{% if %}{% endif %}",
        "{% endif %}",
        "{% else %}",
        "{% if 1 %}",
        "{{ 'a\\x41' }}",
        "{{ 1e999 }}",
        "{{ a",
        "{% for a in %}",
    ],
)
def test_t19_what_is_not_of_the_language_is_refused_when_saved(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        plan_of(source)
    assert {problem.field for problem in refused.value.problems} == {"message.email.html"}
    assert "line 1" in refused.value.problems[0].message


@pytest.mark.parametrize("key", ["items", "keys", "values", "get", "pop", "copy", "update", "index", "count"])
def test_t19_a_missing_key_never_finds_a_method_of_python(key: str) -> None:
    plan = plan_of(f"<p>[{{{{ contact.attributes.{key} }}}}][{{{{ contact.attributes['{key}'] }}}}]</p>")
    for attributes, shown in (({"a": 1}, b"[][]"), ({key: "there"}, b"[there][there]"), ([1, 2], b"[][]")):
        message = plan.render(1, "ada@clarion.test", {"attributes": attributes}, "Sat, 21 Nov 2026 04:00:00 +0000")
        assert isinstance(message, WireEmail)
        assert shown in message.data


def test_t20_an_honest_list_of_many_orders_is_printed() -> None:
    rows = [{"name": f"Thing {n}", "price": n * 1.5, "url": f"https://shop.test/{n}"} for n in range(100)]
    plan = plan_of(
        "<table>{% for row in contact.attributes.rows %}<tr><td>{{ loop.index }}</td><td>{{ row.name }}</td>"
        '<td>{{ row.price | round(2) }}</td><td><a href="{{ row.url }}">see</a></td></tr>{% endfor %}</table>'
    )
    message = plan.render(1, "ada@clarion.test", {"attributes": {"rows": rows}}, "Sat, 21 Nov 2026 04:00:00 +0000")
    assert isinstance(message, WireEmail)
    assert message.data.count(b"Thing ") == 200
    assert len(BIG_CONTACT) == 2
