"""Caught messages to look at: each as an .eml file and a page, and an index over them, in one folder.

Owns the folder's layout and the escaping: a message is somebody else's text, shown as text or inside a sandboxed frame
without scripts, links out or network. Never sends or changes a message. Written by `catcher`.
"""

from __future__ import annotations

import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from pathlib import Path
from typing import Final

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c2733 }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ padding: .3rem .6rem; text-align: left; vertical-align: top }}
tr:nth-child(even) {{ background: #f4f6f8 }} th {{ border-bottom: 2px solid #c9d2da }}
iframe {{ border: 1px solid #c9d2da; border-radius: 6px; width: 100%; height: 34rem }}
pre {{ background: #f4f6f8; padding: 1rem; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere }}
</style></head><body>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    recipient: str
    subject: str


class Mailbox:
    """Keeps the first `limit` messages for `folder`. Later ones are counted by the catcher and let go."""

    def __init__(self, folder: Path, limit: int = 300) -> None:
        self.folder = folder
        self._limit = limit
        self._waiting: list[tuple[str, bytes]] = []
        self._entries: list[_Entry] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def index(self) -> Path:
        """The page to open in a browser."""
        return self.folder / "index.html"

    def keep(self, recipients: list[str], message: bytes) -> None:
        """Remembers a message until the next `write`, unless there are enough already."""
        if len(self._entries) + len(self._waiting) < self._limit:
            self._waiting.append((", ".join(recipients), message))

    def write(self, total: int) -> Path:
        """Writes what came since the last call and the index over all; `total` is how many were caught in all."""
        for recipient, message in self._waiting:
            self._entries.append(self._write_message(f"{len(self._entries) + 1:04}", recipient, message))
        self._waiting.clear()
        rows = "\n".join(
            f'<tr><td><a href="{entry.name}.html">{entry.name}</a></td><td>{escape(entry.recipient)}</td>'
            f'<td>{escape(entry.subject)}</td><td><a href="{entry.name}.eml">.eml</a></td></tr>'
            for entry in self._entries
        )
        body = (
            f"<h1>Caught mail</h1><p>{total:,} messages caught, {len(self._entries):,} kept here.</p>"
            f"<table><tr><th>No.</th><th>To</th><th>Subject</th><th>As sent</th></tr>\n{rows}</table>"
        )
        self.index.write_text(_PAGE.format(title="Caught mail", body=body), encoding="utf-8")
        return self.index

    def _write_message(self, name: str, recipient: str, message: bytes) -> _Entry:
        parsed = BytesParser(policy=email.policy.default).parsebytes(message)
        entry = _Entry(name, recipient, str(parsed["subject"] or ""))
        (self.folder / f"{name}.eml").write_bytes(message)
        (self.folder / f"{name}.html").write_text(_message_page(entry, parsed), encoding="utf-8")
        return entry


def _message_page(entry: _Entry, message: EmailMessage) -> str:
    headers = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in message.items()
    )
    html, text = _part(message, "html"), _part(message, "plain")
    body = (
        f'<p><a href="index.html">All messages</a> · <a href="{entry.name}.eml">as sent</a></p>'
        f"<h1>{escape(entry.subject)}</h1><table>{headers}</table>"
        f'<h2>HTML part</h2><iframe sandbox="" srcdoc="{escape(html)}"></iframe>'
        f"<h2>Text part</h2><pre>{escape(text)}</pre>"
    )
    return _PAGE.format(title=escape(entry.subject), body=body)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    content = part.get_content() if part is not None else ""
    return content if isinstance(content, str) else ""
