"""Log lines: one form, no addresses, no secrets, no forged lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from clarion.telemetry import Event, bind_trace, clear_trace, configure_logging, logger, mask


@contextmanager
def _configured(style: str = "json") -> Iterator[None]:
    root = logging.getLogger()
    before, said_before = (root.handlers[:], root.level), structlog.get_config()
    configure_logging(level="info", style=style, process="test")
    try:
        yield
    finally:
        structlog.configure(**said_before)
        clear_trace()
        root.handlers[:], level = before
        root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to alice@example.test failed", "to ali***@example.test failed"),
        ("<al@example.test>", "<al***@example.test>"),
        ("call +491701234567 now", "call +***567 now"),
        ("postgresql://clarion:hunter2@db.example/x", "postgresql://clarion:***@db.example/x"),
        ("nobody here", "nobody here"),
    ],
)
def test_t54_addresses_and_passwords_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_t54_no_field_of_a_line_shows_an_address_or_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with _configured():
        try:
            int("alice@example.test")
        except ValueError:
            logger().exception(
                Event.REQUEST_FAILED,
                detail={"to": ["alice@example.test"], "smtp_password": "hunter2"},
                authorization="Bearer clarion_abc",
            )
    written = capsys.readouterr().err
    for hidden in ("alice@", "hunter2", "clarion_abc"):
        assert hidden not in written
    line = json.loads(written)
    assert line["event"] == "request.failed"
    assert line["level"] == "error"
    assert "ValueError" in line["exception"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_t54_a_value_cannot_forge_a_second_line(capsys: pytest.CaptureFixture[str], style: str) -> None:
    with _configured(style):
        logger().info(Event.REQUEST_DONE, agent='curl\n{"event": "forged"}\r\x1b[2K\u2028')
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 1
    assert "\x1b[2K" not in written


def test_the_trace_id_is_on_every_line_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    with _configured():
        bind_trace("4bf92f3577b34da6a3ce929d0e0e4736")
        logger().info(Event.REQUEST_DONE)
        logging.getLogger("some.library").warning("from %s", "alice@example.test")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert ours["trace_id"] == theirs["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert theirs["event"] == "from ali***@example.test"
    assert theirs["logger"] == "some.library"


def test_a_level_below_the_configured_one_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with _configured():
        logger().debug(Event.REQUEST_DONE)
    assert capsys.readouterr().err == ""
