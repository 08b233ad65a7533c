"""The email on the wire: its skeleton, and the last guards before bytes leave.

Owns MIME structure, line ends, line length, dot-stuffing and transfer encodings. Never evaluates a template and never
decides a header's value (see `headers`). Where to read next: `plan`, which fills the skeleton.
"""

from __future__ import annotations

import binascii
import re
from typing import Final, NamedTuple

LINE_LIMIT: Final = 998
"""Octets of a line without its CRLF (RFC 5321 §4.5.3.1.6)."""

BOUNDARIES: Final = 4
"""How often a message of ours holds its boundary: announced once, then around two parts."""

_PART_HEAD = "\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
_BOUNDARY = re.compile(rb'\r\n boundary="([^"]+)"\Z')  # the last of the headers: a subject may say so as well
_AS_IS = b"Content-Transfer-Encoding: 8bit"


class WireEmail(NamedTuple):
    """One email, ready for the wire.

    `data` is the whole RFC 5322 message: CRLF line ends only, dot-stuffed (RFC 5321 §4.5.2), ending in CRLF, without
    the final dot line. `mail_from` and `rcpt_to` are bare addresses. `is_8bit` needs 8BITMIME.
    """

    mail_from: str
    rcpt_to: str
    data: bytes
    is_8bit: bool
    needs_smtputf8: bool
    message_id: str

    def seven_bit(self) -> WireEmail:
        """The same message for a server without 8BITMIME: bodies in quoted-printable or base64, content unchanged."""
        return self._replace(data=reencoded(self.data), is_8bit=False) if self.is_8bit else self


def body_frame(boundary: str) -> tuple[str, str, str]:
    """What stands before the text part, between text and HTML, and after the HTML of a multipart/alternative body."""
    text = _PART_HEAD.format(boundary=boundary, kind="plain")
    html = _PART_HEAD.format(boundary=boundary, kind="html")
    return text.removeprefix("\r\n"), html, f"\r\n--{boundary}--\r\n"


def content_type(boundary: str) -> str:
    """The headers that announce such a body."""
    return f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'


def crlf(text: str) -> str:
    """The text with every line end as CRLF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def has_long_line(data: bytes) -> bool:
    """Whether a line is longer than `LINE_LIMIT`. Hops from line end to line end, about one look per 1000 octets."""
    start, end = 0, len(data)
    while end - start > LINE_LIMIT + 2:
        last = data.rfind(b"\n", start, start + LINE_LIMIT + 2)
        if last < 0:
            return True
        start = last + 1
    return False


def stuffed(data: bytes) -> bytes:
    """Doubles each dot that starts a line, so that no line is taken for the end of the message."""
    return data.replace(b"\n.", b"\n..") if b"\n." in data else data


def reencoded(data: bytes) -> bytes:
    """A stuffed message of ours with both bodies in quoted-printable or base64, as suits each, and re-stuffed."""
    plain = data.replace(b"\n..", b"\n.")
    head, _, body = plain.partition(b"\r\n\r\n")
    found = _BOUNDARY.search(head)
    if found is None:
        return data
    delimiter = b"--" + found[1]
    _, text, html, _ = (b"\r\n" + body).split(b"\r\n" + delimiter)
    parts = [b"%b%b\r\n" % (delimiter, _encoded_part(part)) for part in (text, html)]
    return stuffed(b"%b\r\n\r\n%b%b--\r\n" % (head, b"".join(parts), delimiter))


def _encoded_part(part: bytes) -> bytes:
    head, _, body = part.partition(b"\r\n\r\n")
    foreign = len(body) - len(body.decode("ascii", "ignore"))
    if foreign * 6 > len(body):
        encoding, encoded = b"base64", _base64(body)
    else:
        encoding, encoded = b"quoted-printable", _quoted_printable(body)
    head = head.replace(_AS_IS, b"Content-Transfer-Encoding: " + encoding)
    return b"%b\r\n\r\n%b" % (head, encoded)


def _base64(body: bytes) -> bytes:
    line = binascii.b2a_base64(body, newline=False)
    return b"\r\n".join([line[at : at + 76] for at in range(0, len(line), 76)])


def _quoted_printable(body: bytes) -> bytes:
    # Line by line: the C encoder decides how to end soft breaks from the first line it sees, which may have none.
    lines = (binascii.b2a_qp(line, istext=False) for line in body.split(b"\r\n"))
    return b"\r\n".join(line.replace(b"\n", b"\r\n") for line in lines)
