"""Real processes under commands: an API, a worker and a scheduler, a fast mail server, and who noted what when.

Every intent is noted by a trigger of this test's database and every acceptance by the mail server's log, both by this
machine's clock, as every answer of the API is. Gates G9 and G10 compare the three. Where to read next: `pauses`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.crash.ground import environment
from tests.crash.supervisor import Supervisor
from tests.support import scene
from tests.support.database import Databases, opened
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.access import create_key
from clarion.domain.access import Permission
from clarion.domain.ids import Id

CONNECTIONS = 10
FAR_S = 0.010
"""How much later the mail server answers: then a run takes seconds on any machine, and commands find it under way."""

_NOTE_INTENTS = """
CREATE TABLE storm_intent (run_id bytea NOT NULL, seq int NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION storm_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO storm_intent VALUES (NEW.run_id, NEW.seq, clock_timestamp()); RETURN NULL;
END $$;
CREATE TRIGGER storm_note AFTER UPDATE ON delivery
    FOR EACH ROW WHEN (NEW.attempts > OLD.attempts) EXECUTE FUNCTION storm_note();
"""
_INTENTS = "SELECT run_id, seq, extract(epoch FROM at)::float8 AS at FROM storm_intent WHERE run_id = $1 ORDER BY at"
_STATES = "SELECT state, count(*) FROM delivery WHERE run_id = $1 GROUP BY state"
_READY = "SELECT snapshot_done FROM run WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Answered:
    """A request of the storm: when it was sent and answered, and how."""

    command: str
    sent_at: float
    at: float
    status: int

    @property
    def took_s(self) -> float:
        """How long the caller waited."""
        return self.at - self.sent_at


@dataclass(slots=True)
class Gale:
    """The processes, an account with contacts, and a caller."""

    database: PostgresDatabase
    scene: scene.Scene
    http: httpx.AsyncClient
    log: Path
    supervisor: Supervisor
    answers: list[Answered] = field(default_factory=list)

    def hold(self) -> None:
        """The idle worker stands still until released: no run ends before what is to happen under way has begun."""
        self._signal_worker(signal.SIGSTOP)

    def release(self) -> None:
        """The worker goes on. Safe to repeat because it only wakes who sleeps."""
        self._signal_worker(signal.SIGCONT)

    def _signal_worker(self, number: signal.Signals) -> None:
        for worker in self.supervisor.of("worker"):
            worker.signal(number)

    async def ask(self, command: str, path: str, **given: object) -> Answered:
        """POSTs below the account, or to a page of its own when the path says so."""
        root = "" if path.startswith("/u/") else f"/v1/accounts/{self.scene.account_id.hex()}"
        sent_at = time.time()
        while (reply := await self.http.post(root + path, **given)).status_code == httpx.codes.SERVICE_UNAVAILABLE:  # type: ignore[arg-type]
            await asyncio.sleep(0.1)  # it could not even begin, as the answer says
        answered = Answered(command, sent_at, time.time(), reply.status_code)
        self.answers.append(answered)
        return answered

    async def command(self, command: str, campaign_id: Id) -> Answered:
        """Starts, pauses, resumes or stops a campaign."""
        return await self.ask(command, f"/campaigns/{campaign_id.hex()}/{command}")

    async def run_of(self, campaign_id: Id) -> Id:
        """The one run of a campaign. Raises ValueError when it has another number of them."""
        async with self.database.reading() as tx:
            (run,) = await tx.runs.page(self.scene.account_id, campaign_id, None, 10)
        return run.id

    async def until_frozen(self, run_id: Id) -> None:
        """Waits until the whole audience has deliveries."""
        async with asyncio.timeout(PATIENCE_S), self.database.reading() as tx:
            while not await tx.connection.fetchval(_READY, run_id):
                await asyncio.sleep(0.02)

    async def intents(self, run_id: Id) -> list[tuple[int, float]]:
        """Every intent of a run: whose, and when its statement wrote it."""
        async with self.database.reading() as tx:
            rows = await tx.connection.fetch(_INTENTS, run_id)
        return [(row["seq"], row["at"]) for row in rows]

    async def states(self, run_id: Id) -> Counter[str]:
        """How many deliveries of a run are in each state."""
        async with self.database.reading() as tx:
            return Counter({row["state"]: row["count"] for row in await tx.connection.fetch(_STATES, run_id)})

    def accepted(self) -> list[tuple[float, str]]:
        """When the mail server took what, in order."""
        lines = (json.loads(line) for line in self.log.read_text("utf-8").splitlines())
        return [(line["at"], line["to"][0]) for line in lines]

    def waits_s(self, commands: Sequence[str]) -> list[float]:
        """How long callers of these commands waited, the shortest first."""
        return sorted(one.took_s for one in self.answers if one.command in commands and one.status < 300)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; they are in order."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@asynccontextmanager
async def gale(databases: Databases, *, recipients: int) -> AsyncIterator[Gale]:
    """Gives the processes for the block; at its end nothing of them is left."""
    url = await databases.create_migrated()
    with tempfile.TemporaryDirectory(prefix="clarion-gale-") as name:
        folder = Path(name)
        accepted, processes = folder / "accepted.jsonl", folder / "processes.log"
        accepted.touch()
        sink, port = await asyncio.to_thread(_start_sink, accepted)
        try:
            async with opened(url) as database:
                made = await scene.build(database, recipients=recipients, port=port, connections=CONNECTIONS)
                await database.pool.execute(_NOTE_INTENTS)
                async with database.transaction() as tx:
                    _, key = await create_key(
                        tx, account_id=made.account_id, name="storm", permissions=list(Permission)
                    )
                api_port = free_port()
                async with Supervisor(environment(url, folder, CLARION_PORT=str(api_port)), processes) as supervisor:
                    for role in ("api", "worker", "scheduler"):
                        supervisor.start(role)
                    async with _calling(api_port, key) as http:
                        yield Gale(database, made, http, accepted, supervisor)
        finally:
            sink.send_signal(signal.SIGTERM)
            await asyncio.to_thread(sink.wait)
    await databases.drop(url)


def _start_sink(log: Path) -> tuple[subprocess.Popen[str], int]:
    command = (sys.executable, "-m", "tests.support.sink", "--null", "--log", str(log), "--delay-ms", str(FAR_S * 1000))
    sink = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    return sink, int(sink.stdout.readline())


@asynccontextmanager
async def _calling(port: int, key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE_S) as http:
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_up(http):
                await asyncio.sleep(0.05)
        yield http


async def _is_up(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
