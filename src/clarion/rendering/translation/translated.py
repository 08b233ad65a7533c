"""What a translation gives: our own template language, and what its author should know about it.

Every translator is one pure function from text to `Translated`; it raises `LanguageFault` for what has no counterpart
and nothing else. Read `translation` for the table of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Syntax(StrEnum):
    """A template language that can be written anew in ours."""

    DOMO = "domo"
    TEXTIT = "textit"
    VOLTMX = "voltmx"
    ADOBE = "adobe"


@dataclass(frozen=True, slots=True)
class Translated:
    """A template in our own language. `notes` say what means a little less, or something else, than before."""

    text: str
    notes: tuple[str, ...] = ()


Translator = Callable[[str], Translated]
"""Raises `LanguageFault` naming the first thing that has no counterpart, and its line."""
