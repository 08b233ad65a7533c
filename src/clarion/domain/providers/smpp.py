"""SMPP 3.4: an account at a short message centre, and what is peculiar about that centre.

The limits of fields are those of the specification (§5.2). Never holds the password. Where to read next:
`adapters/channels/smpp`; `docs/smpp.md` says what each setting is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from clarion.domain.channel import ChannelName
from clarion.domain.errors import Problem
from clarion.domain.providers.provider import (
    ProviderName,
    Security,
    connection_problems,
    is_host,
    is_loopback,
    text_problems,
)

WINDOW_LIMIT: Final = 1_000
VALIDITY_LEAST: Final = 60
VALIDITY_LIMIT: Final = 7 * 86_400
"""Networks seldom keep a message for longer."""


class Concatenation(StrEnum):
    """How a centre is told which parts make one message."""

    UDH = "udh"
    """A user data header in each part: every centre and phone knows it."""
    SAR = "sar"
    """The parameters `sar_*`: the centre writes the header."""
    PAYLOAD = "payload"
    """The whole text in `message_payload`: the centre cuts it, and one id stands for all parts."""


class Notation(StrEnum):
    """How a centre writes the ids of messages; the one in its answers may not be the one in its receipts."""

    AS_IS = "as_is"
    HEX = "hex"
    DECIMAL = "decimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppBind:
    """Where and how to bind to one centre. `max_connections` are binds of one worker process.

    `window` is how many submit_sm of a bind may wait for their answer. `trusted_network` says that the way there is a
    private one, so that the login may go without TLS. `ca_file` names a PEM file of the authorities to trust instead of
    the system's. `validity_seconds` is for how long the centre tries, None as long as it does by itself.
    """

    name: ClassVar[ProviderName] = ProviderName.SMPP
    channel: ClassVar[ChannelName] = ChannelName.SMS
    secrets: ClassVar[tuple[str, ...]] = ("password",)

    host: str
    port: int
    security: Security = Security.TLS
    trusted_network: bool = False
    system_id: str
    system_type: str = ""
    service_type: str = ""
    max_connections: int = 1
    window: int = 100
    concatenation: Concatenation = Concatenation.UDH
    validity_seconds: int | None = None
    short_code_ton: int = 3
    short_code_npi: int = 0
    answer_ids: Notation = Notation.AS_IS
    receipt_ids: Notation = Notation.AS_IS
    ca_file: str | None = None

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings."""
        if not is_host(self.host):
            yield Problem("settings.host", "host", "a host name or an IP address")
        if not 1 <= self.port <= 65535:
            yield Problem("settings.port", "range", "1 to 65535")
        yield from self._security_problems()
        yield from _ascii_problems("settings.systemId", self.system_id, 15)
        for field, text, limit in (
            ("settings.systemType", self.system_type, 12),
            ("settings.serviceType", self.service_type, 5),
        ):
            if text:
                yield from _ascii_problems(field, text, limit)
        if not 1 <= self.window <= WINDOW_LIMIT:
            yield Problem("settings.window", "range", f"1 to {WINDOW_LIMIT}")
        if self.validity_seconds is not None and not VALIDITY_LEAST <= self.validity_seconds <= VALIDITY_LIMIT:
            yield Problem("settings.validitySeconds", "range", f"{VALIDITY_LEAST:,} to {VALIDITY_LIMIT:,} seconds")
        for field, number in (
            ("settings.shortCodeTon", self.short_code_ton),
            ("settings.shortCodeNpi", self.short_code_npi),
        ):
            if not 0 <= number <= 255:
                yield Problem(field, "range", "0 to 255")
        yield from connection_problems(self.max_connections)

    def _security_problems(self) -> Iterator[Problem]:
        if self.security is Security.STARTTLS:
            yield Problem("settings.security", "enum", "none or tls: SMPP has no STARTTLS")
        if self.security is Security.NONE and not (self.trusted_network or is_loopback(self.host)):
            yield Problem(
                "settings.security",
                "tlsForLogin",
                "a login is sent over TLS only, or over a trustedNetwork such as a VPN",
            )


def _ascii_problems(field: str, text: str, limit: int) -> Iterator[Problem]:
    yield from text_problems(field, text, limit)
    if not text.isascii():
        yield Problem(field, "pattern", "ASCII characters only")
