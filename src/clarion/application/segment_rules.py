"""The rule of a segment as JSON: read strictly into the tree of `domain.segment`, and written back.

Every mistake is named with its place in the rule (`rule.all[1].value`) and what it breaks; whatever the JSON is, the
answer is a tree or `Invalid`. The language is described in docs/segments.md. Where to read next: `segment_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any as Anything
from typing import Final

from clarion.application.contact_rules import Refusal, check_attribute_name
from clarion.application.segment_values import fitting_operators, read_value
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.domain.segment import (
    PATH_LIMIT,
    PRESENCE_OPERATORS,
    RULE_DEPTH,
    RULE_NODES,
    All,
    Any,
    Attribute,
    Column,
    Compare,
    Consent,
    Everyone,
    Field,
    FromNow,
    InGroup,
    Not,
    Operator,
    Rule,
    Value,
)

Json = dict[str, Anything]

CHANNELS: Final = ("email", "sms", "push")
_ATTRIBUTES: Final = "attributes"
_KEYS: Final = {
    "field": {"field", "operator", "value"},
    "consent": {"consent", "value"},
    **{kind: {kind} for kind in ("all", "any", "not", "group", "everyone")},
}
"""What each kind of rule consists of, by the word that tells the kind."""


def parse_rule(value: object, at: str = "rule") -> Rule:
    """Reads a rule from JSON; `at` is where it stands in the request.

    Raises:
        Invalid: with a problem for every mistake: its path and the rule it breaks.
    """
    walk = _Walk()
    rule = walk.rule(value, at, 1)
    if walk.problems:
        raise Invalid.of(walk.problems)
    return rule


def rule_to_json(rule: Rule) -> Json:
    """Writes a rule as the JSON that `parse_rule` reads back into the same rule."""
    match rule:
        case Everyone():
            return {"everyone": True}
        case Compare():
            return _compare_to_json(rule)
        case InGroup(group_id):
            return {"group": group_id.hex()}
        case Consent(channel, value):
            return {"consent": channel, "value": value}
        case Not(inner):
            return {"not": rule_to_json(inner)}
        case All(inner) | Any(inner):
            return {"all" if isinstance(rule, All) else "any": [rule_to_json(one) for one in inner]}


def groups_in(rule: Rule, at: str = "rule") -> Iterator[tuple[str, Id]]:
    """Every group a rule asks for, with its place."""
    match rule:
        case InGroup(group_id):
            yield f"{at}.group", group_id
        case Not(inner):
            yield from groups_in(inner, f"{at}.not")
        case All(inner) | Any(inner):
            word = "all" if isinstance(rule, All) else "any"
            for number, one in enumerate(inner):
                yield from groups_in(one, f"{at}.{word}[{number}]")


class _Walk:
    """One walk over a rule: counts its nodes and collects the mistakes, the first of each condition."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._nodes = 0

    def rule(self, value: object, at: str, depth: int) -> Rule:
        """The rule; where it has a mistake, any rule stands in for it."""
        self._nodes += 1
        if self._nodes > RULE_NODES:
            if self._nodes == RULE_NODES + 1:
                self.problems.append(Problem(at, "maxNodes", f"is one too many: a rule has at most {RULE_NODES}"))
            return Everyone()
        try:
            return self._rule(_as_object(value, at), at, depth)
        except Invalid as error:
            self.problems += error.problems
            return Everyone()

    def _rule(self, value: Json, at: str, depth: int) -> Rule:
        if depth > RULE_DEPTH:
            raise _broken(at, "maxDepth", f"is nested deeper than {RULE_DEPTH} levels")
        kind = _kind_of(value, at)
        if kind in _LEAVES:
            return _LEAVES[kind](value, at)
        at = f"{at}.{kind}"
        if kind == "not":
            return Not(self.rule(value[kind], at, depth + 1))
        inner = value[kind]
        if not isinstance(inner, list):
            raise _broken(at, "type", "must be a list of rules")
        if not inner:
            raise _broken(at, "minItems", "must have at least one rule")
        rules = tuple(
            self.rule(one, f"{at}[{number}]", depth + 1) for number, one in enumerate(inner[: RULE_NODES + 1])
        )
        return All(rules) if kind == "all" else Any(rules)


