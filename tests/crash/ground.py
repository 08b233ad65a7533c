"""What a gate stands on: a database, a mail server that reads, a campaign to be started, and the processes to hurt.

Owns nothing of what is hurt and when; that is each gate's own. Where to read next: `observer`, `supervisor`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.conftest import TEST_KEY
from tests.crash import channels
from tests.crash.observer import Observer
from tests.crash.reader import Centre, PushService
from tests.crash.supervisor import Child, Supervisor
from tests.crash.verdict import Verdict
from tests.crash.witness import LETTER, Witness
from tests.support import scene
from tests.support.database import Databases, opened
from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import runs
from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id

CONNECTIONS = 3
LEASE_S = 60
"""A process that stands still with its machine for a while keeps what it holds; no gate waits for it to run out."""
SHORT_LEASE_S = 2
"""Where leases have to run out by themselves, and what that leaves is allowed for."""
STALL_S = 90.0
"""A run in which nothing was accepted for so long will not end any more."""
LOOK_S = 0.02
SLOW = "slow0.006+"
"""The sink records a message, then takes 6 ms to say so: the gap in which a dying worker cannot know."""
_STRUCK = 0.6
"""The part of a run in which it is hurt."""
# The last batch of a run that is hurt waits until every blow has come, however fast the run and however slow the blows.
_HOLD_BACK = """
CREATE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.last_seq > 0.8 * (SELECT selected_count FROM run WHERE id = NEW.run_id) THEN
        NEW.due_at := now() + interval '1 day';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_back BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION hold_back();
