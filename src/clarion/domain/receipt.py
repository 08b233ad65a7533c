"""What a provider tells of a message it was given, and where that moves the delivery.

Owns the one rule of it; the statement that moves rows is told what the rule says of each. Never decides which delivery
is meant: that is `pipeline/receipts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from clarion.domain.delivery import TRANSITIONS, DeliveryState


class ReceiptState(StrEnum):
    """What a provider tells of a message that it was given. The order is the one in which a later word wins."""

    ACCEPTED = "accepted"
    """It has the message and is at it: the proof that it went. Nothing is known of its end."""
    DELIVERED = "delivered"
    """It reached the recipient's device or mailbox."""
    FAILED = "failed"
    """It will not arrive: refused, expired, deleted, undeliverable."""


_TOLD: Final = {
    ReceiptState.ACCEPTED: DeliveryState.SENT,
    ReceiptState.DELIVERED: DeliveryState.DELIVERED,
    ReceiptState.FAILED: DeliveryState.BOUNCED,
}
_UNCERTAIN: Final = frozenset({DeliveryState.UNKNOWN, DeliveryState.PENDING})
"""Where a delivery stands that may have gone: nobody can tell, or it was put back to be sent once more."""


def moved_by(state: DeliveryState, told: ReceiptState) -> DeliveryState | None:
    """Where a receipt moves a delivery that was tried; None: nowhere.

    Every receipt proves that the message went, so one that was uncertain counts as sent first; from there
    `delivery.TRANSITIONS` decides. What is being sent just now is not moved: its own outcome comes first.
    """
    target = _TOLD[told]
    if state in _UNCERTAIN:
        return target
    return target if target in TRANSITIONS[state] and state is not DeliveryState.SENDING else None


def told_of_all(told: Sequence[ReceiptState | None], parts: int) -> ReceiptState:
    """What is told of a message, by what was told of its parts so far: one failed is enough, delivered are only all."""
    if ReceiptState.FAILED in told:
        return ReceiptState.FAILED
    return ReceiptState.DELIVERED if told.count(ReceiptState.DELIVERED) >= parts else ReceiptState.ACCEPTED
