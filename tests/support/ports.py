"""Free ports of loopback for servers that cannot be asked to choose one, or that come back on the same one.

They lie below those that the system gives to whoever asks for any port, or connects: nobody takes one by chance while
its server is away.
"""

from __future__ import annotations

import random
import socket
import time

from tests.support.patience import PATIENCE_S

_RANGE = range(10_000, 32_000)
_CHOICE = random.SystemRandom()  # not seeded by what hypothesis or a gate seeds: then two would choose the same
_GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on; another one each time."""
    while True:
        with socket.socket() as probe:
            port = _CHOICE.choice(_RANGE)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


def until_listening(port: int) -> None:
    """Returns once somebody listens there. Raises TimeoutError."""
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")
