"""Adobe's template language, written anew in ours: Handlebars in `{{ … }}` and `{{# … }}`, expressions in `{% … %}`.

What comes out is read by `rendering.language` like any author's text, so nothing here decides what is safe. A construct
that has no counterpart is refused by name and line. Where to read next: `adobe_tags` (cutting it into tags),
`adobe_expressions` (paths and expressions), `adobe_names` (profile, context), `writing` (how it is written).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from clarion.rendering.expressions import Const, Expr, Filter, Item, Name, Operation, Test
from clarion.rendering.faults import LanguageFault
from clarion.rendering.lexer import Token
from clarion.rendering.translation.adobe_expressions import PqlReader, read_path, tokens
from clarion.rendering.translation.adobe_functions import as_printed, as_truth, negated
from clarion.rendering.translation.adobe_names import Scope
from clarion.rendering.translation.adobe_tags import Piece, pieces_of
from clarion.rendering.translation.writing import literal, source_of

_BLOCK: Final = re.compile(r"#\s*(\w+)(?:\s+(.*))?", re.DOTALL)
_ALIAS: Final = re.compile(r"(.*?)\s+as\s*\|\s*(\w{1,80})(?:\s+(\w{1,80}))?\s*\|", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)
_TAKEN: Final = frozenset({"profile", "context", "this", "true", "false", "null"})

BlockKind = Literal["if", "unless", "each", "with"]
_KINDS: Final[dict[str, BlockKind]] = {"if": "if", "unless": "unless", "each": "each", "with": "with"}


@dataclass(slots=True)
class _Block:
    """An open block and the scope inside it."""

    kind: BlockKind
    scope: Scope
    line: int
    has_else: bool = False


def translate_adobe(source: str) -> str:
    """The template in our own language.

    Raises: LanguageFault naming the first thing that has no counterpart, and its line.
    """
    return _Translation().of(source)


class _Translation:
    """One template on its way."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._scopes = [Scope()]
        self._blocks: list[_Block] = []
        self._loops = 0

    def of(self, source: str) -> str:
        for piece in pieces_of(source):
            if not piece.kind:
                self._out.append(literal(piece.text))
            elif piece.kind == "{%":
                found, _ = tokens(piece.text, 0, piece.line)
                self._statement(found, piece.line)
            else:
                self._stash(piece)
        if self._blocks:
            block = self._blocks[-1]
            raise LanguageFault("syntax", f"'{block.kind}' is not closed", block.line)
        return "".join(self._out)

    @property
    def _scope(self) -> Scope:
        return self._scopes[-1]

    # --- Handlebars: {{ … }}

    def _stash(self, piece: Piece) -> None:
        text, line = piece.text.strip(), piece.line
        if text.startswith("!"):
            return
        if text.startswith("#"):
            self._open_block(text, line)
        elif text.startswith("/"):
            self._close(text[1:].strip(), line)
        elif text in {"else", "^"}:
            self._else(line)
        elif text.startswith("else if "):
            self._else_if(as_truth(read_path(text[8:], self._scope, line)), line)
        elif text[:1] in {">", "&", "~"} or text.endswith("~") or " " in text:
            raise LanguageFault("unsupported", f"'{{{{{text[:60]}}}}}' is not available", line)
        else:
            value = read_path(text, self._scope, line)
            self._print(Filter("safe", value) if piece.kind == "{{{" else value)

    def _open_block(self, text: str, line: int) -> None:
        match = _BLOCK.fullmatch(text)
        kind = _KINDS.get(match[1]) if match else None
        if match is None or kind is None:
            raise LanguageFault("unsupported", f"the block '{text[:60]}' is not available", line)
        subject = match[2] or ""
        alias = _ALIAS.fullmatch(subject.strip())
        value = read_path(alias[1] if alias else subject, self._scope, line)
        if kind == "each":
            self._each(value, alias, line)
        elif kind == "with":
            self._if(kind, value, line, self._scope.inner(value))
            self._name_alias(alias, value, line)
        else:
            self._if(kind, as_truth(value) if kind == "if" else negated(as_truth(value)), line, self._scope.inner())

    def _each(self, items: Expr, alias: re.Match[str] | None, line: int) -> None:
        self._loops += 1
        item = f"item{self._loops}"
        is_list = Operation("and", (Test("sequence", items, (), negated=False), items))
        self._if("each", is_list, line, self._scope.inner(Name(item), is_loop=True))
        self._out.append(f"{{% for {item} in {source_of(items)} %}}")
        self._name_alias(alias, Name(item), line)

    def _name_alias(self, alias: re.Match[str] | None, value: Expr, line: int) -> None:
        if alias:
            self._scope.names[self._own(alias[2], line)] = value
            if alias[3]:
                self._scope.names[self._own(alias[3], line)] = Item(Name("loop"), Const("index0"))

    # --- expressions: {% … %}

    def _statement(self, found: list[Token], line: int) -> None:
        words = [token.text for token in found[:2]]
        if words[:1] == ["="]:
            self._print(as_printed(self._read(found[1:], line)))
        elif words in (["#", "if"], ["#", "unless"]):
            condition = as_truth(self._read(found[2:], line))
            kind = _KINDS[words[1]]
            self._if(kind, condition if kind == "if" else negated(condition), line, self._scope.inner())
        elif words[:1] == ["/"] and len(found) == 2:
            self._close(words[1], line)
        elif words == ["else", "if"]:
            self._else_if(as_truth(self._read(found[2:], line)), line)
        elif words == ["else"]:
            self._else(line)
        elif words[:1] == ["let"]:
            self._let(found[1:], line)
        else:
            shown = " ".join(words)[:60]
            message = f"'{{% {shown} %}}' is not available; there are =, #if, #unless, else and let"
            raise LanguageFault("unsupported", message, line)

    def _read(self, found: list[Token], line: int) -> Expr:
        return PqlReader(found, self._scope, line).whole()

    def _let(self, found: list[Token], line: int) -> None:
        if len(found) < 3 or found[1].text != "=":
            raise LanguageFault("syntax", "write {% let name = value %}", line)
        name, value = self._own(found[0].text, line), self._read(found[2:], line)
        if self._scope.is_loop:
            # Our loops cannot set: a name made in one stands for its expression, and cannot be made again.
            if name in self._scope.names:
                raise LanguageFault("unsupported", f"'{name}' cannot be set again inside each", line)
            self._scope.names[name] = value
            return
        self._out.append(f"{{% set let_{name} = {source_of(value)} %}}")
        for scope in self._scopes:
            scope.names[name] = Name(f"let_{name}")

    @staticmethod
    def _own(name: str, line: int) -> str:
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise LanguageFault("name", f"'{name[:80]}' cannot be the name of a value", line)
        return name

    # --- what both write

    def _print(self, value: Expr) -> None:
        self._out.append(f"{{{{ {source_of(value)} }}}}")

    def _if(self, kind: BlockKind, condition: Expr, line: int, scope: Scope) -> None:
        self._out.append(f"{{% if {source_of(condition)} %}}")
        self._blocks.append(_Block(kind, scope, line))
        self._scopes.append(scope)

    def _else_if(self, condition: Expr, line: int) -> None:
        block = self._branch(line)
        if block.kind != "if":
            raise LanguageFault("syntax", f"'else if' inside '{block.kind}'", line)
        self._out.append(f"{{% elif {source_of(condition)} %}}")

    def _else(self, line: int) -> None:
        block = self._branch(line)
        block.has_else = True
        if block.kind == "each":
            self._out.append("{% endfor %}")
        self._out.append("{% else %}")

    def _branch(self, line: int) -> _Block:
        if not self._blocks or self._blocks[-1].has_else:
            raise LanguageFault("syntax", "'else' without its 'if'", line)
        self._scopes[-1] = self._scopes[-2].inner()
        return self._blocks[-1]

    def _close(self, name: str, line: int) -> None:
        if not self._blocks or self._blocks[-1].kind != name:
            raise LanguageFault("syntax", f"'/{name[:40]}' closes nothing that is open", line)
        block = self._blocks.pop()
        self._scopes.pop()
        self._out.append("{% endfor %}{% endif %}" if name == "each" and not block.has_else else "{% endif %}")