def _broken(at: str, rule: str, message: str) -> Invalid:
    return Invalid(Problem(at, rule, message))


def _as_object(value: object, at: str) -> Json:
    if isinstance(value, dict):
        return value
    raise _broken(at, "type", "must be an object")


def _kind_of(value: Json, at: str) -> str:
    kind = next((word for word in _KEYS if word in value), None)
    if kind is None:
        raise _broken(at, "required", f"must have one of {', '.join(_KEYS)}")
    for name in value:
        if name not in _KEYS[kind]:
            shown = str(name).encode("utf-8", "backslashreplace").decode()[:80]
            raise _broken(f"{at}.{shown}", "unknown", f"does not belong beside {kind}")
    return kind


def _everyone(value: Json, at: str) -> Rule:
    if value["everyone"] is True:
        return Everyone()
    raise _broken(f"{at}.everyone", "enum", "must be true")


def _group(value: Json, at: str) -> Rule:
    text = value["group"]
    group_id = parse_id(text) if isinstance(text, str) else None
    if group_id is None:
        raise _broken(f"{at}.group", "pattern", "is not an id of a group")
    return InGroup(group_id)


def _consent(value: Json, at: str) -> Rule:
    channel, given = value["consent"], value.get("value", "")
    if channel not in CHANNELS:
        raise _broken(f"{at}.consent", "enum", f"must be one of {', '.join(CHANNELS)}")
    if given is not None and not isinstance(given, bool):
        raise _broken(f"{at}.value", "enum", "must be true (given), false (refused) or null (never asked)")
    return Consent(channel, given)


def _compare(value: Json, at: str) -> Rule:
    field = _field(value["field"], f"{at}.field")
    operator = _operator(value.get("operator"), field, f"{at}.operator")
    if operator in PRESENCE_OPERATORS:
        if value.get("value") is not None:
            raise _broken(f"{at}.value", "unknown", f"does not belong beside {operator}")
        return Compare(field, operator)
    if "value" not in value:
        raise _broken(f"{at}.value", "required", "is required")
    found = read_value(field, operator, value["value"])
    if isinstance(found, Refusal):
        raise _broken(f"{at}.value", found.rule, found.message)
    return Compare(field, operator, found)


def _field(raw: object, at: str) -> Field:
    if isinstance(raw, str) and raw in set(Column):
        return Column(raw)
    names = raw.split(".") if isinstance(raw, str) else raw
    if not isinstance(names, list) or names[:1] != [_ATTRIBUTES] or len(names) == 1:
        raise _broken(at, "enum", f"must be attributes.name or one of {', '.join(Column)}")
    if len(names) > PATH_LIMIT + 1:
        raise _broken(at, "maxItems", f"must lead through at most {PATH_LIMIT} names")
    for name in names:
        refusal = check_attribute_name(name) if isinstance(name, str) else Refusal("type", "must be made of names")
        if refusal:
            raise _broken(at, refusal.rule, refusal.message)
    return Attribute(tuple(names[1:]))


def _operator(raw: object, field: Field, at: str) -> Operator:
    if raw is None:
        raise _broken(at, "required", "is required")
    fitting = fitting_operators(field)
    if not isinstance(raw, str) or raw not in fitting:
        words = ", ".join(operator for operator in Operator if operator in fitting)
        raise _broken(at, "enum", f"must for this field be one of {words}")
    return Operator(raw)


_LEAVES: Final[dict[str, Callable[[Json, str], Rule]]] = {
    "field": _compare,
    "consent": _consent,
    "group": _group,
    "everyone": _everyone,
}


def _compare_to_json(rule: Compare) -> Json:
    shown: Json = {"field": _field_to_json(rule.field), "operator": rule.operator.value}
    return shown if rule.operator in PRESENCE_OPERATORS else {**shown, "value": _value_to_json(rule.value)}


def _field_to_json(field: Field) -> str | list[str]:
    if isinstance(field, Column):
        return field.value
    if any("." in name for name in field.path):
        return [_ATTRIBUTES, *field.path]
    return ".".join([_ATTRIBUTES, *field.path])


def _value_to_json(value: Value) -> Anything:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, FromNow):
        return {"ahead" if value.ahead else "ago": {value.unit.value: value.amount}}
    return list(value) if isinstance(value, tuple) else value
