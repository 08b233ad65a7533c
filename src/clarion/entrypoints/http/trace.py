"""What is known of the request being answered: its trace id for answers and log, and the facts of its log line.

One object a request, reached from anywhere in its task. It never holds a body, a secret or an address.
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field

from clarion.domain.access import Principal


@dataclass(slots=True)
class Trace:
    """One request on its way. `route` is the path's template: a path itself can hold a token.

    `is_frequent` is one of thousands a second, whose success is counted and not logged. `is_head` came as HEAD, which
    is answered like GET but for the body.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(12))
    route: str = ""
    principal: Principal | None = None
    replayed: bool = False
    is_frequent: bool = False
    is_head: bool = False


_current: ContextVar[Trace] = ContextVar("clarion_trace")


def open_trace() -> Trace:
    """Begins the trace of a new request in this task; its id is 24 hexadecimal digits."""
    trace = Trace()
    _current.set(trace)
    return trace


def note_principal(principal: Principal) -> None:
    """Says who asks, for the log line of the request being answered; nothing outside of one."""
    trace = _current.get(None)
    if trace is not None:
        trace.principal = principal


def current() -> Trace:
    """The trace of the request being answered. Raises LookupError outside of one."""
    return _current.get()
