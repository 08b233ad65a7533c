"""A rule as SQL selects whom the rule means: compared with an oracle in Python over made-up contacts and rules."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any as Anything

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.support.database import Databases, opened
from tests.support.patience import PATIENCE_S
from tests.support.people import new_account
from tests.support.segment_oracle import selects
from tests.support.segment_samples import DATES, GROUPS, NAMES, TEXTS, attributes, conditions, rules

from clarion.adapters.postgres.contacts import CONTACT, known
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.segment_sql import where
from clarion.domain.contact import Contact
from clarion.domain.ids import Id, new_id
from clarion.domain.segment import Any, Attribute, Compare, Everyone, FromNow, Not, Operator, Rule, Unit, fixed_at

_INSERT = """
INSERT INTO contact (id, account_id, external_id, email, email_key, phone, first_name, last_name, language, timezone,
    attributes, consent_email, consent_sms, status, created_at, updated_at, last_seen_at)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""


def contact_rows(examples: list[dict[str, Anything]]) -> list[tuple[Anything, ...]]:
    """Columns of contacts: each value, and none, comes up with different others."""
    rows = []
    for i, made in enumerate(examples):
        when = [datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(hours=6 * i), datetime.now(UTC) - timedelta(days=i)]
        rows.append((
            f"A-{i}", (None, "ada@lovelace.example", "bob@b.example")[i] if i < 3 else f"p{i}@b{i % 3}.example",
            (None, "+12025550123", "+4915123456789")[i] if i < 3 else None,
            (None, "Ada", "Bo%b", "日本")[i % 4], (None, "Lovelace", "O'Neil")[i % 3], (None, "en", "pt-BR")[i % 3],
            (None, "Europe/Berlin", "UTC")[i // 2 % 3], made, (None, True, False)[i % 3], (True, None)[i % 2],
            ("active", "blocked", "stopped", "archived")[i % 4], *when, when[i % 2] if i % 3 else None,
        ))  # fmt: skip
    return rows


class People:
    """Contacts in a database, and the same in memory with the groups they are in."""

    def __init__(self, database: PostgresDatabase, account_id: Id) -> None:
        self.database = database
        self.account_id = account_id
        self.known: list[tuple[Contact, frozenset[Id]]] = []
        self.now = datetime.now(UTC)

    async def add(self, examples: list[dict[str, Anything]]) -> None:
        """Stores one contact per example; every second is in a group, every third in another."""
        async with self.database.transaction() as tx:
            for i, row in enumerate(contact_rows(examples)):
                contact_id = new_id()
                await tx.connection.execute(_INSERT, contact_id, self.account_id, *row)
                for place, group_id in enumerate(GROUPS, start=2):
                    if i % place == 0:
                        await tx.connection.execute(
                            "INSERT INTO group_member (group_id, contact_id) VALUES ($1, $2)", group_id, contact_id
                        )
            stored = await tx.connection.fetch(f"SELECT {CONTACT} FROM contact c ORDER BY c.id")
            self.now = await tx.connection.fetchval("SELECT now()")
        self.known = [
            (known(row), frozenset(group for place, group in enumerate(GROUPS, start=2) if i % place == 0))
            for i, row in enumerate(stored)
        ]

    async def selected(self, *rules: Rule) -> list[int]:
        """The places of those whom SQL selects, by an expression that is asked to be neither null nor an error."""
        text, arguments = where(rules, 2)
        query = f"SELECT {text} AS selected FROM contact AS c WHERE c.account_id = $1 ORDER BY c.id"
        async with self.database.reading() as tx:
            answers = [row["selected"] for row in await tx.connection.fetch(query, self.account_id, *arguments)]
        assert set(answers) <= {True, False}
        return [place for place, answer in enumerate(answers) if answer]

    def meant(self, rule: Rule) -> list[int]:
        """The places of those whom the oracle selects."""
        return [i for i, (contact, groups) in enumerate(self.known) if selects(rule, contact, groups, self.now)]


_SHOWN: list[dict[str, Anything]] = [
    {}, *({"a": text, "b": {"a": text}, "c.d": [text, 1]} for text in (*TEXTS, *DATES)),
    *({"a": number} for number in (0, 42, -4.5, 7, 7.0, 0.1, 2**63 - 1)),
    *({"a": value} for value in (True, False, None, "", [], {}, [42], {"a": None})),
]  # fmt: skip


def drawn(count: int) -> list[dict[str, Anything]]:
    """Attributes of that many contacts, the same in every session."""
    found: list[dict[str, Anything]] = []

    @seed(1)
    @settings(max_examples=count, deadline=None, database=None)
    @given(attributes)
    def draw(made: dict[str, Anything]) -> None:
        found.append(made)

    draw()
    return found


@pytest.fixture(scope="module")
async def people(databases: Databases) -> Anything:
    url = await databases.create_migrated()
    async with opened(url) as database:
        made = People(database, await new_account(database))
        await made.add(_SHOWN + drawn(60))
        yield made
    await databases.drop(url)


def agreeing(people: People, check: Anything) -> Anything:
    """Runs an asynchronous check of one rule on the loop that the connections belong to."""
    loop = asyncio.get_running_loop()
    return lambda rule: asyncio.run_coroutine_threadsafe(check(people, rule), loop).result(PATIENCE_S)


async def same(people: People, rule: Rule) -> None:
    """SQL and oracle agree, and what is selected and what its negation selects are everyone, once."""
    # Fixed, because now moves on between the reading of a contact and the question.
    rule = fixed_at(rule, people.now)
    found = await people.selected(rule)
    assert found == people.meant(rule), rule
    assert sorted(found + await people.selected(Not(rule))) == list(range(len(people.known)))


@pytest.mark.parametrize("strategy", [conditions, rules()], ids=["conditions", "trees"])
async def test_sql_and_oracle_agree_on_every_rule_and_its_complement(
    people: People, strategy: st.SearchStrategy[Rule]
) -> None:
    check = agreeing(people, same)

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def every(rule: Rule) -> None:
        check(rule)

    await asyncio.to_thread(every)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("operator", [Operator.BEFORE, Operator.AT_OR_BEFORE, Operator.AFTER, Operator.AT_OR_AFTER])
async def test_dates_are_compared_alike_near_and_far_from_the_moment(
    people: People, operator: Operator, name: str
) -> None:
    for days in (-400, -3, -2, -1, 0, 1, 2, 3, 400):
        moment = datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(days=days)
        await same(people, Compare(Attribute((name,)), operator, moment))


async def test_a_moment_relative_to_now_is_the_database_s(people: People) -> None:
    rule = Compare(Attribute(("a",)), Operator.BEFORE, FromNow(1, Unit.DAYS))
    assert await people.selected(rule) == people.meant(rule)
    assert people.meant(rule)


async def test_several_rules_select_whom_any_of_them_does(people: People) -> None:
    one, other = (Compare(Attribute(("a",)), Operator.EQUAL, value) for value in ("Bergen", 42))
    assert await people.selected(one, other) == people.meant(Any((one, other)))
    assert await people.selected() == []
    assert await people.selected(Everyone()) == list(range(len(people.known)))


async def test_neither_values_nor_names_come_into_the_text_of_the_query() -> None:
    for text in (*TEXTS, *NAMES):
        rule = Compare(Attribute((text, text)), Operator.CONTAINS, text)
        harmless = Compare(Attribute(("name", "name")), Operator.CONTAINS, "value")
        assert where([rule], 1)[0] == where([harmless], 1)[0]
