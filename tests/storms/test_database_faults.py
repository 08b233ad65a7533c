"""The database away, cut off in the middle of a commit, full or busy, while requests and sending go on.

F19 F20 F22 F24 F30. A proxy stands between the program and a real server. Where to read next: `tests/support/proxy`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.conftest import TEST_KEY
from tests.integration.http.conftest import calling, serving
from tests.support import scene, stage
from tests.support.database import opened
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port
from tests.support.proxy import Fault, Line, Proxy, Strike, _End
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate
from clarion.bootstrap import open_app
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.settings import load_settings

COMMIT = b"COMMIT;\x00"
"""As the driver says it on the wire."""
_FILL = "INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 500)"
_REFUSED = re.compile("disk is full|does not answer|connection was lost")
"""The disk is full for a statement; or for the server's own log, and the server begins again."""
_END_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""


class DatabaseProxy(Proxy):
    """A proxy in front of the server of a database URL, whether it listens on a socket file or on a port."""

    def __init__(self, url: str, fault: Fault = Fault()) -> None:  # noqa: B008 - it never changes
        self._parts = urlsplit(url)
        self._directory = parse_qs(self._parts.query).get("host", [None])[0]
        super().__init__(self._parts.port or 5432, fault=fault)

    @property
    def url(self) -> str:
        """The same database, by way of this proxy."""
        user = f"{self._parts.username}:{self._parts.password or ''}@"
        return self._parts._replace(netloc=f"{user}127.0.0.1:{self.port}", query="sslmode=disable").geturl()

    async def _dial(self, line: Line) -> None:
        if self._directory is None:
            await super()._dial(line)
            return
        try:
            path = f"{self._directory}/.s.PGSQL.{self._to}"
            await asyncio.get_running_loop().create_unix_connection(lambda: _End(line.join), path)
        except OSError:
            line.break_(Strike.RESET)


@dataclass(frozen=True, slots=True)
class Office:
    """An API on a real socket, and a caller of it."""

    http: httpx.AsyncClient
    root: str

    async def add_group(self, name: str, key: str) -> httpx.Response:
        """Makes a group under an Idempotency-Key."""
        return await self.http.post(f"{self.root}/groups", json={"name": name}, headers={"Idempotency-Key": key})


@asynccontextmanager
async def office(url: str) -> AsyncIterator[Office]:
    """Serves the API on this database for the block."""
    with tempfile.TemporaryDirectory(prefix="clarion-storm-") as name:
        settings = load_settings(
            {"CLARION_DATA_DIR": name, "CLARION_DATABASE_URL": url, "CLARION_SECRET_KEY": TEST_KEY, "CLARION_PORT": "0"}
        )
        async with open_app(settings) as app, serving(app) as base, calling(app, base, "Storm") as caller:
            yield Office(caller.http, caller.root)


async def end_sessions(database: PostgresDatabase, stop: asyncio.Event, chance: random.Random) -> int:
    """Ends a session of this database at random every tenth of a second or so; returns how many."""
    ended = 0
    while not stop.is_set():
        async with database.reading() as tx:
            ended += bool(await tx.connection.fetchval(_END_ONE))
        await asyncio.sleep(chance.uniform(0.05, 0.15))
    return ended


async def test_f19_sessions_that_end_at_random_cost_a_request_a_503_and_nobody_a_message(
    database_url: str,
) -> None:
    chance, stop = random.Random(19), asyncio.Event()
    async with (
        Sink(keep_data=False) as sink,
        opened(database_url, max_size=1) as observer,
        opened(database_url) as database,
        office(database_url) as here,
    ):
        made = await scene.build(database, recipients=3_000, port=sink.port, local_part="slow0.01+", connections=5)
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(50)
            ending = asyncio.create_task(end_sessions(observer, stop, chance))
            answers = Counter[int]()
            for n in range(60):
                while True:
                    answer = await here.add_group(f"group {n}", f"key {n}")
                    answers[answer.status_code] += 1
                    if answer.status_code == httpx.codes.CREATED:
                        break
                    assert answer.status_code in {503, 409}, answer.text  # 409: the first try is still being undone
            stop.set()
            assert await ending > 0
            await scene.finished(observer, run_id)
        groups = await observer.pool.fetchval("SELECT count(*) FROM contact_group WHERE name LIKE 'group %'")
        assert groups == 60, answers
        assert await stage.states(observer, run_id) == {"sent": 3_000}
    assert len(sink.recipients()) == len(set(sink.recipients())) == 3_000


async def test_f20_a_commit_that_goes_unanswered_took_place_once_whoever_repeats_it(database_url: str) -> None:
    async with DatabaseProxy(database_url) as proxy, office(proxy.url) as here:
        for n in range(1, 9):
            proxy.strike_all(Strike.RESET)  # the next connection is a new one, and cut at its n-th commit
            proxy.fault = Fault(after_pattern=COMMIT, pattern_no=1 + n % 2)
            answers = [await here.add_group(f"group {n}", f"key {n}") for _ in range(3)]
            assert {answer.status_code for answer in answers} <= {201, 503, 409}, [a.text for a in answers]
            proxy.fault = Fault()
            proxy.strike_all(Strike.RESET)
            repeated = await until_answered(here, f"group {n}", f"key {n}")
            assert repeated.status_code == httpx.codes.CREATED, repeated.text
            again = await here.add_group(f"group {n}", f"key {n}")
            assert again.headers["Idempotency-Replayed"] == "true"
            assert again.content == repeated.content
        assert proxy.strikes >= 8
        async with opened(database_url) as database:
            assert await database.pool.fetchval("SELECT count(*) FROM contact_group") == 8


