"""The workspace itself, the list of endpoints, and the flows, of which there are none.

Where to read next: `application.account_settings`.
"""

from __future__ import annotations

from typing import Final

from litestar import Response

from clarion.application.account_settings import get_account
from clarion.application.ports import Transaction
from clarion.domain.access import Permission
from clarion.entrypoints.http.dialect import Answers, Spoken
from clarion.entrypoints.http.dialects.textit import mapping, models
from clarion.entrypoints.http.dialects.textit.answers import respond
from clarion.entrypoints.http.dialects.textit.calls import NOT_HERE, PREFIX, REFUSED, UUID, Call, endpoint
from clarion.entrypoints.http.dialects.textit.entrance import negotiate
from clarion.entrypoints.http.dialects.textit.pages import Page, base_url, no_rows
from clarion.entrypoints.http.dialects.textit.refusals import detail
from clarion.entrypoints.http.incoming import Incoming

_REFERENCE: Final = "/docs"


async def _shown(tx: Transaction, call: Call) -> models.Workspace:
    return mapping.workspace(await get_account(tx, account_id=call.account_id))


WORKSPACE, ORG = (
    endpoint(
        noun=noun,
        method="GET",
        summary=summary,
        needs=(),
        answers={200: Answers("The workspace", models.Workspace)},
    )(_shown)
    for noun, summary in (("workspace", "Read the workspace"), ("org", "Read the workspace under its former name"))
)


@endpoint(
    noun="flows",
    method="GET",
    summary="List flows; there are none",
    needs=(Permission.CAMPAIGNS_READ,),
    parameters=(UUID,),
    answers={200: Answers("An empty list", Page[models.Ref])},
)
async def flows(_tx: Transaction, call: Call) -> Page[models.Ref]:
    """Lists nothing: a flow is a dialogue, and there are none here."""
    call.query.uuid()
    return no_rows()


def reference_of(operations: tuple[Spoken, ...]) -> Spoken:
    """Where the links of the root lead: an endpoint without `.json` is its description, which is in our reference."""
    nouns = _nouns(operations)

    async def handle(request: Incoming) -> Response[bytes]:
        if request.path_params["noun"] not in nouns:
            raise detail("Not found.", 404)
        return respond(None, 302, {"Location": _REFERENCE})

    return Spoken(
        name="textit_get_reference",
        method="GET",
        path=f"{PREFIX}/{{noun}}",
        summary="Read about an endpoint",
        path_schemas={"noun": {"type": "string", "enum": nouns}},
        answers={302: Answers("To the reference")} | NOT_HERE,
        is_public=True,
        handler=handle,
    )


def _nouns(operations: tuple[Spoken, ...]) -> list[str]:
    return sorted({operation.path.removeprefix(f"{PREFIX}/").removesuffix(".json") for operation in operations})


def root_of(operations: tuple[Spoken, ...]) -> Spoken:
    """The list of endpoints at `/api/v2/.json`, open to everybody."""
    nouns = _nouns(operations)

    async def handle(request: Incoming) -> Response[bytes]:
        negotiate(request)
        base = base_url(request)
        return respond({noun: f"{base}{request.scope['path'].removesuffix('.json')}{noun}" for noun in nouns})

    return Spoken(
        name="textit_get_root",
        method="GET",
        path=f"{PREFIX}/.json",
        summary="List the endpoints",
        answers={200: Answers("The address of each endpoint", dict[str, str], example={"groups": "https://…"})}
        | {406: REFUSED[406]},
        is_public=True,
        handler=handle,
    )
