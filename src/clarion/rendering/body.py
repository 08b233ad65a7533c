"""Subject and bodies of one message, compiled into a single template and rendered in one call.

The three parts are one template, because a call into the engine costs more than the text it carries; what is the same
for everyone is left out of it (`skeleton`). Line ends, dots at line starts and separators that are known beforehand are
settled when compiling, so that most deliveries need no second look. Where to read next: `templates`, `markup`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from clarion.domain.content import BODY_LIMIT, SUBJECT_LIMIT, EmailContent
from clarion.domain.errors import Problem
from clarion.domain.ids import Id
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.direct import Direct
from clarion.rendering.email import body_frame, crlf
from clarion.rendering.envelope import Urls
from clarion.rendering.expressions import Const, Expr, Filter, children, path
from clarion.rendering.facts import RunFacts
from clarion.rendering.faults import LanguageFault
from clarion.rendering.headers import UNSAFE, subject_value
from clarion.rendering.language import engine_source, read_template
from clarion.rendering.markup import checked_html
from clarion.rendering.nodes import (
    Branch,
    End,
    Hole,
    Loop,
    Node,
    Set,
    Text,
    expressions_of,
    optional_of,
    variables_of,
)
from clarion.rendering.plaintext import text_of_html
from clarion.rendering.skeleton import SEPARATOR, Skeleton
from clarion.rendering.stretches import HTML_END, HTML_START, Stretches, Unfit
from clarion.rendering.templates import CompiledTemplate, RenderFault
from clarion.rendering.variables import given_of

_SEPARATOR: Final = SEPARATOR.encode()
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def boundary_of(run_id: Id) -> str:
    """The separator of a run's parts: made from the run's id, so that no author can know it while writing."""
    return "=_" + hashlib.sha256(b"boundary" + run_id).hexdigest()[:32]


Printed = tuple[str, Sequence[bytes], bool, bool]
"""Subject value; the body in pieces, to be joined; whether dots at line starts still have to be doubled; whether it is
certain that no line is too long."""


class Body:
    """A message's subject, text and HTML, compiled. `variables` and `optional` are the dotted names they look up."""

    __slots__ = (
        "_always_careful", "_direct", "_early_dots", "_frame", "_gaps", "_given", "_nodes", "_parts", "_plain",
        "_skeleton", "_subject", "derived_text", "optional", "variables",
    )  # fmt: skip

    def __init__(self, subject: list[Node], text: list[Node], html: list[Node], *, boundary: str, facts: RunFacts,
                 derived_text: bool) -> None:  # fmt: skip
        self._nodes = (subject, text, html)
        everything = [*subject, *text, *html]
        self._frame = body_frame(boundary)
        self._given = given_of(facts)
        self.variables = variables_of(everything)
        self.optional = optional_of(everything)
        self.derived_text = derived_text
        # Account and campaign names are not looked at per person, and a text in the template may spell a line break.
        given = look_over(self._given)
        self._always_careful = given.is_special or any(_spells_control(node) for node in everything)
        self._early_dots = not (_may_print_dot(text) or _may_print_dot(html))
        self._subject = _fixed_subject(subject)
        self._plain: CompiledTemplate | None = None
        self._parts = [_dotted(part) if self._early_dots else part for part in (text, html)]
        self._direct: Direct | Literal[False] | None = None
        self._skeleton = Skeleton(self._frame, self._parts)
        self._gaps = self._compiled(*self._skeleton.sources, between=SEPARATOR)

    @classmethod
    def read(cls, content: EmailContent, boundary: str, facts: RunFacts, problems: list[Problem]) -> Body | None:
        """Reads all parts of a message; what is wrong with them is added to `problems`."""
        subject = _read_subject(content.subject, problems)
        html = _read_part(content.html, "message.email.html", problems, is_html=True)
        if content.text is None:
            text = _derived_text(html, problems) if html is not None else None
        else:
            text = _read_part(content.text, "message.email.text", problems, is_html=False)
        if subject is None or text is None or html is None:
            return None
        try:
            body = cls(subject, text, html, boundary=boundary, facts=facts, derived_text=content.text is None)
        except RenderFault as fault:
            problems.append(Problem("message.email.html", "template", str(fault)))
            return None
        if body._gaps.is_too_expensive():
            problems.append(Problem("message.email.html", "tooExpensive", "the message could grow without measure"))
        return body

    def _compiled(self, text: str, html: str, *, before: str = "", between: str, after: str = "") -> CompiledTemplate:
        subject = engine_source(self._nodes[0])
        source = (
            f"{subject}{SEPARATOR}{before}{text}{between}"
            f"{HTML_START}{html}{HTML_END}{after}\n"  # the engine drops one line end at the very end
        )
        return CompiledTemplate(source, [node for part in self._nodes for node in part], self._given)

    def render(self, contact: Mapping[str, object], urls: Urls, context: LookedOver = NO_CONTEXT) -> Printed:
        """Subject value and body for one person: the short way where it goes.

        Raises: RenderFault when the data does not fit, UnicodeError.
        """
        if self._direct is None:
            self._direct = self._shortcut()
        if self._direct:
            if (filled := self._direct.fill(contact, urls, context)) is not None:
                subject, pieces = filled
                return self._subject or _subject(subject), pieces, not self._early_dots, True
            if self._direct.is_hopeless:
                self._direct = False
        return self.engine_print(contact, urls, context)

    def engine_print(self, contact: Mapping[str, object], urls: Urls, context: LookedOver = NO_CONTEXT) -> Printed:
        """The same by the engine, whatever the data. Raises like `render`."""
        data, size, careful = self._data(contact, urls, context)
        pieces: Sequence[bytes]
        if careful:
            printed, _, content = self._whole().render(size, data).partition(SEPARATOR)
            if "\0" in content or SEPARATOR in content:
                msg = "the data holds a NUL or separator character"
                raise RenderFault(msg)
            pieces = [crlf(content).encode()]
        else:
            first, *gaps = self._gaps.render(size, data).encode().split(_SEPARATOR)
            printed, pieces = first.decode(), self._skeleton.filled(gaps)
        subject = self._subject if self._subject is not None else _subject(printed)
        return subject, pieces, careful or not self._early_dots, False

    def _shortcut(self) -> Direct | Literal[False]:
        subject = self._nodes[0] if self._subject is None else []
        try:
            return False if self._always_careful else Direct(Stretches(subject, self._parts, self._frame, self._given))
        except Unfit:
            return False

    def parts(
        self, contact: Mapping[str, object], urls: Urls, context: LookedOver = NO_CONTEXT
    ) -> tuple[str, str, str]:
        """Subject, text and HTML on their own, for looking at; raises like `render`."""
        data, size, _ = self._data(contact, urls, context)
        subject, text, html = (
            CompiledTemplate(f"{start}{engine_source(part)}{end}\n", part, self._given).render(size, data)
            for part, start, end in zip(self._nodes, ("", "", HTML_START), ("", "", HTML_END), strict=True)
        )
        _subject(subject)
        return subject, text, html

    def _data(self, contact: Mapping[str, object], urls: Urls, context: LookedOver) -> tuple[dict[str, Any], int, bool]:
        """What the template is given, its size as JSON, and whether its values need a second look when printed."""
        person = look_over(contact)
        data = {"contact": person.data, "unsubscribe_url": urls.unsubscribe, "view_url": urls.view}
        if context.size:
            data["context"] = context.data
        careful = self._always_careful or person.is_special or context.is_special
        return data, person.size + context.size, careful

    def _whole(self) -> CompiledTemplate:
        """Everything in one piece: line ends and dots are seen to when it is printed."""
        if self._plain is None:
            before, between, after = self._frame
            text, html = (engine_source(part) for part in self._nodes[1:])
            self._plain = self._compiled(text, html, before=before, between=between, after=after)
        return self._plain


