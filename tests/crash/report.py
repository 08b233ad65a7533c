"""What a gate says at its end: figures and problems, one JSON line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from tests.crash.verdict import Verdict


@dataclass(slots=True)
class Report:
    """`problems` empty means the gate held."""

    figures: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, verdict: Verdict, seconds: float, name: str, **figures: object) -> Self:
        """The report on one run."""
        found = verdict.as_dict()
        problems = [f"{name}: {problem}" for problem in verdict.problems]
        del found["problems"]
        return cls({name: {"seconds": round(seconds, 1), **figures, **found}}, problems)

    @classmethod
    def merged(cls, reports: Iterable[Self], **figures: object) -> Self:
        """One report of several."""
        whole = cls(dict(figures))
        for report in reports:
            whole.figures.update(report.figures)
            whole.problems.extend(report.problems)
        return whole
