"""What becomes of messages that wait in a channel."""

from __future__ import annotations

import gc
import weakref

from clarion.adapters.channels.backlog import Backlog
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Reason, Verdict
from clarion.rendering.push import WirePush

PUSH = WirePush("nobody", "", "", "", "", "", "", {}, is_silent=True, ttl_s=0, key="key")


async def test_a_window_is_forgotten_when_nobody_waits_for_it_though_a_message_came_back() -> None:
    backlog: Backlog[WirePush] = Backlog()
    window = Window([PUSH])
    kept = weakref.ref(window)
    backlog.put(window, 0.0)
    assert backlog.take() == (window, 0)
    assert backlog.give_back(window, 0, 0.0)
    assert backlog.take() == (window, 0)
    assert not backlog.give_back(window, 0, 0.0), "it goes round once"
    del window
    gc.collect()
    assert kept() is None


async def test_a_closed_backlog_settles_what_waits_and_what_comes_and_takes_nothing_back() -> None:
    backlog: Backlog[WirePush] = Backlog()
    before, after = Window([PUSH, PUSH]), Window([PUSH])
    backlog.put(before, 0.0)
    assert backlog.take() == (before, 0)
    backlog.close()
    backlog.put(after, 0.0)
    assert not backlog.give_back(before, 0, 0.0)
    assert backlog.size == 0
    [(place, outcome)] = before.drain()
    assert (place, outcome.verdict, outcome.reason) == (1, Verdict.RETRY, Reason.CONNECTION_LOST)
    assert after.open == 0