def _subject(printed: str) -> str:
    if len(printed) > SUBJECT_LIMIT:
        msg = f"the subject is longer than {SUBJECT_LIMIT} characters"
        raise RenderFault(msg)
    value = subject_value(printed)
    if value is None:
        msg = "the subject holds a line break or control character"
        raise RenderFault(msg)
    return value


def _fixed_subject(nodes: list[Node]) -> str | None:
    if any(not isinstance(node, Text) for node in nodes):
        return None
    return _subject("".join(node.text for node in nodes if isinstance(node, Text)))


def _read_subject(source: str, problems: list[Problem]) -> list[Node] | None:
    if UNSAFE.search(source):
        message = "a subject is one line without control characters"
        problems.append(Problem("message.email.subject", "singleLine", message))
        return None
    if len(source) > SUBJECT_LIMIT:
        message = f"a subject is at most {SUBJECT_LIMIT} characters long"
        problems.append(Problem("message.email.subject", "maxLength", message))
        return None
    return _read_part(source, "message.email.subject", problems, is_html=False)


def _read_part(source: str, field: str, problems: list[Problem], *, is_html: bool) -> list[Node] | None:
    control = _CONTROL.search(source)
    if control:
        message = f"the text holds a control character (U+{ord(control[0]):04X})"
        problems.append(Problem(field, "characters", message))
    elif len(source.encode()) > BODY_LIMIT:
        problems.append(Problem(field, "maxBytes", f"a body is at most {BODY_LIMIT // 1024} KiB"))
    else:
        try:
            nodes = read_template(crlf(source))
            return checked_html(nodes) if is_html else nodes
        except LanguageFault as fault:
            problems.append(Problem(field, fault.rule, f"line {fault.line}: {fault.message}"))
    return None


