"""`clarion worker`: one sending process. Any number may run on one database, on any number of machines.

Owns only the start; the loops, the signals and the drain are in `entrypoints/worker`. See docs/scaling.md.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
import uvloop

from clarion.bootstrap import open_app
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.entrypoints.cli.child import as_child
from clarion.setting_rules import some_of
from clarion.settings import Settings

_EVERY_LANE = ",".join(Lane)
_EVERY_CHANNEL = ",".join(ChannelName)


def _chosen(option: str, text: str, *choices: str) -> tuple[str, ...]:
    try:
        chosen = some_of(*choices)(text)
    except ValueError:
        chosen = ()
    if not chosen:
        raise typer.BadParameter(f"must be one or more of {', '.join(choices)}, comma-separated", param_hint=option)
    return chosen


def worker(
    lanes: Annotated[str, typer.Option(help="The lanes it sends, comma-separated.")] = _EVERY_LANE,
    channels: Annotated[str, typer.Option(help="The channels it sends on, comma-separated.")] = _EVERY_CHANNEL,
) -> None:
    """Send: claim batches of an existing, migrated database until told to stop. Run as many as you like.

    Needs CLARION_DATABASE_URL and, to open what the API sealed, the same CLARION_SECRET_KEY everywhere; with
    CLARION_NATS_URL it is told of its batches over NATS. Somebody must run `clarion scheduler`. Of all workers together
    some must send every lane. SIGTERM lets what is on the wire finish.
    """
    of_lanes = tuple(Lane(lane) for lane in _chosen("--lanes", lanes, *Lane))
    of_channels = tuple(ChannelName(name) for name in _chosen("--channels", channels, *ChannelName))
    with as_child("worker") as settings:
        code = uvloop.run(_work(settings, of_lanes, of_channels))
    sys.exit(code)


async def _work(settings: Settings, lanes: tuple[Lane, ...], channels: tuple[ChannelName, ...]) -> int:
    from clarion.entrypoints.worker import run  # noqa: PLC0415 - the other commands do without it

    async with open_app(settings, pool_size=settings.worker_pool_size, role="worker") as app:
        return await run(app, lanes, channels)
