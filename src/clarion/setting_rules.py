"""How each kind of setting is read: a text in, a value out, or a ValueError whose message is the rule.

Knows no setting by name and reads neither the environment nor a file. Where to read next: `settings`.
"""

from __future__ import annotations

import base64
import binascii
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

KEY_BYTES: Final = 32
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


class Secret:
    """A text that must not be shown: `repr` and `str` are masked, `reveal()` is the only way to the value."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the text itself; for handing to the part that needs it, never to a log."""
        return self._text

    def __repr__(self) -> str:
        return "***"


def text(raw: str) -> str:
    """Reads a text that says something."""
    if not raw.strip() or "\0" in raw:
        raise ValueError("must be a non-empty text")
    return raw.strip()


def path(raw: str) -> Path:
    """Reads a path; `~` is the home directory, and what is relative is so to the current one."""
    return Path(text(raw)).expanduser().absolute()


def whole(low: int, high: int) -> Callable[[str], int]:
    """Makes the rule of a whole number between two bounds, both included."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"\d{1,12}", raw, re.ASCII) or not low <= int(raw) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(raw)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """Makes the rule of a choice."""

    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return raw

    return parse


def some_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    """Makes the rule of a comma-separated choice of several; `none` chooses nothing."""

    def parse(raw: str) -> tuple[str, ...]:
        named = tuple(part.strip() for part in raw.split(",") if part.strip())
        if named == ("none",):
            return ()
        if not named or set(named) - set(choices):
            raise ValueError(f"must be none, or some of {', '.join(choices)}")
        return named

    return parse


def names(raw: str) -> tuple[str, ...]:
    """A comma-separated list of names; blanks around them do not count."""
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def path_prefix(raw: str) -> str:
    """Reads the beginning of a path: `/like/this`, without a slash at its end; `/` is none."""
    if raw == "/":
        return ""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]{1,64}){1,8}", raw, re.ASCII):
        raise ValueError("must look like /this or /like/this")
    return raw


def yes_no(raw: str) -> bool:
    """Reads true or false."""
    if raw.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return raw.lower() == "true"


def database_url(raw: str) -> Secret:
    """Reads the URL of a PostgreSQL; a secret, because it may hold a password."""
    try:
        scheme = urlsplit(raw).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be a URL that starts with postgresql://")
    return Secret(raw)


def nats_urls(raw: str) -> Secret:
    """Reads the URLs of NATS servers, comma-separated; a secret, because they may hold a password or a token."""
    for one in raw.split(","):
        try:
            parts = urlsplit(one.strip())
            usable = parts.scheme in {"nats", "tls"} and parts.hostname and parts.port != 0 and not parts.query
        except ValueError:
            usable = False
        if not usable or parts.path.strip("/") or re.search(r"\s", one.strip()):
            raise ValueError("must be nats://host:4222 or tls://user:password@host:4222, or several, comma-separated")
    return Secret(",".join(one.strip() for one in raw.split(",")))


def token(raw: str) -> str:
    """Reads a name that other systems take too."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", raw, re.ASCII):
        raise ValueError("must be 1 to 32 letters, digits, _ or -")
    return raw


def copies(raw: str) -> int:
    """Reads how many servers keep a thing: 1, 3 or 5, because more than half of them must agree."""
    if raw not in {"1", "3", "5"}:
        raise ValueError("must be 1, 3 or 5")
    return int(raw)


def web_url(raw: str) -> str:
    """Reads the address of a web server, without a slash at its end."""
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// address without query or fragment")
    return raw.rstrip("/")


def host_name(raw: str) -> str:
    """Reads a host name or an IPv4 address."""
    if not _HOST_NAME.fullmatch(raw):
        raise ValueError("must be a host name or an IPv4 address")
    return raw


def host(raw: str) -> str:
    """Reads a host name or an IP address of either kind."""
    if ":" not in raw:
        return host_name(raw)
    try:
        socket.inet_pton(socket.AF_INET6, raw)
    except OSError:
        raise ValueError("must be a host name or an IP address") from None
    return raw


def mailbox(raw: str) -> str:
    """Reads one bare email address."""
    local, at, domain = raw.rpartition("@")
    if not at or not local or not _HOST_NAME.fullmatch(domain) or re.search(r"[\s<>,]", raw):
        raise ValueError("must be one bare address such as unsubscribe@example.com")
    return raw


def key(raw: str) -> Secret:
    """Reads a 32-byte key in base64."""
    decode_key(raw)
    return Secret(raw)


def keys(raw: str) -> tuple[Secret, ...]:
    """Reads keys separated by commas."""
    return tuple(key(part.strip()) for part in raw.split(",") if part.strip())


def access_key(raw: str) -> Secret:
    """Reads a key that callers present."""
    if len(raw) < 16:
        raise ValueError("must have at least 16 characters")
    return Secret(raw)


def decode_key(text: str) -> bytes:
    """Decodes a 32-byte key from base64. Raises ValueError with the rule."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be {KEY_BYTES} random bytes in base64")
    return key
