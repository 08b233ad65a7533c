"""A client of the API as a stranger would write one: an account's requests, an import, a campaign, its run.

Knows nothing of the program but its command line and its HTTP API.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.support.serving import COMMAND, Serving, environment

POLL_S = 0.25


class Client:
    """Requests of one account. Answers are the `data` of the envelope; anything but success ends the script."""

    def __init__(self, http: httpx.AsyncClient, url: str, account: str) -> None:
        self.http = http
        self.url = url
        self.account = account
        self.base = f"{url}/v1/accounts/{account}"

    async def get(self, path: str) -> Any:
        """Reads `path` below the account."""
        return _data(await self.http.get(self.base + path))

    async def post(self, path: str, body: object = None) -> Any:
        """Posts JSON, or nothing."""
        return _data(await self.http.post(self.base + path, json=body) if body else await self.bare_post(path))

    async def bare_post(self, path: str) -> httpx.Response:
        """Posts nothing and gives the whole answer, whatever it says."""
        return await self.http.post(self.base + path)

    async def upload(self, group: str, body: bytes) -> dict[str, Any]:
        """Imports a CSV into a group and returns the import once it is over; every row must be new."""
        answer = await self.http.post(
            f"{self.base}/imports?group={group}", content=body, headers={"Content-Type": "text/csv"}
        )
        opened: dict[str, Any] = _data(answer)
        while opened["state"] not in {"completed", "failed"}:
            await asyncio.sleep(POLL_S)
            opened = await self.get(f"/imports/{opened['id']}")
        if opened["state"] == "failed" or opened["rowsRejected"] or opened["rowsCreated"] != opened["rowsRead"]:
            raise SystemExit(f"the import: {opened}")
        return opened

    async def campaign(self, name: str, groups: list[str], relay: Mapping[str, object], email: object) -> str:
        """Makes a sender and an activated marketing campaign and returns the campaign's id."""
        sender = await self.post("/senders", {"name": name, **relay})
        await self.post(f"/senders/{sender['id']}/test")
        campaign = await self.post(
            "/campaigns",
            {
                "name": name,
                "category": "marketing",
                "audience": {"groups": groups},
                "senderId": sender["id"],
                "message": {"email": email},
            },
        )
        await self.post(f"/campaigns/{campaign['id']}/activate")
        return str(campaign["id"])

    async def run_of(self, campaign: str) -> dict[str, Any]:
        """The one run of the campaign."""
        (run,) = (await self.get(f"/runs?campaign={campaign}"))["items"]
        return dict(run)

    async def run_over(self, campaign: str) -> dict[str, Any]:
        """The report of its run, once that is over."""
        run = await self.run_of(campaign)
        while not run["finishedAt"]:
            await asyncio.sleep(POLL_S)
            run = await self.get(f"/runs/{run['id']}")
        return dict(await self.get(f"/runs/{run['id']}"))


def _data(answer: httpx.Response) -> Any:
    envelope = answer.json()
    if not envelope["success"]:
        raise SystemExit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {envelope['error']}")
    return envelope["data"]


@asynccontextmanager
async def new_client(server: Serving, data_dir: Path, settings: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client of a new account, made with the command line beside the running server."""
    made = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, "account", "create", "Acceptance"],
        env=environment(data_dir, settings),
        capture_output=True,
        text=True,
        check=True,
    )
    account, key = (line.split()[1] for line in made.stdout.splitlines())
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=120) as http:
        yield Client(http, server.url, account)
