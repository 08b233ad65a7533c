"""The token that shows APNs who we are, changed every half hour, the same in every worker.

APNs wants one that is 20 to 60 minutes old at most, and refuses senders that change it more often. Where to read next:
`signed_tokens`, `apns`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clarion.adapters.channels.push.signed_tokens import read_p256_key, signed
from clarion.domain.providers.push import Apns

CHANGED_S: Final = 1800
"""Developer documentation, "Establishing a token-based connection to APNs": not before 20 minutes, not after 60."""
_AHEAD_S: Final = 300
"""A token begins so long before it is used: the clocks of others may be behind ours."""
_LEAST_S: Final = 1200


class ProviderToken:
    """The token of one sender. `clock` tells seconds since 1970; nothing is shared between workers but the time."""

    def __init__(self, apns: Apns, private_key: str, clock: Callable[[], float]) -> None:
        self._key = read_p256_key(private_key)
        self._claims = {"iss": apns.team_id}
        self._key_id = apns.key_id
        self._clock = clock
        self._began_at = 0
        self._forced_at = float("-inf")
        self._header = b""

    def header(self) -> bytes:
        """The value of `authorization` now."""
        now = self._clock()
        began_at = int(now - _AHEAD_S) // CHANGED_S * CHANGED_S
        if began_at > self._began_at:
            self._sign(began_at)
        return self._header

    def renew(self, refused: bytes) -> bool:
        """After APNs called a token expired: whether there is another one now. It may be forced only so often."""
        now = self._clock()
        if refused != self._header:
            return True
        if now - self._forced_at < _LEAST_S:
            return False
        self._forced_at = now
        self._sign(int(now))
        return True

    def _sign(self, began_at: int) -> None:
        self._began_at = began_at
        self._header = b"bearer " + signed(self._key, self._claims | {"iat": began_at}, self._key_id).encode()
