"""The channels a message can go by.

How each of them speaks to the world is `adapters/channels`; what a message on it says is `content`.
"""

from __future__ import annotations

from enum import StrEnum


class ChannelName(StrEnum):
    """One of the channels. The values are the words of the API, of the tables and of the queue."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
