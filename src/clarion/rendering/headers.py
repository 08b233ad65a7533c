"""Header values as they stand on the wire: encoded words, folding, and the guard against line breaks.

Every function returns text that is safe after `Name: `: no bare CR, LF or NUL, lines within 78 characters where
folding allows it and within 998 always (RFC 5322 §2.1.1, RFC 2047). Where to read next: `envelope`.
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from clarion.rendering.addresses import Mailbox

UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no header value may hold: control characters, every kind of line break, half surrogates (T01)."""

_SHORT_SUBJECT = re.compile(r"[!-<>-~](?:[ !-<>-~]{0,64}[!-<>-~])?")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_PLAIN_TEXT = re.compile(r"[!-~]{1,200}(?: [!-~]{1,200})*")
_LINE = 76
_WORD_BYTES = 39  # 52 characters of base64 and 12 of frame: fits one line behind "Subject: "


def unstructured(value: str, start: int) -> str:
    """A free-text value such as a subject, encoded where it is not plain ASCII; `start` characters precede it.

    The caller has refused `UNSAFE` characters. A plain value that looks like an encoded word is encoded, so that
    nobody decodes it into something else.
    """
    if "=?" in value or not _PLAIN_TEXT.fullmatch(value):
        return _encoded_words(value) if value else ""
    return value if len(value) + start <= _LINE else _folded(value, start)


def subject_value(subject: str) -> str | None:
    """The value of a Subject header, or None when it holds what no header may hold (T01)."""
    if _SHORT_SUBJECT.fullmatch(subject) and "  " not in subject:
        return subject
    return None if UNSAFE.search(subject) else unstructured(subject.strip(), len("Subject: "))


def _folded(value: str, start: int) -> str:
    lines: list[str] = []
    length = start
    for word in value.split(" "):
        if lines and length + 1 + len(word) > _LINE:
            lines.append("\r\n " + word)
            length = 1 + len(word)
        else:
            lines.append(f" {word}" if lines else word)
            length += 1 + len(word)
    return "".join(lines)


def _encoded_words(value: str) -> str:
    whole = value.encode()
    if len(whole) <= _WORD_BYTES:
        return _encoded_word(whole)
    words: list[bytes] = []
    chunk = b""
    for char in value:
        octets = char.encode()
        if len(chunk) + len(octets) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return "\r\n ".join(map(_encoded_word, words))


def _encoded_word(octets: bytes) -> str:
    return f"=?utf-8?B?{binascii.b2a_base64(octets, newline=False).decode()}?="


def mailbox_header(mailbox: Mailbox) -> str:
    """`Name <address>`, the name encoded or quoted as it needs; exactly one address, whatever the name says (T03)."""
    name, address = mailbox.name, mailbox.address.mailbox
    if not name:
        return address
    if not name.isascii():
        return f"{_encoded_words(name)}\r\n <{address}>"
    shown = name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'
    return f"{shown} <{address}>" if len(shown) + len(address) < _LINE - 12 else f"{shown}\r\n <{address}>"


def date_header(sent_at: datetime) -> str:
    """The value of a Date header (RFC 5322 §3.3); made once per window, passed to every render in it."""
    return format_datetime(sent_at)
