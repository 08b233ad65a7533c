"""From nothing to an HTTP/2 connection that takes requests: name, TCP, TLS with ALPN, the server's first SETTINGS.

Never sends a request. Where to read next: `http2`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TypeVar
from urllib.parse import urlsplit

from clarion.adapters.channels.http_answers import plain
from clarion.adapters.channels.opening import OpeningFailed, tls_context
from clarion.adapters.channels.push.http2 import Http2Connection, Http2Timeouts, Owner
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.push import Apns

T = TypeVar("T")


async def open_connection(apns: Apns, owner: Owner[T], timeouts: Http2Timeouts) -> Http2Connection[T]:
    """Connects to a sender's service. Without TLS when its URL says so, which it may on loopback only.

    Raises: OpeningFailed.
    """
    try:
        async with asyncio.timeout(timeouts.connect):
            return await _connected(apns, owner, timeouts)
    except (ssl.SSLError, ssl.CertificateError) as fault:
        raise _failed(Reason.TLS_FAILED, f"TLS: {fault}") from None
    except (OSError, TimeoutError) as fault:
        raise _failed(Reason.CONNECTION_FAILED, f"no connection: {fault or 'no answer in time'}") from None


async def _connected(apns: Apns, owner: Owner[T], timeouts: Http2Timeouts) -> Http2Connection[T]:
    place = urlsplit(apns.base_url)
    tls = None
    if place.scheme == "https":
        tls = tls_context(apns.ca_file)
        tls.set_alpn_protocols(["h2"])
    transport, connection = await asyncio.get_running_loop().create_connection(
        lambda: Http2Connection[T](owner, timeouts), place.hostname or "", place.port or (443 if tls else 80), ssl=tls
    )
    try:
        await _spoken(connection, transport.get_extra_info("ssl_object"))
    except BaseException:
        transport.abort()
        raise
    return connection


async def _spoken(connection: Http2Connection[T], secured: ssl.SSLObject | None) -> None:
    if secured is not None and secured.selected_alpn_protocol() != "h2":
        raise _failed(Reason.TLS_FAILED, "the server does not offer HTTP/2")
    await connection.ready


def _failed(reason: Reason, why: str) -> OpeningFailed:
    return OpeningFailed(Outcome.retry(reason, plain(why)))
