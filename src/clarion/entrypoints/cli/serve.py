"""`clarion serve`: everything on one machine. Database, schema, API, scheduler and workers, kept alive together.

Holds the data directory while it runs. Stops on SIGTERM or Ctrl-C and leaves no process behind, nor does it when it is
killed. Where to read next: `entrypoints/supervision`, `api`, `worker`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clarion.bootstrap import DirectoryLock, EmbeddedServer, database_url, migrate_database
from clarion.entrypoints.listening import LISTEN_VARIABLE, open_listener, port_of
from clarion.entrypoints.runtime import runtime_problem
from clarion.entrypoints.supervision import Child, Supervisor
from clarion.settings import Settings, load_settings
from clarion.telemetry import METRICS_DIR_VARIABLE, Event, configure_logging, forget_process, logger

OWN_COMMAND: Final = (sys.executable, "-m", "clarion.entrypoints.cli")
SPARE_CONNECTIONS: Final = 40


def serve() -> None:
    """Run everything: the database (embedded unless CLARION_DATABASE_URL is set), API, scheduler and workers."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the supervisor listens: stop what has started
    settings = load_settings()
    configure_logging(level=settings.log_level, style=settings.log_format, process="serve")
    if problem := runtime_problem():
        logger().warning(Event.RUNTIME_OLD, problem=problem)
    with _owned(settings) as server:
        url = database_url(settings)
        if added := asyncio.run(migrate_database(url)):
            logger().info(Event.DATABASE_MIGRATED, versions=added)
        settings.secret_keys()  # made before several processes ask for them
        with open_listener(settings.host, settings.port) as listener:
            code = asyncio.run(_supervise(settings, server, listener))
    logger().info(Event.SERVE_STOPPED, code=code)
    sys.exit(code)


@contextmanager
def _owned(settings: Settings) -> Iterator[EmbeddedServer | None]:
    """Holds the data directory, and runs the embedded server in it when no other database is configured."""
    if settings.embedded:
        sessions = settings.api_pool_size + (settings.workers + 1) * (settings.worker_pool_size + 1) + SPARE_CONNECTIONS
        with EmbeddedServer(settings.data_dir, max_connections=sessions) as server:
            logger().info(Event.DATABASE_STARTED, database_pid=server.pid)
            yield server
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = DirectoryLock(settings.data_dir)
    lock.acquire()
    try:
        yield None
    finally:
        lock.release()


async def _supervise(settings: Settings, server: EmbeddedServer | None, listener: socket.socket) -> int:
    metrics = _fresh_directory(settings.data_dir / "metrics")

    def check() -> None:
        if server is not None and server.ensure_running():
            free_mb = shutil.disk_usage(settings.data_dir).free // 2**20  # a full disk ends a server again and again
            logger().error(Event.DATABASE_RESTARTED, database_pid=server.pid, free_mb=free_mb)

    supervisor = Supervisor(
        _children(settings, listener, metrics),
        drain_s=settings.drain_seconds,
        check=check,
        ended=lambda pid: forget_process(pid, metrics),
    )
    place = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port_of(listener)}"
    print(f"Clarion listens on {place}", flush=True)
    logger().info(Event.SERVE_STARTED, url=place, workers=settings.workers)
    return await supervisor.run()


def _children(settings: Settings, listener: socket.socket, metrics: Path) -> list[Child]:
    shared = {
        METRICS_DIR_VARIABLE: str(metrics),
        "CLARION_PORT": str(port_of(listener)),  # the real one, where 0 was asked for
        "CLARION_DATA_DIR": str(settings.data_dir),
    }
    handle = listener.fileno()
    api = Child("api", [*OWN_COMMAND, "api"], {**shared, LISTEN_VARIABLE: str(handle)}, (handle,))
    workers = [Child(f"worker-{n}", [*OWN_COMMAND, "worker"], shared) for n in range(1, settings.workers + 1)]
    return [api, Child("scheduler", [*OWN_COMMAND, "scheduler"], shared), *workers]


def _fresh_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    os.environ.pop(METRICS_DIR_VARIABLE, None)  # this process keeps no metrics of its own there
    return path