"""
_LET_GO = "DROP TRIGGER hold_back ON batch; UPDATE batch SET due_at = now() WHERE due_at > now()"
_EXPIRED = "UPDATE batch SET lease_until = now() WHERE worker = $1"


@dataclass(slots=True)
class Ground:
    """One campaign on its own database, and the processes that send it."""

    url: str
    database: PostgresDatabase
    witness: Witness | Centre | PushService
    scene: scene.Scene
    category: Category
    supervisor: Supervisor
    chance: random.Random
    log: Path
    lease_s: int
    began: float = 0.0
    _run_id: Id = field(default=Id(b""))
    _watching: asyncio.Task[None] | None = None
    _holds_back: bool = False

    async def start(self, *, to_be_hurt: bool = False) -> Observer:
        """Starts the campaign and the observer. A run that is to be hurt does not end before `over` is called."""
        self._holds_back = to_be_hurt
        if to_be_hurt:
            await self._script(_HOLD_BACK)
        self._run_id = await scene.start(self.database, self.scene)
        return self.observe(self._run_id)

    def observe(self, run_id: Id) -> Observer:
        """Watches a run that was started."""
        self._run_id = run_id
        self.began = time.monotonic()
        observer = Observer(self.url, run_id, self.witness, self.category, lease_s=self.lease_s)
        self._watching = asyncio.create_task(observer.watch())
        return observer

    def moments(self, count: int) -> list[int]:
        """So many random places of the run, in order."""
        return sorted(self.chance.randrange(int(self.scene.recipients * _STRUCK)) for _ in range(count))

    @property
    def is_under_way(self) -> bool:
        """Whether the run goes on, as the observer sees it."""
        return self._watching is not None and not self._watching.done()

    async def progress(self, observer: Observer, final: int) -> bool:
        """Waits until so many deliveries are final; False when the run is over or stands still."""
        assert self._watching is not None
        reached = asyncio.create_task(observer.reached(final))
        try:
            await self._first_of(reached, self._watching)
            return reached.done() and not self._watching.done()
        finally:
            reached.cancel()

    async def over(self) -> float:
        """Lets the run end by itself and returns the seconds it took; gives up on one that stands still."""
        assert self._watching is not None
        if self._holds_back:
            await self._script(_LET_GO)
        await self._first_of(self._watching)
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        return time.monotonic() - self.began

    async def _first_of(self, *tasks: asyncio.Task[None]) -> None:
        """Waits until one of the tasks is done, as long as the run moves."""
        done, before = set[asyncio.Task[None]](), -1
        while not done and len(self.witness.accepted) > before:
            before = len(self.witness.accepted)
            done, _ = await asyncio.wait(tasks, timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)

    async def settle(self, observer: Observer, *, unknown_limit: int) -> Verdict:
        """The verdict on a run that is over, once nothing moves: a process that was frozen may still have news."""
        await self.supervisor.rest()
        async with self.database.reading() as tx:
            report = await runs.report_run(tx, account_id=self.scene.account_id, run_id=self._run_id)
        reported: dict[str, int] = {}
        for count in report.counts:
            reported[count.state] = reported.get(count.state, 0) + count.count
        verdict = await observer.settle(unknown_limit=unknown_limit, reported=reported)
        for surprise in self.supervisor.surprises:
            verdict.complain(surprise)
        return verdict

    async def expire(self, worker: Child) -> None:
        """Lets the leases of a worker that is dead or frozen run out now: time would do the same."""
        await self.execute(_EXPIRED, f"{socket.gethostname()}:{worker.pid}")

    async def execute(self, statement: str, *values: object) -> Any:
        """Asks the database, or moves a clock in it."""
        async with self.database.reading() as tx:
            return await tx.connection.fetchval(statement, *values)

    async def _script(self, statements: str) -> None:
        async with self.database.reading() as tx:
            await tx.connection.execute(statements)


async def seconds_until(done: Callable[[], bool]) -> float:
    """Waits, and tells for how long, counted in looks: what stands still with its machine is not late.

    Gives up after the patience of all tests.
    """
    looks = 0
    while not done() and looks * LOOK_S < PATIENCE_S:
        await asyncio.sleep(LOOK_S)
        looks += 1
    return looks * LOOK_S


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    """What the processes of a gate see."""
    return {
        "CLARION_DATABASE_URL": url,
        "CLARION_DATA_DIR": str(folder / "data"),
        "CLARION_SECRET_KEY": TEST_KEY,
        "CLARION_LOG_LEVEL": "warning",
        **more,
    }


@asynccontextmanager
async def ground(
    databases: Databases,
    chance: random.Random,
    *,
    recipients: int,
    category: Category = Category.MARKETING,
    local_part: str = "person.",
    connections: int = CONNECTIONS,
    lease_s: int = LEASE_S,
    email: EmailContent = LETTER,
    env: Mapping[str, str] = MappingProxyType({}),
    channel: ChannelName = ChannelName.EMAIL,
    faults: Mapping[str, range] = MappingProxyType({}),
) -> AsyncIterator[Ground]:
    """Makes the ground for one run; at the end of the block no process and no database is left of it.

    What a mail server does to whom is asked for by `local_part`, what others do by `faults`.
    """
    url = await databases.create_migrated()
    with tempfile.TemporaryDirectory(prefix="clarion-crash-") as name:
        folder = Path(name)
        log = folder / "processes.log"
        log.touch()
        async with _taker(channel, faults) as witness, opened(url) as database:
            made = await scene.build(
                database,
                recipients=recipients,
                port=witness.port,
                connections=connections,
                local_part=local_part,
                category=category,
                email=email,
            )
            if isinstance(witness, Centre):
                made = await channels.by_sms(database, made, witness, category)
            elif isinstance(witness, PushService):
                made = await channels.by_push(database, made, witness, category)
            seen = environment(url, folder, CLARION_LEASE_SECONDS=str(lease_s), **env)
            async with Supervisor(seen, log) as supervisor:
                yield Ground(url, database, witness, made, category, supervisor, chance, log, lease_s)
    await databases.drop(url)


def _taker(channel: ChannelName, faults: Mapping[str, range]) -> Witness | Centre | PushService:
    """Who takes the messages of a channel."""
    if channel is ChannelName.SMS:
        return Centre(faults)
    return PushService(faults) if channel is ChannelName.PUSH else Witness()
