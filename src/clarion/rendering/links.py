"""The links a message carries back to us. The base address comes from the settings, never from a request.

`UNSUBSCRIBE_PATH` and `VIEW_PATH` are what the public routes serve. Where to read next: `tokens`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clarion.domain.ids import Id
from clarion.rendering.tokens import Purpose, TokenSigner

UNSUBSCRIBE_PATH: Final = "/u/"
VIEW_PATH: Final = "/v/"


@dataclass(frozen=True, slots=True)
class Links:
    """Where links point and who signs them. `unsubscribe_mailto` is an address that takes unsubscribe mail, or None."""

    base_url: str
    signer: TokenSigner
    unsubscribe_mailto: str | None = None

    def unsubscribe(self, account_id: Id, run_id: Id) -> tuple[str, Callable[[int], str]]:
        """The constant start of a run's unsubscribe URLs, and the token that ends each (RFC 8058)."""
        return self._pair(UNSUBSCRIBE_PATH, Purpose.UNSUBSCRIBE, account_id, run_id)

    def view(self, account_id: Id, run_id: Id) -> tuple[str, Callable[[int], str]]:
        """The same for "view in the browser"."""
        return self._pair(VIEW_PATH, Purpose.VIEW, account_id, run_id)

    def _pair(self, path: str, purpose: Purpose, account_id: Id, run_id: Id) -> tuple[str, Callable[[int], str]]:
        return self.base_url.rstrip("/") + path, self.signer.for_run(purpose, account_id, run_id)


def unsubscribe_url(links: Links, account_id: Id, run_id: Id, seq: int) -> str:
    """The unsubscribe URL of one delivery."""
    start, token = links.unsubscribe(account_id, run_id)
    return start + token(seq)


def view_url(links: Links, account_id: Id, run_id: Id, seq: int) -> str:
    """The view-in-browser URL of one delivery."""
    start, token = links.view(account_id, run_id)
    return start + token(seq)
