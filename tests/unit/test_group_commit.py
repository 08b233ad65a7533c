"""Group commits: who shares one, who is told what, and what those who fail or go away leave to their neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from clarion.domain.errors import ClarionError, Conflict, Unavailable
from clarion.pipeline.group_commit import GroupCommit, Load


class Shelf:
    """Stores words, a group at a time, each step once it is let. What a word begins with says what becomes of it."""

    def __init__(self, *, group: int = 3, waiting: int = 100) -> None:
        self.groups = GroupCommit(self._store, name="shelf", group=Load(group, 1000), waiting=Load(waiting, 1000))
        self.stored: list[list[str]] = []
        self.tried = 0
        self.may_store = asyncio.Event()
        self.may_store.set()

    async def put(self, word: str, rows: int = 1) -> str:
        """Has a word stored; its answer is the word in capitals."""
        return await self.groups.put(word, Load(rows, len(word)))

    async def put_all(self, *words: str) -> list[str | BaseException]:
        """Puts words at once."""
        return await asyncio.gather(*map(self.put, words), return_exceptions=True)

    async def _store(self, words: Sequence[str]) -> Sequence[str | ClarionError | None]:
        self.tried += 1
        await self.may_store.wait()
        if any(word.startswith("bug") for word in words):
            raise ValueError("a bug")
        if any(word.startswith("away") for word in words):
            raise Unavailable("the shelf is away", retry_after_s=7)
        self.stored.append(list(words))
        return [self._answer(word) for word in words]

    def _answer(self, word: str) -> str | ClarionError | None:
        if word.startswith("never") or (word.startswith("later") and self.tried == 1):
            return None
        return Conflict("FULL", "no room") if word.startswith("no") else word.upper()


async def test_what_comes_while_one_group_is_stored_is_the_next_group() -> None:
    shelf = Shelf(group=100)
    shelf.may_store.clear()
    first = asyncio.create_task(shelf.put("first"))
    while not shelf.tried:
        await asyncio.sleep(0)
    others = asyncio.create_task(shelf.put_all(*map(str, range(50))))
    await asyncio.sleep(0)
    shelf.may_store.set()
    assert [await first, *await others] == ["FIRST", *map(str, range(50))]
    assert list(map(len, shelf.stored)) == [1, 50]


async def test_a_group_is_no_larger_than_it_may_be_and_nothing_is_parted() -> None:
    shelf = Shelf(group=3)
    await asyncio.gather(*(shelf.put(str(rows), rows) for rows in (2, 1, 1, 9, 3)))
    assert shelf.stored == [["2", "1"], ["1"], ["9"], ["3"]]


async def test_each_is_told_of_its_own_and_a_surprise_harms_nobody_else() -> None:
    shelf = Shelf(group=10)
    fine, refused, surprise, other = await shelf.put_all("fine", "no", "bug", "other")
    assert (fine, other) == ("FINE", "OTHER")
    assert isinstance(refused, Conflict)
    assert isinstance(surprise, ValueError)
    assert shelf.stored == [["fine"], ["no"], ["other"]]


async def test_while_nothing_can_be_stored_everybody_is_told_and_an_error_of_their_own() -> None:
    shelf = Shelf(group=10)
    ends = await shelf.put_all("away", "one", "two")
    assert [(type(end), str(end), getattr(end, "retry_after_s", 0)) for end in ends] == [
        (Unavailable, "the shelf is away", 7)
    ] * 3
    assert len(set(map(id, ends))) == 3
    assert await shelf.put("three") == "THREE"


async def test_who_goes_away_takes_nothing_back_and_disturbs_nobody() -> None:
    shelf = Shelf(group=10)
    shelf.may_store.clear()
    gone, stays = (asyncio.create_task(shelf.put(word)) for word in ("gone", "stays"))
    while not shelf.tried:
        await asyncio.sleep(0)
    gone.cancel()
    shelf.may_store.set()
    assert await stays == "STAYS"
    assert shelf.stored == [["gone", "stays"]]


async def test_what_cannot_be_decided_comes_again_but_not_for_ever() -> None:
    shelf = Shelf()
    later, never = await shelf.put_all("later", "never")
    assert later == "LATER"
    assert isinstance(never, Unavailable)
    assert shelf.tried == 4


async def test_more_than_may_wait_is_refused_and_there_is_room_again_afterwards() -> None:
    shelf = Shelf(waiting=5)
    ends = await shelf.put_all(*"abcdefgh")
    assert [isinstance(end, Unavailable) for end in ends] == [False] * 6 + [True] * 2
    assert await shelf.put("i") == "I"
    large = await shelf.put_all("x" * 1001, "y")
    assert [isinstance(end, Unavailable) for end in large] == [False, True]


async def test_closing_stores_what_waits_and_takes_no_more() -> None:
    shelf = Shelf(group=1)
    waiting = [asyncio.create_task(shelf.put(word)) for word in "abc"]
    await asyncio.sleep(0)
    await shelf.groups.aclose()
    assert await asyncio.gather(*waiting) == ["A", "B", "C"]
    with pytest.raises(Unavailable):
        await shelf.put("d")
    await shelf.groups.aclose()
