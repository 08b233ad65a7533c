"""`clarion catch`: a mail server that accepts everything and sends nothing on, for trying a campaign on one machine.

Where to read next: `catcher` for the conversation, `mailbox` for the pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated, Final

import typer

from clarion.entrypoints.cli.catcher import Catcher
from clarion.entrypoints.cli.mailbox import Mailbox

_WRITE_EVERY_S: Final = 1.0


def catch(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on loopback; 0 picks a free one.")] = 2525,
    folder: Annotated[Path, typer.Option(help="Where the caught messages go.")] = Path("var/caught"),
) -> None:
    """Catch mail on this machine until Ctrl-C: accept everything, send nothing on, keep the first 300 to look at."""
    asyncio.run(_catch(port, folder))


async def _catch(port: int, folder: Path) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    mailbox = Mailbox(folder)
    catcher = Catcher(mailbox)
    chosen = await catcher.start(port=port)
    print(f"Catching mail on 127.0.0.1:{chosen}; look at {mailbox.write(0).resolve().as_uri()}", flush=True)
    shown = 0
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WRITE_EVERY_S):
                await stopping.wait()
        if catcher.total != shown:
            shown = catcher.total
            mailbox.write(shown)
            print(f"{shown:,} caught", flush=True)
    await catcher.close()
