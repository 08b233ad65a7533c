"""Made-up readers with awkward data, and what each of them must be able to read in a message.

Says what is right without asking the program: plain Python formatting of the same data. Next: `proof`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

GROUPS = ("most", "few")
_FIRST = (
    "Alna", "Zoë", "Ólafur", "李小龍", "Владимир", 'Jo "Quote" O\'Neil', "<b>Bold</b>", "{{7*7}}", ".dot", "..dots",
    "=?utf-8?Q?not_encoded?=", "Ann, Bob <bob@other.example>", "a&amp;b", "Ravi 🚀", "é" * 200, "{% raw %}", "", "שלום",
    "\\r\\n", "'", "<script>alert(1)</script>",
)  # fmt: skip
_LAST = ("Amberfield", "", "D'Été", "<i>Iota", "Ünal-Żółw", "{{ contact.email }}", ".", "Smith; DROP", "--", "王", "&")
_NOTES = (
    "plain", "", ".starts with a dot", "one\n.two\n..three", "before\r\n.\r\nMAIL FROM:<>\r\nafter", "bare\rreturn",
    "Subject: no\r\n\r\nno body either", "line\u2028separator", "tab\there", "<a href='x'>link</a>", "{{7*7}} {#x#}",
    "From here", "x" * 3000, "ж" * 2000, "=3D=\r\n=2E", "word " * 400 + "end", "\\", '"; "', "%s %d {0}",
)  # fmt: skip
_DOTS = (".", "..", "...", "no dot", ".\r\n.", "")

SUBJECT = "{{ contact.firstName | default('friend') }}, letter {{ contact.attributes.number }}"
_FIELDS = (
    ("first", "contact.firstName"),
    ("last", "contact.lastName"),
    ("note", "contact.attributes.note"),
    ("dots", "contact.attributes.dots"),
    ("number", "contact.attributes.number"),
)
TEXT = (
    "".join(f"{name}=[{{{{ {path} }}}}]\n" for name, path in _FIELDS)
    + "{{ contact.attributes.dots }}\n.This line starts with a dot.\nLeave: {{ unsubscribe_url }}"
)
HTML = (
    "<html><body>"
    + "".join(f"<p>{name}=[{{{{ {path} }}}}]</p>\n" for name, path in _FIELDS)
    + '<p><a href="{{ unsubscribe_url }}">Leave</a></p></body></html>'
)
HTML_TAGS = ["html", "body", *["p"] * len(_FIELDS), "p", "a"]


@dataclass(frozen=True, slots=True)
class Reader:
    """One made-up person; an empty text is a value that is missing."""

    number: int
    first: str
    last: str
    note: str
    dots: str
    consents: bool

    @property
    def email(self) -> str:
        """The address as it is given to the import."""
        place = "bücher.example" if self.number % 41 == 0 else f"town{self.number % 50}.example"
        tag = ("", "o'brien.", "a+b.", "x_y-")[self.number % 4]
        return f"{tag}reader{self.number}@{place}"

    @property
    def mailbox(self) -> str:
        """The address as it must stand on the wire."""
        local, _, domain = self.email.partition("@")
        return f"{local}@{domain.encode('idna').decode()}"

    def _lines(self) -> list[str]:
        values = (self.first, self.last, self.note, self.dots, str(self.number))
        return [f"{name}=[{as_lines(value)}]" for (name, _), value in zip(_FIELDS, values, strict=True)]

    def subject(self) -> str:
        """The subject this reader must see."""
        return f"{self.first or 'friend'}, letter {self.number}"

    def text(self, link: str) -> str:
        """The text part of `TEXT`."""
        own = [*self._lines(), as_lines(self.dots), ".This line starts with a dot.", f"Leave: {link}"]
        return "\n".join(own)

    def text_of_html(self, link: str) -> str:
        """The text part that `HTML` alone must give."""
        return "\n\n".join([*self._lines(), f"Leave ({link})"])

    def html_text(self) -> str:
        """What a browser shows of `HTML`, tags aside."""
        return "".join(f"{line}\n" for line in self._lines()) + "Leave"


def as_lines(value: str) -> str:
    """The value with every line end as one LF."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


def readers(count: int) -> Iterator[Reader]:
    """`count` readers, always the same; the lists have lengths that let every value meet every other."""
    for n in range(count):
        yield Reader(
            number=n,
            first=_FIRST[n % len(_FIRST)],
            last=_LAST[n % len(_LAST)],
            note=_NOTES[n % len(_NOTES)],
            dots=_DOTS[n // 7 % len(_DOTS)],
            consents=n % 97 != 5,
        )


def group_of(reader: Reader) -> str:
    """Every fifth reader is of the few."""
    return GROUPS[reader.number % 5 == 0]


def as_csv(people: list[Reader]) -> bytes:
    """The file to import."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["email", "First Name", "last_name", "consent_email", "note", "dots", "number"])
    for one in people:
        consent = "yes" if one.consents else "no"
        writer.writerow([one.email, one.first, one.last, consent, one.note, one.dots, one.number])
    return out.getvalue().encode()
