"""Where receipts move a delivery, as the rule has it: only forward, and the same in whatever order they come."""

from __future__ import annotations

from functools import reduce
from itertools import permutations, product

import pytest

from clarion.domain.delivery import TRANSITIONS, DeliveryState
from clarion.domain.receipt import ReceiptState, moved_by, told_of_all

ACCEPTED, DELIVERED, FAILED = ReceiptState


def _after(state: DeliveryState, told: ReceiptState) -> DeliveryState:
    return moved_by(state, told) or state


@pytest.mark.parametrize(("state", "told"), list(product(DeliveryState, ReceiptState)))
def test_a_receipt_moves_a_delivery_only_along_the_transitions(state: DeliveryState, told: ReceiptState) -> None:
    after = moved_by(state, told)
    if after is None:
        return
    steps = TRANSITIONS[state] | {two for one in TRANSITIONS[state] for two in TRANSITIONS[one]}
    via_sending = {three for one in steps for three in TRANSITIONS[one]}
    assert after in (steps | via_sending if state is DeliveryState.PENDING else steps)


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.DELIVERED])
def test_the_order_of_receipts_does_not_matter(state: DeliveryState) -> None:
    ends = {reduce(_after, order, state) for order in permutations(ReceiptState)}
    assert ends == {DeliveryState.BOUNCED}
    without_failure = {reduce(_after, order, state) for order in permutations([ACCEPTED, DELIVERED, DELIVERED])}
    assert without_failure == {DeliveryState.DELIVERED}


@pytest.mark.parametrize("state", ["sending", "failed", "skipped", "cancelled", "bounced", "complained"])
def test_no_receipt_moves_what_is_being_sent_or_is_over(state: str) -> None:
    assert {moved_by(DeliveryState(state), told) for told in ReceiptState} == {None}


def test_a_message_in_parts_is_delivered_with_all_and_failed_with_one() -> None:
    assert told_of_all([DELIVERED, None, DELIVERED], 3) is ACCEPTED
    assert told_of_all([DELIVERED, DELIVERED, DELIVERED], 3) is DELIVERED
    assert told_of_all([DELIVERED, FAILED, None], 3) is FAILED


def test_the_words_for_states_sort_in_the_order_in_which_a_later_word_wins() -> None:
    assert sorted(ReceiptState) == list(ReceiptState)
