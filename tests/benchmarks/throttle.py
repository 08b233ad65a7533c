"""Small machines out of a large one: processes that get only a share of a core each.

The limiter stops a process and lets it go on in turns of 20 ms, which needs no rights and works everywhere. With it,
the gain of one more worker is measured while database and sink have the rest of the machine for themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

TURN_S: Final = 0.02


@contextmanager
def throttled(pids: Sequence[int], share: float) -> Iterator[None]:
    """Lets each process run for this share of the time, one shifted against the next, while the block lasts.

    A share of 1 leaves them alone.
    """
    if share >= 1:
        yield
        return
    over = threading.Event()
    limiters = [
        threading.Thread(target=_limit, args=(pid, share, over, TURN_S * place / len(pids)), daemon=True)
        for place, pid in enumerate(pids)
    ]
    for limiter in limiters:
        limiter.start()
    try:
        yield
    finally:
        over.set()
        for limiter in limiters:
            limiter.join()


def _limit(pid: int, share: float, over: threading.Event, shift_s: float) -> None:
    time.sleep(shift_s)
    with contextlib.suppress(ProcessLookupError):
        while not over.is_set():
            os.kill(pid, signal.SIGCONT)
            time.sleep(TURN_S * share)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(TURN_S * (1 - share))
        os.kill(pid, signal.SIGCONT)
