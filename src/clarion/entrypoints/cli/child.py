"""What the API and worker processes have in common: settings, logs, the parent's pipe, and a code that says if a new
start can help. Where to read next: `api`, `worker`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clarion.bootstrap import SchemaError
from clarion.domain.errors import ClarionError
from clarion.entrypoints.supervision import EXIT_HOPELESS, leave_with_parent
from clarion.settings import Settings, load_settings
from clarion.telemetry import Event, configure_logging, logger


@contextmanager
def as_child(process: str) -> Iterator[Settings]:
    """Sets the process up and yields the settings; a schema that is not ours ends it with the code for "hopeless"."""
    settings = load_settings()
    configure_logging(level=settings.log_level, style=settings.log_format, process=process)
    leave_with_parent(settings.drain_seconds)
    try:
        yield settings
    except SchemaError as error:
        logger().error(Event.PROCESS_FAILED, problem=str(error))
        sys.exit(EXIT_HOPELESS)
    except ClarionError as error:
        logger().error(Event.PROCESS_FAILED, problem=str(error))
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the edge of the process: whatever it was is told in the form of every other line
        logger().exception(Event.PROCESS_FAILED)
        sys.exit(1)
