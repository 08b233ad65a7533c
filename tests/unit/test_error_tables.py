"""Every error we raise on purpose has its answer in every voice: the native API's and each dialect's.

An error that a table forgets is answered as our own fault; here that is seen before a caller sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from litestar import Request, Response

from clarion.adapters.postgres.directory import EmbeddedError
from clarion.adapters.postgres.migrations import SchemaError
from clarion.adapters.postgres.serveruser import ServerUserError
from clarion.domain.errors import (
    ClarionError,
    Conflict,
    Invalid,
    NotFound,
    Problem,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamFailed,
)
from clarion.entrypoints.http import app, dialects, errors
from clarion.entrypoints.http.dialects.ajo.errors import Unreadable
from clarion.entrypoints.http.dialects.textit.refusals import Refusal
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import open_trace
from clarion.entrypoints.listening import PortError

Answer = Callable[[Incoming, Any], Response[Any]]

_PROBLEM: Final = Problem("name", "required", "is missing")
_MADE: Final[dict[type[ClarionError], Callable[[Any], ClarionError]]] = {
    Invalid: lambda kind: kind(_PROBLEM),
    Unreadable: lambda kind: kind([_PROBLEM], {}),
    Refusal: lambda kind: kind({"detail": "no"}, 403),
    TooLarge: lambda kind: kind("body", "2 bytes"),
    NotFound: lambda kind: kind("campaign"),
    Conflict: lambda kind: kind("CAMPAIGN_PAUSED", "The campaign is paused"),
    RateLimited: lambda kind: kind(3),
    ClarionError: lambda kind: kind("words"),
}
"""How one of a class is made; a subclass that is not here is made like its parent."""
VOICES: Final[dict[str, Answer]] = {
    "native": errors.answer_error,
    **{dialect.name: dialect.answer for dialect in dialects.DIALECTS},
}
BEFORE_ANY_REQUEST: Final = (EmbeddedError, PortError, SchemaError, ServerUserError)
"""What keeps the process from starting is told on the terminal."""
TOLD_AS_500: Final[dict[str, tuple[type[ClarionError], ...]]] = {"voltmx": (Unavailable, UpstreamFailed)}
"""Where a vendor has no other status for it."""


def below(kind: type[ClarionError]) -> Iterator[type[ClarionError]]:
    """Every class under this one that a request may meet, wherever the application defines it."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("clarion.") and not issubclass(child, BEFORE_ANY_REQUEST):
            yield child
            yield from below(child)


TREE: Final = sorted({*below(ClarionError)}, key=lambda kind: kind.__name__)


def answered(voice: str, kind: type[ClarionError]) -> int | None:
    """The status with which a voice answers an error of this class."""
    open_trace()
    request = Request[Any, Any, Any]({"type": "http", "method": "GET", "path": "/", "headers": [], "path_params": {}})  # type: ignore[arg-type]
    make = next(_MADE[parent] for parent in kind.__mro__ if parent in _MADE)
    return VOICES[voice](request, make(kind)).status_code


def test_the_tree_is_that_of_the_whole_application() -> None:
    assert app
    assert {Conflict, errors.KeyReused, Unreadable, Refusal} <= set(TREE)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_has_its_answer(voice: str, kind: type[ClarionError]) -> None:
    status = answered(voice, kind)
    assert status is not None
    assert 400 <= status < 600
    assert status != 500 or issubclass(kind, TOLD_AS_500.get(voice, ()))


@pytest.mark.parametrize("voice", VOICES)
def test_an_error_that_no_table_knows_is_answered_as_our_own_fault(voice: str) -> None:
    class Forgotten(ClarionError):
        """Nobody gave it a line."""

    assert answered(voice, Forgotten) == 500
