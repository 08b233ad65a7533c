"""How long each part of an SMTP conversation may take, in seconds.

The defaults are those of RFC 5321 §4.5.3.2, a client's minimum: giving up earlier than the server does makes
duplicates (RFC 1047). Injected, so that tests can play ten minutes in a tenth of a second. Never reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. A deadline runs from the command to the whole reply: one byte now and then does not renew it."""

    connect: float = 30.0
    handshake: float = 60.0
    greeting: float = 300.0
    command: float = 300.0
    """EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET."""
    data: float = 120.0
    """DATA until its 354."""
    block: float = 180.0
    """Without any of the message's bytes being taken by the server."""
    dot: float = 600.0
    """The final dot until its answer."""
    lend: float = 5.0
    """How long a message whose body is not written may wait behind another's answer before it is taken elsewhere."""
    leave: float = 5.0
    """QUIT until the server hangs up."""
    idle: float = 20.0
    """A connection without work is closed after this. Shorter than servers' own limits, so no NOOP is ever needed."""
    unreachable: float = 4.0
    """How long a message waits while no connection can be opened."""
    stalled: float = 60.0
    """How long a message waits while connections are open and none of them moves."""
    first_pause: float = 0.25
    """Before the second try to connect; doubles with every failure."""
    longest_pause: float = 5.0
    drain: float = 25.0
    """How long `aclose` lets messages on the wire finish."""
    far: float = 0.005
    """A server that takes longer to answer EHLO is far away: messages leave ahead of answers, where it has CHUNKING."""
    tick: float = 0.25
    """How often deadlines are looked at."""
