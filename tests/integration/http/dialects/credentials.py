"""How a caller of each vendor proves who they are: headers, and for Domo the fields of the body."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from clarion.application.access import create_key
from clarion.bootstrap import App
from clarion.domain.access import ALL_PERMISSIONS
from clarion.domain.ids import Id

OWNER: Final = "ada@lovelace.example"


@dataclass(frozen=True)
class Credentials:
    """What every request of one caller carries."""

    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


async def new_key(app: App, account_id: Id) -> str:
    """A key of the account with an owner, as every dialect can use it."""
    async with app.database.transaction() as tx:
        _, text = await create_key(
            tx, account_id=account_id, name="vendor", permissions=ALL_PERMISSIONS, owner_email=OWNER
        )
    return text


async def _domo(_http: httpx.AsyncClient, text: str) -> Credentials:
    return Credentials(body={"domoAccessToken": text, "domoAccessTokenOwnerEmailAddress": OWNER})


async def _textit(_http: httpx.AsyncClient, text: str) -> Credentials:
    return Credentials({"Authorization": f"Token {text}"})


async def _voltmx(_http: httpx.AsyncClient, text: str) -> Credentials:
    name = base64.b64encode(f"{text.split('_')[1]}:{text}".encode()).decode()
    return Credentials({"Authorization": f"Basic {name}"})


async def _ajo(http: httpx.AsyncClient, text: str) -> Credentials:
    client_id = text.split("_")[1]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": text, "scope": "openid"}
    token = (await http.post("/ims/token/v3", data=form)).json()["access_token"]
    return Credentials(
        {
            "Authorization": f"Bearer {token}",
            "x-api-key": client_id,
            "x-gw-ims-org-id": "1234@AdobeOrg",
            "x-sandbox-name": "prod",
        }
    )


VENDORS: Final[dict[str, Callable[[httpx.AsyncClient, str], Awaitable[Credentials]]]] = {
    "domo": _domo,
    "textit": _textit,
    "voltmx": _voltmx,
    "ajo": _ajo,
}
