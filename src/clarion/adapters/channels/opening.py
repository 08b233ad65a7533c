"""From nothing to a TCP or TLS connection, for the channels that keep their own; and how it is said that there is none.

Certificates are always verified, and nothing falls back to plaintext. Knows no protocol: what is said first is the
business of `smtp/opening`, `smpp/opening` and `push/opening`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar

from clarion.domain.outcome import Outcome, Reason

P = TypeVar("P", bound=asyncio.Protocol)


class OpeningFailed(Exception):
    """There is no connection; `outcome` says why, for every message that waits for one."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """The TLS settings of a client that trusts this CA file, or the system's. Reads the file; call it once.

    Raises: OpeningFailed when the file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as fault:
        raise OpeningFailed(Outcome.retry(Reason.TLS_FAILED, f"CA file {ca_file}: {fault}")) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connect(
    protocol: Callable[[], P], host: str, port: int, *, tls: ssl.SSLContext | None, connect_s: float, handshake_s: float
) -> P:
    """A connection whose bytes go to `protocol` from the first one. Raises: OpeningFailed; none is open then."""
    patience_s = connect_s + (handshake_s if tls else 0)
    try:
        async with asyncio.timeout(patience_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                protocol,
                host,
                port,
                ssl=tls,
                server_hostname=host if tls else None,
                ssl_handshake_timeout=handshake_s if tls else None,
            )
    except TimeoutError:
        reason, words = Reason.CONNECTION_FAILED, f"no connection within {patience_s:g} s"
    except ssl.SSLError as fault:
        reason, words = Reason.TLS_FAILED, f"TLS: {fault}"
    except (OSError, UnicodeError) as fault:
        # A reset in the middle of a TLS handshake reads like any other: never a reason to try without.
        reason, words = Reason.CONNECTION_FAILED, f"no connection: {fault}"
    else:
        return connection
    raise OpeningFailed(Outcome.retry(reason, words))
