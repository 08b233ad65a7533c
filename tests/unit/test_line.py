"""Within a worker, an account that is ahead makes room for one that is behind and sends briskly."""

from __future__ import annotations

from dataclasses import replace

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import new_id
from clarion.pipeline.line import AHEAD, BRISK_S, Line

LARGE = ClaimedBatch(
    run_id=new_id(), account_id=new_id(), sender_id=new_id(), channel=ChannelName.EMAIL,
    lane=Lane.BULK, no=1, epoch=1, first_seq=1, last_seq=500,
    seqs=None, account_used=1_000_000.0,
)  # fmt: skip
SMALL = replace(LARGE, account_id=new_id(), sender_id=new_id(), account_used=975_000.0)


def line(*batches: ClaimedBatch) -> Line:
    """A line that has just seen these claims."""
    made = Line(per_sender=3)
    for batch in batches:
        made.joined(batch, 0)
    return made


def test_alone_an_account_fills_its_sender() -> None:
    assert line(LARGE).busy([LARGE] * 2, 0) == []
    assert line(LARGE).busy([LARGE] * 3, 0) == [LARGE.sender_id]


def test_whoever_is_ahead_holds_one_batch_while_another_sends() -> None:
    assert line(LARGE, SMALL).busy([LARGE, SMALL, SMALL], 1) == [LARGE.sender_id]


def test_accounts_that_are_level_hold_as_many_as_each_other() -> None:
    level = replace(SMALL, account_used=LARGE.account_used and LARGE.account_used - AHEAD)
    assert line(LARGE, level).busy([LARGE, LARGE, level], 1) == []


def test_f54_an_account_whose_mail_server_is_slow_holds_back_nobody() -> None:
    assert line(LARGE, SMALL).busy([LARGE, LARGE, SMALL], BRISK_S + 1) == []


def test_an_account_that_is_through_is_forgotten() -> None:
    assert line(LARGE, SMALL).busy([LARGE, LARGE], 1) == []


def test_whoever_is_ahead_of_one_that_sends_briskly_sends_less_at_a_time() -> None:
    both = line(LARGE, SMALL)
    assert [both.is_ahead(one.account_id, 1) for one in (LARGE, SMALL)] == [True, False]
    assert not both.is_ahead(LARGE.account_id, BRISK_S + 1)
    assert not line(LARGE).is_ahead(LARGE.account_id, 1)
