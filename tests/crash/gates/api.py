"""G3: the API is killed while clients post with an Idempotency-Key and repeat whatever went unanswered (F14 to F16).

Some deaths come at random, some just before and just after a commit. Every key must have made one object, and the
answer to a repeated request must be the first one, byte by byte.
"""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.crash.ground import environment
from tests.crash.report import Report
from tests.crash.supervisor import Supervisor
from tests.support.database import Databases, opened
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port

from clarion.application import access

CLIENTS = 4
POSTS_PER_LIFE = (3, 40)
TIERS = {"P": 50, "N": 500, "R": 5_000}
WAYS = ("", "", "before_reply_kept:kill@{n}", "before_api_commit:kill@{n}", "after_api_commit:kill@{n}")
AGAIN = frozenset({409, 429, 503})
"""The first request with this key is still worked on, or the API asks to come again."""

_GROUPS = "SELECT count(*), count(DISTINCT name) FROM contact_group"


@dataclass(slots=True)
class Client:
    """Somebody who creates groups, each with a key of its own, and insists until there is an answer."""

    http: httpx.AsyncClient
    name: str
    stopping: asyncio.Event
    answers: dict[str, bytes] = field(default_factory=dict)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    async def post_on(self) -> None:
        """Goes on until it is told to stop; what it began it ends."""
        while not self.stopping.is_set():
            key = f"{self.name}-{len(self.answers)}"
            self.answers[key] = await self.post(key)

    async def replay(self) -> None:
        """Repeats everything; each answer must be the first one."""
        for key, first in self.answers.items():
            if await self.post(key) != first:
                self.problems.append(f"the answer to {key} is another when it is repeated")

    async def post(self, key: str) -> bytes:
        """Posts until there is an answer."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.http.post("/groups", json={"name": key}, headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    self.repeated += 1
                    await asyncio.sleep(0.02)
                    continue
                if answer.status_code not in AGAIN:
                    if answer.status_code != httpx.codes.CREATED:
                        self.problems.append(f"{key}: {answer.status_code} {answer.text[:200]}")
                    return answer.content
                await asyncio.sleep(0.05)


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Kills one API process after the other; then one stays, and everything is counted and repeated."""
    kills = TIERS[tier]
    url = await databases.create_migrated()
    with tempfile.TemporaryDirectory(prefix="clarion-crash-") as name:
        folder, port = Path(name), free_port()
        env = environment(url, folder, CLARION_PORT=str(port), CLARION_REQUESTS_PER_SECOND="100000")
        async with opened(url) as database, Supervisor(env, folder / "processes.log") as supervisor:
            async with database.transaction() as tx:
                account, _, secret = await access.create_account(tx, name="Posts")
            base = f"http://127.0.0.1:{port}/v1/accounts/{account.id.hex()}"
            headers = {"Authorization": f"Bearer {secret}"}
            stopping = asyncio.Event()
            async with httpx.AsyncClient(base_url=base, headers=headers, timeout=10, trust_env=False) as http:
                clients = [Client(http, f"client-{number}", stopping) for number in range(CLIENTS)]
                posting = [asyncio.create_task(client.post_on()) for client in clients]
                for _ in range(kills):
                    await _one_life(supervisor, chance, clients)
                supervisor.start("api")
                stopping.set()
                await asyncio.gather(*posting)
                await asyncio.gather(*(client.replay() for client in clients))
            async with database.reading() as tx:
                groups, names = await tx.connection.fetchrow(_GROUPS) or (0, 0)
        report = _report(clients, kills, groups, names)
        report.problems += supervisor.surprises
    await databases.drop(url)
    return report


async def _one_life(supervisor: Supervisor, chance: random.Random, clients: list[Client]) -> None:
    """Starts an API process and lets it die after some answers: by its own hand at a commit, or by ours at random."""
    posts = chance.randint(*POSTS_PER_LIFE)
    words = chance.choice(WAYS).format(n=posts)
    api = supervisor.start("api", armed=words)
    if words:
        await supervisor.died(api)
        return
    wanted = sum(len(client.answers) for client in clients) + posts
    await _until(_answered(clients, wanted))
    await asyncio.sleep(chance.uniform(0.0, 0.02))  # the randomness under test
    await supervisor.end(api, signal.SIGKILL)


async def _until(condition: Awaitable[None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await condition


async def _answered(clients: list[Client], count: int) -> None:
    while sum(len(client.answers) for client in clients) < count:
        await asyncio.sleep(0.01)


def _report(clients: list[Client], kills: int, groups: int, names: int) -> Report:
    keys = sum(len(client.answers) for client in clients)
    problems = [problem for client in clients for problem in client.problems]
    if groups != keys or names != keys:
        problems.append(f"I8: {groups} objects, {names} of them different, for {keys} acknowledged keys")
    repeated = sum(client.repeated for client in clients)
    return Report({"kills": kills, "keys": keys, "objects": groups, "repeated": repeated}, problems)
