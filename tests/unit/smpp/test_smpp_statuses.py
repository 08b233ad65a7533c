"""Every status of the specification means one thing, here and in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clarion.adapters.channels.smpp.statuses import MEANINGS, answered, refused_bind
from clarion.domain.outcome import Reason, Verdict

ROW = re.compile(r"^\| `(ESME_\w+)` \| 0x([0-9A-F]{2}) \| (\w+) \| `(\w+)` \|", re.MULTILINE)


def test_the_table_in_the_docs_is_the_one_in_the_code() -> None:
    rows = ROW.findall(Path("docs/smpp.md").read_text("utf-8"))
    written = {int(number, 16): (name, verdict, reason) for name, number, verdict, reason in rows}
    assert written == {
        number: (meaning.name, meaning.verdict.value, meaning.reason.value) for number, meaning in MEANINGS.items()
    }


def test_no_refusal_is_unknown_for_the_centre_has_answered() -> None:
    assert {answered(status).verdict for status in range(1, 0x600)} == {Verdict.RETRY, Verdict.FAILED}


@pytest.mark.parametrize("status", [0x09, 0x30, 0x400, 0x4FF, 0xFFFFFFFF])
def test_a_status_that_nobody_defined_is_tried_again(status: int) -> None:
    assert answered(status)[:2] == (Verdict.RETRY, Reason.DEFERRED)
    assert f"{status:08X}" in answered(status).reply


def test_a_refused_bind_blames_no_message() -> None:
    assert {refused_bind(status).verdict for status in range(1, 0x600)} == {Verdict.RETRY}
    assert refused_bind(0x0E).reason is Reason.AUTH_FAILED
    assert refused_bind(0x05).reason is Reason.CONNECTION_FAILED
    assert refused_bind(0x58).reason is Reason.THROTTLED
