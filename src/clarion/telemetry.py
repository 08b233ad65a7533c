"""What Clarion says about itself: the names of all log events and metrics, once, and how logs are written.

Logs are JSON lines on stderr (readable ones on a terminal), carry the trace id of the request and never a full address
or a secret; there is no line per recipient. Metrics of all processes of one `clarion serve` add up in one directory.
Knows no settings and no adapter; every layer above the domain may use it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

METRICS_DIR_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


class Event(StrEnum):
    """Everything that is logged. The value is the `event` of the line."""

    SERVE_STARTED = "serve.started"
    SERVE_STOPPING = "serve.stopping"
    SERVE_STOPPED = "serve.stopped"
    DATABASE_STARTED = "database.started"
    DATABASE_RESTARTED = "database.restarted"
    DATABASE_DOWN = "database.down"
    DATABASE_MIGRATED = "database.migrated"
    PROCESS_STARTED = "process.started"
    PROCESS_ENDED = "process.ended"
    PROCESS_FAILED = "process.failed"
    PROCESS_KILLED = "process.killed"
    PARENT_GONE = "process.parent_gone"
    RUNTIME_OLD = "runtime.old"
    REQUEST_FAILED = "request.failed"
    REQUEST_DONE = "request.done"
    WORKER_STARTED = "worker.started"
    WORKER_STOPPING = "worker.stopping"
    WORKER_STOPPED = "worker.stopped"
    SCHEDULER_STARTED = "scheduler.started"
    SCHEDULER_STOPPED = "scheduler.stopped"
    TASK_FAILED = "loop.task_failed"
    START_ADDRESSES_UNKNOWN = "start.addresses_unknown"
    START_CONTEXT_UNUSED = "start.context_unused"
    START_WITHOUT_SENDER = "start.without_sender"
    QUEUE_BACK = "queue.back"
    QUEUE_AWAY = "queue.away"
    QUEUE_NONSENSE = "queue.nonsense"
    SENDER_SHUT = "sender.shut"
    SENDER_OPEN = "sender.open"
    BATCH_FAILED = "batch.failed"
    BATCH_RESCUED = "batch.rescued"
    QUARANTINED = "batch.quarantined"
    SENDER_SLOWED = "sender.slowed"
    PARTITIONS_MADE = "retention.partitions_made"
    RETENTION_PASSED = "retention.passed"


messages = Counter("clarion_messages_total", "Messages by what became of the attempt", ["channel", "verdict"])
turns = Histogram(
    "clarion_turn_seconds",
    "How long recording a window and intending the next takes in the database",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
quarantined = Counter(
    "clarion_deliveries_quarantined_total", "Deliveries given up because sending them failed in Clarion"
)
batches_rescued = Counter("clarion_batches_rescued_total", "Batches whose lease ran out with their worker")
batches_announced = Counter("clarion_batches_announced_total", "Batches announced on NATS", ["lane"])
queue_there = Gauge(
    "clarion_queue_there",
    "1 while NATS brings the announcements, 0 while PostgreSQL is asked",
    ["role"],
    multiprocess_mode="livemin",
)
log_lines_lost = Counter("clarion_log_lines_lost_total", "Log lines that could not be written")
senders_shut = Counter("clarion_senders_shut_total", "Senders that failed as a whole", ["reason"])
receipts = Counter("clarion_receipts_total", "Receipts by what became of them", ["fate"])
inbound_messages = Counter("clarion_inbound_messages_total", "Messages that people wrote to us", ["keyword"])
callbacks = Counter("clarion_callbacks_total", "Callbacks of providers and their answers", ["provider", "status"])
requests = Counter("clarion_http_requests_total", "Answered requests", ["method", "route", "status"])
request_seconds = Histogram("clarion_http_request_seconds", "How long answers took", ["method", "route"])


def exposition() -> bytes:
    """Returns the metrics in Prometheus' text format: of every process of this `serve`, or of this one alone."""
    if METRICS_DIR_VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_process(pid: int, directory: Path) -> None:
    """Takes the gauges of an ended process out of the sums; its counters stay counted."""
    multiprocess.mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def new_trace_id() -> str:
    """Makes a trace id: 32 random hexadecimal digits, as in W3C Trace Context."""
    return secrets.token_hex(16)


def bind_trace(trace_id: str) -> None:
    """Puts the trace id on every line this task and its children log from now on."""
    bind_contextvars(trace_id=trace_id)


def current_trace_id() -> str | None:
    """The trace id bound to this task."""
    value = get_contextvars().get("trace_id")
    return value if isinstance(value, str) else None


def clear_trace() -> None:
    """Forgets what was bound to this task."""
    clear_contextvars()


_ADDRESS: Final = re.compile(r"([^\s<>\"'(),;:@=]{1,3})[^\s<>\"'(),;:@=]*@([A-Za-z0-9\u0080-\uffff][^\s<>\"'(),;@\\]*)")
_PHONE: Final = re.compile(r"\+\d{4,11}(\d{3})\b")
_URL_SECRET: Final = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HIDDEN: Final = ("password", "secret", "authorization", "api_key", "cookie")
_PROSE: Final = frozenset({"exception", "stack"})


def mask(text: str) -> str:
    """Makes addresses, telephone numbers and passwords in URLs unreadable but comparable: `ali***@example.test`."""
    if "@" in text:
        text = _ADDRESS.sub(r"\1***@\2", text)
        text = _URL_SECRET.sub(r"\1:***@", text)  # after the addresses, one of which it looks like
    return _PHONE.sub(r"+***\1", text) if "+" in text else text


@lru_cache(maxsize=1024)
def _is_hidden(name: str) -> bool:
    return any(hidden in name for hidden in _HIDDEN)


def _masked(name: str, value: object) -> object:
    if _is_hidden(name):
        return "***"
    if isinstance(value, str):
        safe = mask(value)
        return safe if name in _PROSE or safe.isprintable() else _CONTROL.sub("�", safe)
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(name, item) for item in value]
    return value if isinstance(value, int | float | None) else mask(str(value))


def _mask_line(_logger: object, _method: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: _masked(name, value) for name, value in line.items()}


def _as_json(line: object, **_: object) -> str:
    try:
        return msgspec.json.encode(line).decode()
    except (TypeError, ValueError, OverflowError):  # what only the slower encoder can write, half a surrogate pair say
        return json.dumps(line, default=str)


def configure_logging(*, level: str, style: str, process: str) -> None:
    """Sends every log line of this process, our own and the libraries', to stderr in one form.

    `style` is json, console, or auto: console on a terminal. Safe to repeat because the last call wins.
    """
    readable = style == "console" or (style == "auto" and sys.stderr.isatty())
    stamp: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        lambda _logger, _method, line: {**line, "process": process, "pid": os.getpid()},
    ]
    shape: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _mask_line]
    shape.append(
        structlog.dev.ConsoleRenderer(timestamp_key="at")
        if readable
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    structlog.configure(
        processors=[*stamp, *shape],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*stamp, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shape],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, getattr(logging, level.upper())), force=True)


class _Unfailing:
    """A stream that a full or broken disk never makes an error of: what cannot be written is counted and left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes the lines, or counts that it could not."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            log_lines_lost.inc()

    def flush(self) -> None:
        """Brings out what was written, if it can."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def logger() -> structlog.typing.FilteringBoundLogger:
    """Returns the logger; call it where you log, events come from `Event`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
