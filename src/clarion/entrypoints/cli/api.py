"""`clarion api`: one HTTP process. Under `clarion serve` the supervisor starts it and hands it a socket.

Owns the server's signals and its drain, none of the routes. Where to read next: `entrypoints/http/app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
import uvloop

from clarion.bootstrap import open_app
from clarion.entrypoints.cli.child import as_child
from clarion.entrypoints.listening import inherited_listener, open_listener, port_of
from clarion.settings import Settings

KEEP_ALIVE_S = 75
ACQUIRE_TIMEOUT_S = 2.0
"""Who waits for an answer is told soon that every connection is busy."""


def api() -> None:
    """Serve the HTTP API of an existing, migrated database, on CLARION_HOST and CLARION_PORT, until told to stop.

    Needs CLARION_DATABASE_URL and the same CLARION_SECRET_KEY as all the others. Any number may run behind a load
    balancer; GET /health/ready says whether this one can answer. It needs no NATS.
    """
    with as_child("api") as settings:
        listener = inherited_listener()
        if listener is None:
            listener = open_listener(settings.host, settings.port)
            print(f"Clarion listens on http://{settings.host}:{port_of(listener)}", flush=True)
        uvloop.run(_serve(settings, listener))


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before the application is taken down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # asked a second time
        self.should_exit = True


async def _serve(settings: Settings, listener: socket.socket) -> None:
    from clarion.entrypoints.http.app import create_app  # noqa: PLC0415 - the other commands do without it

    async with open_app(
        settings, pool_size=settings.api_pool_size, role="api", acquire_timeout_s=ACQUIRE_TIMEOUT_S
    ) as app:
        config = uvicorn.Config(
            create_app(app),
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.drain_seconds,
        )
        await _Server(config).serve(sockets=[listener])
