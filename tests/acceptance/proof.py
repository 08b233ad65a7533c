"""Reads received mail back with Python's parser and lists everything that is not as it must be.

Never asks the renderer what is right: the expectations come from `readers`, the ledger from the API.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

from tests.acceptance.readers import HTML_TAGS, Reader, as_lines

from clarion.rendering.tokens import Purpose, TokenSigner

FROM_NAME, FROM_ADDRESS = "Zeitung für Alle", "letters@sender.example"
PUBLIC_URL = "https://letters.example"
MAILBOX = "leave@sender.example"
ONCE = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe",
    "List-Unsubscribe-Post",
)  # fmt: skip
_LIST = re.compile(
    rf"<{re.escape(PUBLIC_URL)}/u/([\w-]+)>,\s*<mailto:{re.escape(MAILBOX)}\?subject=([\w-]+)>", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of the run whose mail is read."""

    run_id: str
    account_id: str
    started_at: datetime
    finished_at: datetime
    by_mailbox: dict[str, Reader]
    ledger: dict[str, str]
    """Delivery id to address, as the API reports them."""
    signer: TokenSigner
    is_text_derived: bool


@dataclass(slots=True)
class Findings:
    """What was read, and what is wrong with it."""

    addresses: Counter[str] = field(default_factory=Counter)
    message_ids: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    encodings: Counter[str] = field(default_factory=Counter)

    def fault(self, what: str, example: object) -> None:
        """Counts a fault and keeps its first example."""
        self.faults[what] += 1
        self.examples.setdefault(what, repr(example)[:600])

    def equal(self, what: str, found: object, expected: object) -> None:
        """Counts a fault unless both are equal."""
        if found != expected:
            self.fault(what, (found, expected))


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.shown += data


def read(raw: bytes, recipients: list[str], mail_from: str, expected: Expected, findings: Findings) -> None:
    """Checks one message with its envelope as the server noted it."""
    message = message_from_bytes(raw, policy=policy.default)
    findings.equal("one recipient in the envelope", len(recipients), 1)
    findings.equal("MAIL FROM", mail_from, FROM_ADDRESS)
    recipient = recipients[0]
    findings.addresses[recipient] += 1
    person = expected.by_mailbox.get(recipient)
    if person is None:
        findings.fault("a recipient nobody knows", recipient)
        return
    if message.defects:
        findings.fault("defects", message.defects)
    names = Counter(message.keys())  # get_all would parse every value, which takes longest of all
    findings.equal("headers once", {name: names[name] for name in ONCE}, dict.fromkeys(ONCE, 1))
    _headers(message, person, recipient, expected, findings)
    link = _unsubscribe(message, recipient, expected, findings)
    _parts(message, person, link, expected, findings)


def _headers(message: EmailMessage, person: Reader, recipient: str, expected: Expected, findings: Findings) -> None:
    findings.equal("To", [address.addr_spec for address in message["To"].addresses], [recipient])
    findings.equal(
        "From", [(a.display_name, a.addr_spec) for a in message["From"].addresses], [(FROM_NAME, FROM_ADDRESS)]
    )
    findings.equal("Subject", str(message["Subject"]), person.subject())
    sent_at = message["Date"].datetime
    slack = timedelta(seconds=2)
    if not expected.started_at - slack <= sent_at <= expected.finished_at + slack:
        findings.fault("Date", sent_at)
    message_id = str(message["Message-ID"])
    findings.message_ids[message_id] += 1
    delivery_id = message_id.removeprefix("<").partition("@")[0]
    findings.equal("Message-ID", message_id, f"<{delivery_id}@sender.example>")
    findings.equal("ledger", expected.ledger.get(delivery_id), recipient)
    findings.equal("List-Unsubscribe-Post", message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")


def _unsubscribe(message: EmailMessage, recipient: str, expected: Expected, findings: Findings) -> str:
    value = str(message["List-Unsubscribe"])
    found = _LIST.fullmatch(value)
    if found is None:
        findings.fault("List-Unsubscribe", value)
        return ""
    findings.equal("the mailto's token", found[2], found[1])
    facts = expected.signer.read(found[1], Purpose.UNSUBSCRIBE)
    if facts is None:
        findings.fault("token", found[1])
    else:
        findings.equal("token's account", facts.account_id.hex(), expected.account_id)
        findings.equal("token's recipient", expected.ledger.get(f"{facts.run_id.hex()}-{facts.seq}"), recipient)
        findings.equal("token's run", facts.run_id.hex(), expected.run_id)
    findings.tokens[recipient] = found[1]
    return f"{PUBLIC_URL}/u/{found[1]}"


def _parts(message: EmailMessage, person: Reader, link: str, expected: Expected, findings: Findings) -> None:
    parts = [part for part in message.walk() if not part.is_multipart()]
    findings.equal("parts", [part.get_content_type() for part in parts], ["text/plain", "text/html"])
    if len(parts) != 2:
        return
    text, html = (str(part.get_content()).replace("\r\n", "\n").rstrip("\n") for part in parts)
    findings.encodings[str(parts[1]["Content-Transfer-Encoding"])] += 1
    right = person.text_of_html(link) if expected.is_text_derived else person.text(link)
    findings.equal("text part", text, right)
    page = _Html()
    page.feed(html)
    page.close()
    findings.equal("HTML tags", page.tags, HTML_TAGS)
    findings.equal("HTML shown", as_lines(page.shown), person.html_text())
    findings.equal("HTML link", page.links, [link])
