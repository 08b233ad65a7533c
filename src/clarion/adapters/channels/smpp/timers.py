"""How long each part of an SMPP session may take, in seconds, and the pauses between tries to bind.

SMPP 3.4 §7.2 names the timers and leaves their lengths to the two sides; these are what centres commonly use. Injected,
so that tests can play minutes in tenths of a second. Never reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Seconds."""

    connect: float = 30.0
    handshake: float = 60.0
    bind: float = 30.0
    """bind_transceiver until its answer (session_init_timer)."""
    response: float = 60.0
    """submit_sm until its answer (response_timer). After it nobody can tell whether the message was taken."""
    enquire: float = 30.0
    """A session that has been silent for so long is asked whether it is there (enquire_link_timer)."""
    alive: float = 15.0
    """enquire_link until anything is heard."""
    leave: float = 5.0
    """unbind until its answer; and how long we go on waiting for answers after the centre's unbind."""
    unreachable: float = 4.0
    """How long a message waits while there is no bind."""
    stalled: float = 60.0
    """How long a message waits while there are binds and none of them moves."""
    first_pause: float = 0.25
    """Before the second try to bind; doubles with every failure."""
    longest_pause: float = 15.0
    first_login_pause: float = 15.0
    """Before a refused login is tried again while nothing waits to be sent: repeated failures lock accounts."""
    longest_login_pause: float = 300.0
    remainder: float = 60.0
    """How long the refused parts of a message of which others were taken are tried again."""
    rest: float = 1.0
    """How long they wait before each try."""
    store: float = 20.0
    """deliver_sm until it is stored; then the centre is told to deliver it again."""
    assemble: float = 3.0
    """How long the parts of an incoming message wait for each other, all of them unacknowledged."""
    drain: float = 25.0
    """How long `aclose` lets messages on the wire finish."""
    tick: float = 0.25
    """How often timers are looked at."""
