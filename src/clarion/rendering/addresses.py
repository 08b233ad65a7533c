"""Email addresses: what we accept, what goes on the wire, and the one key that compares two of them.

Nothing here raises for bad input: a parse gives an `EmailAddress` or an `AddressFault`. Accepted is less than RFC 5322
allows: no quoted local parts, comments, routes, literals or lists. `email_key` is the only comparison key; SQL never
folds case. Where to read next: `headers` for how names and addresses are written into a message.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

import idna

STRIPPED: Final = " \t\u00a0\u200b\u200c\u200d\u2060\ufeff"
"""Removed around an address before it is checked, and nothing else: space, tab, no-break space, zero-width space,
non-joiner and joiner, word joiner, byte order mark. The same characters inside an address are refused."""

LOCAL_LIMIT: Final = 64
ADDRESS_LIMIT: Final = 254
"""Octets of UTF-8 (RFC 5321 §4.5.3.1, RFC 3696 erratum 1690)."""
NAME_LIMIT: Final = 200
"""Characters of a display name."""

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TLD = r"[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
# Linear: the dot is in neither class, so a split into atoms or labels is never tried twice.
_ASCII_ADDRESS = re.compile(rf"({_ATEXT}{{1,64}}(?:\.{_ATEXT}{{1,64}}){{0,31}})@((?:{_LABEL}\.){{1,126}}{_TLD})")
# The same without what only matters while reading: nothing is tried twice, so nothing needs to be remembered.
_ASCII_MAILBOX = re.compile(
    rf"(?=[^@]{{1,64}}@)(?:{_ATEXT}++\.)*+{_ATEXT}++"
    r"@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}+(?<!-)\.)++[A-Za-z][A-Za-z0-9-]{1,62}+(?<!-)"
)
_ASCII_DOMAIN = re.compile(rf"(?:{_LABEL}\.){{1,126}}{_TLD}")
_BLANKS = " \t"
_ATOM_BYTES = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-.")
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")
_BAD_IN_NAME = re.compile(
    '[\x00-\x1f\x7f-\x9f<>"\\\\\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]|=\\?'
)


class EmailAddress(NamedTuple):
    """A valid address. `mailbox` goes on the wire: the local part as given, the domain in lower-case A-labels."""

    mailbox: str
    key: str
    needs_smtputf8: bool = False
    mixed_script: bool = False
    """The domain mixes alphabets within one label, as look-alike domains do; worth a warning, not a refusal."""


class AddressFault(NamedTuple):
    """Why a text is no address: a stable rule name and a sentence."""

    rule: str
    message: str


class Mailbox(NamedTuple):
    """A display name (may be empty) and an address, as in a From or Reply-To header."""

    name: str
    address: EmailAddress

    def __str__(self) -> str:
        return f"{self.name} <{self.address.mailbox}>" if self.name else self.address.mailbox


def parse_email(text: str) -> EmailAddress | AddressFault:
    """Reads one address strictly; only the characters of `STRIPPED` are removed around it.

    Accepts a dot-atom or, non-ASCII, an internationalised local part (RFC 6531), and a domain of two labels or more
    that is valid ASCII or IDNA 2008 (RFC 5891) after lower-casing and NFC. Compatibility characters are refused, not
    mapped: a full-width dot or a telephone sign never turns into another domain.
    """
    text = text.strip(STRIPPED)
    match = _ASCII_ADDRESS.fullmatch(text) if len(text) <= ADDRESS_LIMIT else None
    if match is None:
        return _parse_slowly(text)
    local, domain = match.groups()
    domain = domain.lower()
    if len(local) > LOCAL_LIMIT:
        return AddressFault("maxLength", f"the part before @ is longer than {LOCAL_LIMIT} octets")
    if "--" in domain:
        return _parse_slowly(text)
    return EmailAddress(f"{local}@{domain}", f"{local.lower()}@{domain}")


def parse_domain(text: str) -> str | AddressFault:
    """Reads the domain of an address, alone, as strictly; gives it in lower-case A-labels."""
    return _domain_to_ascii(text.strip(STRIPPED))


def is_mailbox(address: str) -> bool:
    """Whether this is, to the letter, a `mailbox` that `parse_email` gave: the last look before the wire."""
    if len(address) <= ADDRESS_LIMIT and "xn--" not in address and _ASCII_MAILBOX.fullmatch(address):
        return True
    parsed = parse_email(address)
    return isinstance(parsed, EmailAddress) and parsed.mailbox == address


def _parse_slowly(text: str) -> EmailAddress | AddressFault:
    local, at, domain = text.rpartition("@")
    fault = _shape_fault(text, local, at, domain) or _local_fault(local)
    if fault:
        return fault
    encoded = _domain_to_ascii(domain)
    if isinstance(encoded, AddressFault):
        return encoded
    mailbox = f"{unicodedata.normalize('NFC', local)}@{encoded}"
    if len(mailbox.encode()) > ADDRESS_LIMIT:
        return AddressFault("maxLength", f"the address is longer than {ADDRESS_LIMIT} octets")
    return EmailAddress(mailbox, f"{_fold(local)}@{encoded}", not local.isascii(), _mixes_scripts(encoded))


def _shape_fault(text: str, local: str, at: str, domain: str) -> AddressFault | None:
    if not text:
        return AddressFault("minLength", "the address is empty")
    if len(text) > ADDRESS_LIMIT:
        return AddressFault("maxLength", f"the address is longer than {ADDRESS_LIMIT} octets")
    if not at or not local or not domain:
        return AddressFault("address", "an address has the form name@domain")
    if "@" in local or any(mark in text for mark in ',;<>()[]:"\\'):
        return AddressFault("oneAddress", "exactly one plain address, without name, list, quotes or brackets")
    return None


def _local_fault(local: str) -> AddressFault | None:
    if any("\ud800" <= char <= "\udfff" for char in local):
        return AddressFault("characters", "the address holds half a surrogate pair")
    if len(local.encode()) > LOCAL_LIMIT:
        return AddressFault("maxLength", f"the part before @ is longer than {LOCAL_LIMIT} octets")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return AddressFault("address", "dots stand between other characters, one at a time")
    # A character that compatibility normalisation turns into ASCII (a full-width @, a small comma) is a disguise.
    compatible = unicodedata.normalize("NFKC", local)
    for char in local + compatible:
        if char not in _ATOM_BYTES and (char.isascii() or unicodedata.category(char)[0] not in "LMN"):
            return AddressFault("characters", f"the part before @ holds {_shown(char)}")
    return None


def _shown(char: str) -> str:
    return f"a character that is not allowed (U+{ord(char):04X})"


def _domain_to_ascii(domain: str) -> str | AddressFault:
    lowered = unicodedata.normalize("NFC", domain.lower())
    if lowered.isascii() and "xn--" not in lowered:
        if not _ASCII_DOMAIN.fullmatch(lowered):
            return AddressFault("domain", "the domain is not of the form example.org")
        return lowered
    try:
        encoded = idna.encode(lowered, strict=True).decode()
    except (idna.IDNAError, UnicodeError):
        return AddressFault("domain", "the domain is not a valid internationalised name (IDNA 2008)")
    if not _ASCII_DOMAIN.fullmatch(encoded):
        return AddressFault("domain", "the domain is not of the form example.org")
    return encoded


def _mixes_scripts(domain: str) -> bool:
    if "xn--" not in domain:
        return False
    try:
        labels = idna.decode(domain).split(".")
    except (idna.IDNAError, UnicodeError):
        return True
    return any(len({_script(char) for char in label if char.isalpha()}) > 1 for label in labels)


_ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "HANGUL": "CJK", "BOPOMOFO": "CJK"}


def _script(char: str) -> str:
    word = unicodedata.name(char, "?").split(" ", 1)[0]
    return _ONE_SCRIPT.get(word, word)


def _fold(local: str) -> str:
    folded = unicodedata.normalize("NFKC", local)
    for _ in range(3):  # upper-casing and normalising undo each other for a few letters; thrice is a fixed point
        folded = unicodedata.normalize("NFKC", folded.upper().casefold()).replace("i\u0307", "i")
    return folded


def email_key(text: str) -> str:
    """The one key by which addresses are compared: unique contacts, suppressions, imports.

    Equal for every spelling that some system folds together: letter case, the Kelvin sign, dotted and dotless i, sharp
    s, full-width forms, U- and A-labels of a domain. Total: any text has a key, and the key of a key is itself.
    """
    parsed = parse_email(text)
    if isinstance(parsed, EmailAddress):
        return parsed.key
    local, at, domain = _fold(text.strip(STRIPPED)).strip(STRIPPED).rpartition("@")
    encoded = _domain_to_ascii(domain)
    return f"{local}{at}{domain if isinstance(encoded, AddressFault) else encoded}"


def parse_mailbox(text: str) -> Mailbox | AddressFault:
    """Reads `Name <address>` or a bare address, for From and Reply-To.

    The name may be in double quotes; it may not hold brackets, quotes, control or direction characters, or `=?`, which
    a reader would decode into something else. The address is of ASCII local part, so that every server takes the mail.
    """
    match = _NAMED.fullmatch(text.strip(_BLANKS))
    name, inner = (match[1].strip(_BLANKS), match[2]) if match else ("", text)
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].strip(_BLANKS)
    if _BAD_IN_NAME.search(name):
        return AddressFault("name", "a name holds no brackets, quotes, control characters or '=?'")
    if len(name) > NAME_LIMIT:
        return AddressFault("name", f"a name is at most {NAME_LIMIT} characters long")
    address = parse_email(inner)
    if isinstance(address, AddressFault):
        return address
    if address.needs_smtputf8:
        return AddressFault("asciiLocalPart", "the part before @ of a sender's address is ASCII")
    return Mailbox(name, address)
