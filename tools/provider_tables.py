"""Writes the tables of docs/providers.md from the providers' own tables of errors; `--check` only compares.

Each table stands between two comments; everything else in the page is left alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from clarion.adapters.channels.push import apns_answers, fcm, web_push_answers
from clarion.adapters.channels.sms_http import aws, bird, twilio, vonage
from clarion.domain.outcome import Reason, Verdict

PAGE = Path("docs/providers.md")
TABLES: dict[str, Mapping[str, tuple[Verdict, Reason] | tuple[Verdict, Reason, str]]] = {
    "twilio": twilio.CODES,
    "vonage": vonage.CODES,
    "bird": bird.CODES,
    "aws": aws.CODES,
    "fcm": fcm.OUTCOMES,
    "apns": apns_answers.OUTCOMES,
    "web_push": web_push_answers.OUTCOMES,
}
_PLACE = re.compile(
    r"(<!-- table of (\w+): written by tools/provider_tables.py -->\n).*?(<!-- end of table -->\n)", re.DOTALL
)


def table(name: str) -> str:
    """One provider's table: a row for each of its codes, in their order."""
    rows = [
        f"| `{code}` | {' '.join(words)} | {verdict} | `{reason}` |\n"
        for code, (verdict, reason, *words) in TABLES[name].items()
    ]
    return "| Code | Meaning | Verdict | Reason |\n|---|---|---|---|\n" + "".join(rows)


def written(page: str) -> str:
    """The page with every table as it is now."""
    return _PLACE.sub(lambda place: f"{place[1]}{table(place[2])}{place[3]}", page)


def main() -> int:
    """Writes the page, or with `--check` compares; returns 1 when it was not current or lacks a table."""
    before = PAGE.read_text(encoding="utf-8")
    shown = {place[1] for place in _PLACE.findall(before)}
    after = written(before)
    if "--check" in sys.argv[1:]:
        is_current = before == after and shown == set(TABLES)
        print(f"providers: the tables of {PAGE} are {'current' if is_current else 'old; run tools/provider_tables.py'}")
        return int(not is_current)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
