"""The template engine behind its fence: minijinja with only our filters, fed only what `language` wrote.

Owns the engine's environments, its limits, and what happens when a person's data is large. Authors are untrusted:
their source is read and rewritten by `language` before the engine sees it, data is plain (dict, list, text, number,
bool), and output is bounded. Where to read next: `bounds`, `markup` (what HTML adds), `plan` (who calls this).
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Final

from minijinja import Environment, TemplateError, safe

from clarion.rendering import filters
from clarion.rendering.bounds import Bounds, bounds_of
from clarion.rendering.language import engine_source
from clarion.rendering.nodes import Node

FUEL: Final = 20_000
"""Engine instructions for one message; an honest one uses some hundreds."""
OUTPUT_LIMIT: Final = 2 * 1024 * 1024
"""Octets of one rendered message."""
PEAK_LIMIT: Final = 4 * 1024 * 1024
"""Octets of any single value while rendering."""
_TOO_LARGE: Final = f"the message would be larger than {OUTPUT_LIMIT // 1024} KiB"
WORK_LIMIT: Final = 64 * 1024 * 1024
"""Octets of all values of one message together, those on the way included."""
_WHY_LIMIT: Final = 200
_SMALL: Final = 64
_SLACK: Final = 16
_NAME: Final = "message"
_URL = re.compile(r"\s*(?:https?://|mailto:|tel:|[/#?])", re.IGNORECASE)
_URL_NOISE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff]")


class RenderFault(Exception):
    """One person's data cannot be rendered; the text says why, without quoting the data."""


class TooExpensive(RenderFault):
    """The template takes more of the engine's instructions with this data than one message may."""


class _Overflow(Exception):
    """The output grew beyond its limit while rendering."""


def _truncate(value: object, length: int, end: str = "…") -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= length else text[: max(0, length)] + end


def _required(value: object, why: object = "a value that the message cannot do without is missing") -> object:
    """The value; whoever has nothing there gets no message, and the report says why."""
    if value is None or value == "" or (isinstance(value, list | dict) and not value):
        raise RenderFault(str(why)[:_WHY_LIMIT])
    return value


def _field(value: object, key: str) -> object:
    return value.get(key, "") if isinstance(value, Mapping) else ""


def _link(value: object) -> str:
    """A value that starts a URL attribute: only http, https, mailto, tel or a path; anything else becomes `#`."""
    return safe(html.escape(_plainlink(value)))


def _plainlink(value: object) -> str:
    text = _URL_NOISE.sub("", "" if value is None else str(value))
    return text if _URL.match(text) else "#"


_SPARE_GLOBALS: Final = ("debug", "dict", "namespace", "joiner", "cycler", "lipsum")
_SPARE_FILTERS: Final = ("tojson", "format", "indent", "batch", "slice", "map", "select", "reject", "selectattr",
                         "rejectattr", "pprint", "attr", "lines", "split", "chain", "zip", "groupby", "safe_", "bool",
                         "wordwrap", "striptags")  # fmt: skip


def _environment(given: Mapping[str, Mapping[str, str]]) -> Environment:
    env = Environment(debug=False, fuel=FUEL, undefined_behavior="chainable", pycompat=False)
    for name in _SPARE_GLOBALS:
        env.remove_global(name)
    for name in _SPARE_FILTERS:
        env.remove_filter(name)
    env.add_filter("truncate", _truncate)
    env.add_filter("required", _required)
    env.add_filter("number", filters.number)
    env.add_filter("date", filters.date)
    env.add_filter("field", _field)
    env.add_filter("link", _link)
    env.add_filter("plainlink", _plainlink)
    for name, value in given.items():
        env.add_global(name, dict(value))
    return env


class CompiledTemplate:
    """One template, compiled once, rendered for many people. Immutable from outside; use from one thread at a time."""

    __slots__ = ("_bounds", "_careful", "_given", "_nodes", "_render", "_source")

    def __init__(self, source: str, nodes: list[Node], given: Mapping[str, Mapping[str, str]]) -> None:
        self._source = source
        self._nodes = nodes
        self._given = given
        self._bounds: dict[int, Bounds] = {}
        self._careful: _CarefulEnvironment | None = None
        env = _environment(given)
        try:
            env.add_template(_NAME, source)
        except TemplateError as fault:
            raise RenderFault(_said(fault)) from None
        self._render = env.render_template

    def is_too_expensive(self) -> bool:
        """Whether even a person without data, or with very little, would exceed the limits."""
        peak, total, _ = self.bounds(_SMALL)
        return peak > PEAK_LIMIT or total > OUTPUT_LIMIT * _SLACK

    def bounds(self, size: int) -> Bounds:
        """What the template can produce at most from data of `size` octets."""
        step = size.bit_length()
        found = self._bounds.get(step)
        if found is None:
            found = self._bounds[step] = bounds_of(self._nodes, 1 << step, FUEL)
        return found

    def render(self, size: int, data: Mapping[str, Any]) -> str:
        """Renders for data whose JSON is `size` octets long.

        Raises: RenderFault when the data does not fit the template or the limits.
        """
        peak, total, work = self._bounds.get(size.bit_length()) or self.bounds(size)
        try:
            if total <= OUTPUT_LIMIT and peak <= PEAK_LIMIT and work <= WORK_LIMIT:
                return self._render(_NAME, **data)
            return self._carefully(peak, work, data)
        except TemplateError as fault:
            raise _fault(fault) from None
        except (_Overflow, OverflowError, RecursionError, UnicodeError, ValueError, TypeError) as fault:
            raise RenderFault(str(fault) or "the data cannot be rendered") from None

    def _carefully(self, peak: int, work: int, data: Mapping[str, Any]) -> str:
        if peak > PEAK_LIMIT:
            msg = "a value would grow too large"
            raise RenderFault(msg)
        if self._careful is None:
            self._careful = _CarefulEnvironment(self._source, self._given)
        # Fuel counts instructions; when each may handle a large value, there are fewer of them.
        fuel = FUEL if work <= WORK_LIMIT else max(500, min(FUEL, WORK_LIMIT // (peak + 1)))
        return self._careful.render(fuel, data)


class _CarefulEnvironment:
    """The same template with every printed value counted; slower, for data large enough to need it."""

    def __init__(self, source: str, given: Mapping[str, Mapping[str, str]]) -> None:
        self._left = 0
        self._env = _environment(given)
        self._env.finalizer = self._count
        self._env.add_template(_NAME, source)

    def _count(self, value: object) -> object:
        self._left -= len(value) if isinstance(value, str) else len(str(value))
        if self._left < 0:
            raise _Overflow(_TOO_LARGE)
        return value

    def render(self, fuel: int, data: Mapping[str, Any]) -> str:
        self._left = OUTPUT_LIMIT
        self._env.fuel = fuel
        printed = self._env.render_template(_NAME, **data)
        if len(printed) > OUTPUT_LIMIT:
            raise _Overflow(_TOO_LARGE)
        return printed


def _said(fault: TemplateError) -> str:
    text = f"{fault.message}" if fault.message else fault.kind
    return text.splitlines()[0][:200]


def _fault(fault: TemplateError) -> RenderFault:
    said = _said(fault)
    return TooExpensive("the template is too expensive for this data") if "fuel" in said else RenderFault(said)


def compile_source(nodes: list[Node], given: Mapping[str, Mapping[str, str]]) -> CompiledTemplate:
    """Compiles one template on its own."""
    return CompiledTemplate(engine_source(nodes), nodes, given)


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """The data with nulls gone from objects and empty in lists, so that null prints and defaults as missing does."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return ["" if inner is None else without_nulls(inner) for inner in value]
    return value
