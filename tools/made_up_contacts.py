"""Writes the demo's bundled CSV: 10,000 contacts invented by a fixed rule, the same bytes on every run.

Names are built from syllables and every address is under .example (RFC 2606), so nobody can be meant or reached.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from pathlib import Path

COUNT = 10_000
TARGET = Path("src/clarion/entrypoints/cli/assets/contacts.csv.gz")
COLUMNS = ("externalId", "email", "firstName", "lastName", "language", "timezone", "city", "plan")
STARTS = (
    "Al",
    "Bri",
    "Cor",
    "Da",
    "El",
    "Fi",
    "Gré",
    "Ho",
    "Is",
    "Jo",
    "Ka",
    "Lu",
    "Mi",
    "Nor",
    "Oli",
    "Pe",
    "Sø",
    "Ta",
)
MIDDLES = ("", "la", "ri", "ne", "vo", "mi", "da")
ENDS = ("na", "o", "ra", "bel", "ck", "sa", "ël", "nd", "ya")
SURNAMES = (
    "Amber",
    "Birch",
    "Cedar",
    "Dune",
    "Elm",
    "Fern",
    "Grove",
    "Hazel",
    "Iris",
    "Juniper",
    "Larch",
    "Moss",
    "Oak",
)
SURNAME_ENDS = ("field", "ford", "gate", "ley", "mann", "sen", "stone", "well", "wood")
PLACES = (
    ("en", "Europe/London", ("Northmere", "Appleby Cross", "Stonehaven-on-Sea")),
    ("de", "Europe/Berlin", ("Lindenau am See", "Grünwalde", "Altbrück")),
    ("fr", "Europe/Paris", ("Clairval", "Saint-Orme", "Beaulieu-les-Pins")),
    ("es", "Europe/Madrid", ("Villaclara", "Puerto Almendro", "Fuenteclara")),
    ("en", "America/New_York", ("Maple Falls", "Fairhaven Heights", "Port Larkin")),
)
PLANS = ("free", "free", "free", "plus", "plus", "studio")
DOMAINS = ("mail.example", "post.example", "inbox.example", "letters.example", "courier.example")


def contact(number: int, chance: random.Random) -> tuple[str, ...]:
    """One made-up contact; the number makes its address and external id unique."""
    first = chance.choice(STARTS) + chance.choice(MIDDLES) + chance.choice(ENDS)
    last = chance.choice(SURNAMES) + chance.choice(SURNAME_ENDS)
    language, timezone, cities = chance.choice(PLACES)
    # One in twelve never told us a city: templates need a default for them.
    city = "" if chance.random() < 1 / 12 else chance.choice(cities)
    address = f"{last.lower()}.{number:05}@{chance.choice(DOMAINS)}"
    return (f"demo-{number:05}", address, first, last, language, timezone, city, chance.choice(PLANS))


def main() -> None:
    """Writes the file, compressed without a date so that it never changes by itself."""
    chance = random.Random(10_000)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    rows.writerows(contact(number, chance) for number in range(1, COUNT + 1))
    packed = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(packed)
    print(f"{TARGET}: {COUNT} contacts, {len(packed)} bytes")


if __name__ == "__main__":
    main()
