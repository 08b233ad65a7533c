"""What is said of a template that breaks the language: the one fault that reading and checking raise.

Holds no rule itself: the rules are where they are checked (`lexer`, `reader`, `language`, `markup`). `body` turns a
fault into the problem an author is shown.
"""

from __future__ import annotations


class LanguageFault(Exception):
    """A template breaks the language: a stable rule, a sentence, and the line where (from 1)."""

    def __init__(self, rule: str, message: str, line: int) -> None:
        super().__init__(message)
        self.rule, self.message, self.line = rule, message, line
