"""The names a message may use of its contact, campaign and account: which columns they need, and which nobody has.

The same for every channel. Where to read next: `language.ROOTS` (the names at the root), `nodes` (what looks them up).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from clarion.rendering.facts import RunFacts
from clarion.rendering.language import ROOTS

COLUMNS: Final = {
    "externalId": "external_id",
    "email": "email",
    "phone": "phone",
    "firstName": "first_name",
    "lastName": "last_name",
    "language": "language",
    "timezone": "timezone",
    "attributes": "attributes",
}
"""What templates call the columns of a contact."""
_FIELDS: Final = {
    "contact": frozenset(COLUMNS),
    "campaign": frozenset({"id", "name"}),
    "account": frozenset({"id", "name"}),
}


def columns_of(variables: Iterable[str]) -> frozenset[str]:
    """The columns of a contact that these dotted names look at."""
    return frozenset(
        COLUMNS[name.split(".")[1]]
        for name in variables
        if name.startswith("contact.") and name.split(".")[1] in COLUMNS
    )


def reads_context(variables: Iterable[str]) -> bool:
    """Whether any of them is what a call or a start said."""
    return any(name.split(".")[0] == "context" for name in variables)


def unknown_warnings(variables: Iterable[str]) -> list[str]:
    """A warning for each name that nothing has."""
    return [f"nothing is named '{name}'" for name in sorted(variables) if not _is_known(name)]


def given_of(facts: RunFacts) -> dict[str, dict[str, str]]:
    """What every message of a run is given, whoever gets it."""
    return {
        "account": {"id": facts.account_id.hex(), "name": facts.account_name},
        "campaign": {"id": facts.campaign_id.hex(), "name": facts.campaign_name},
    }


def _is_known(name: str) -> bool:
    root, _, rest = name.partition(".")
    if root not in ROOTS:
        return False
    return root not in _FIELDS or not rest or rest.split(".")[0] in _FIELDS[root]
