"""The listening socket: opened by the supervisor and handed to the API process, so that its restarts lose no caller.

Where to read next: `cli/serve`, `cli/api`.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Final

from clarion.domain.errors import ClarionError

LISTEN_VARIABLE: Final = "CLARION_INTERNAL_LISTEN_FD"
BACKLOG: Final = 2048
PATIENCE_S: Final = 3.0
RETRY_S: Final = 0.05


class PortError(ClarionError):
    """The address cannot be listened on; the message says which setting to change."""

    code = "PORT"


def open_listener(host: str, port: int) -> socket.socket:
    """Listens on the address, waiting 3 s at most for an API process of a killed predecessor to let go of it.

    Raises `PortError` when someone else has it, or it is not an address of this machine.
    """
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > ends_at:
                raise PortError(
                    f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another with CLARION_HOST "
                    "and CLARION_PORT"
                ) from error
        time.sleep(RETRY_S)


def inherited_listener() -> socket.socket | None:
    """Returns the socket the supervisor handed down; None in a process that was started by hand."""
    number = os.environ.get(LISTEN_VARIABLE)
    return socket.socket(fileno=int(number)) if number else None


def port_of(listener: socket.socket) -> int:
    """The port that is really listened on."""
    return int(listener.getsockname()[1])


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.settimeout(0)  # not blocking
    return listener