async def until_answered(here: Office, name: str, key: str) -> httpx.Response:
    """Repeats a request as its caller would, until it is neither refused for now nor in progress."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await here.add_group(name, key)
            if answer.status_code not in {503, 409}:
                return answer
            await asyncio.sleep(0.05)


async def test_f20_turns_whose_commit_goes_unanswered_send_nobody_twice(database_url: str) -> None:
    chance = random.Random(20)
    async with Sink(keep_data=False) as sink, DatabaseProxy(database_url) as proxy, opened(database_url) as observer:
        made = await scene.build(observer, recipients=2_000, port=sink.port, local_part="slow0.01+", connections=5)
        async with opened(proxy.url) as database, working(database, proxy.url):
            run_id = await scene.start(observer, made)
            for part in range(1, 9):
                await sink.wait_accepted(part * 200)
                await asyncio.sleep(chance.uniform(0, 0.02))
                proxy.strike_all(Strike.RESET)
            await scene.finished(observer, run_id)
        assert await stage.states(observer, run_id) == {"sent": 2_000}
    assert len(sink.recipients()) == len(set(sink.recipients())) == 2_000


async def test_f22_while_the_database_is_away_every_answer_is_a_503_that_says_when_to_come_again(
    database_url: str,
) -> None:
    proxy, port = DatabaseProxy(database_url), free_port()
    await proxy.listen(port)
    async with contextlib.aclosing(proxy), office(proxy.url) as here:
        assert (await here.add_group("before", "1")).status_code == httpx.codes.CREATED
        await proxy.aclose()
        for n in range(5):
            answer = await here.add_group("meanwhile", f"away {n}")
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            assert int(answer.headers["Retry-After"]) > 0
        assert (await here.http.get("/health/ready")).status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert (await here.http.get("/health/live")).status_code == httpx.codes.OK
        await proxy.listen(port)
        assert (await until_answered(here, "after", "2")).status_code == httpx.codes.CREATED


async def test_f30_while_messages_are_on_the_wire_nobody_holds_a_connection_of_the_pool(database_url: str) -> None:
    async with Sink() as sink, opened(database_url, max_size=2) as database:
        made = await stage.build(database, stage.MANY[:40], port=sink.port)
        sink.hold()
        async with working(database, database_url):
            await made.start()
            async with asyncio.timeout(PATIENCE_S):
                await sink.has_held.wait()
            async with database.reading() as one, database.reading() as two:
                assert await one.connection.fetchval("SELECT 1") == await two.connection.fetchval("SELECT 1") == 1
            sink.release()
            await made.finished()
    assert sorted(sink.recipients()) == sorted(stage.MANY[:40])


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A directory that holds no more than this. Skips the test where none can be made."""
    place = Path(tempfile.mkdtemp(prefix="clarion-disk-"))
    options = f"size={megabytes}m,mode=755"
    made = (
        os.geteuid() == 0
        and not subprocess.run(
            ("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)), check=False, capture_output=True
        ).returncode
    )
    try:
        if not made:
            pytest.skip("a small disk can be mounted by root only")
        yield place
    finally:
        if made:
            subprocess.run(("umount", "-l", str(place)), check=False, capture_output=True)
        place.rmdir()


def fill(disk: Path) -> Path:
    """Leaves no byte free; gives the file that took it all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
    return ballast


async def until_refused(database: PostgresDatabase) -> str:
    """Writes until the database cannot any more; gives what it says then."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with database.transaction() as tx:
                    await tx.connection.execute(_FILL)
            except Unavailable as error:
                return str(error)


async def finished_at_last(server: EmbeddedServer, database: PostgresDatabase, run_id: Id) -> None:
    """Looks after the server as `clarion serve` does, until the run is closed. It may begin again more than once."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            server.ensure_running()
            try:
                await scene.finished(database, run_id)
            except Unavailable:
                await asyncio.sleep(0.1)
            else:
                return


async def test_f24_a_full_disk_stops_sending_and_loses_nobody() -> None:
    with small_disk(224) as disk, EmbeddedServer(disk / "data") as server:
        await migrate(server.url)
        async with Sink(keep_data=False) as sink, opened(server.url) as database:
            made = await scene.build(database, recipients=3_000, port=sink.port, local_part="slow0.01+", connections=5)
            await database.pool.execute("CREATE TABLE filler (x text)")
            async with working(database, server.url, lease_s=3):
                run_id = await scene.start(database, made)
                await sink.wait_accepted(200)
                ballast = fill(disk)
                refusal = await until_refused(database)
                assert _REFUSED.search(refusal), refusal
                ballast.unlink()
                await finished_at_last(server, database, run_id)
            found = await stage.states(database, run_id)
    assert sum(found.values()) == 3_000
    assert set(found) <= {"sent", "unknown"}, found
    assert len(sink.recipients()) == len(set(sink.recipients())) >= found["sent"]