def _derived_text(html: list[Node], problems: list[Problem]) -> list[Node] | None:
    try:
        return text_of_html(html)
    except LanguageFault as fault:
        problems.append(Problem("message.email.html", fault.rule, f"line {fault.line}: {fault.message}"))
        return None


def _spells_control(node: Node) -> bool:
    return any(_has_control_text(expr) for expr in expressions_of(node))


def _has_control_text(expr: Expr) -> bool:
    if isinstance(expr, Const):
        return isinstance(expr.value, str) and not expr.value.isprintable()
    return any(map(_has_control_text, children(expr)))


def _dotted(nodes: list[Node]) -> list[Node]:
    """The part with dots at line starts doubled, where it is certain that they stand at a line start."""
    doubled: list[Node] = [
        Text(node.text.replace("\n.", "\n.."), node.line) if isinstance(node, Text) else node for node in nodes
    ]
    if doubled and isinstance(doubled[0], Text) and doubled[0].text.startswith("."):
        doubled[0] = Text("." + doubled[0].text, doubled[0].line)
    return doubled


def _prints_as_it_is(expr: Expr, own: frozenset[str]) -> bool:
    match expr:
        case Const(value):
            return not str(value).startswith(".")
        case Filter("d" | "default", target, arguments):
            return all(_prints_as_it_is(part, own) for part in (target, *arguments))
        case Filter("e" | "escape" | "upper" | "lower" | "title" | "capitalize" | "safe", target, _):
            return _prints_as_it_is(target, own)
        case Filter("link" | "plainlink", _, _):
            return True
        case _:
            names = path(expr)
            return names is not None and names[0] not in own


def _may_print_dot(nodes: list[Node]) -> bool:
    """Whether something other than plain text may put a dot at a line start: then dots are doubled per message.

    Values printed just as they are do not count: data with a text that starts with a dot `is_special` anyway.
    """
    fresh, entries = True, list[bool]()
    own = frozenset(node.name for node in nodes if isinstance(node, Set))
    for at, node in enumerate(nodes):
        if isinstance(node, Text):
            if fresh and at and node.text.startswith("."):
                return True
            fresh = node.text.endswith("\n")
        elif isinstance(node, Hole):
            if fresh and not _prints_as_it_is(node.expr, own):
                return True
        elif isinstance(node, Loop) or (isinstance(node, Branch) and node.kind == "if"):
            entries.append(fresh)
            fresh = fresh or isinstance(node, Loop)
        elif isinstance(node, Branch):
            entries[-1], fresh = entries[-1] or fresh, entries[-1]
        elif isinstance(node, End):
            fresh = fresh or entries.pop()
    return False
