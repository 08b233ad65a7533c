"""The header block of one run's messages: what is fixed for all, and where a delivery's own values go.

Only headers named here are ever written; there is no way to add one by name. Where to read next: `headers` for how the
values are made safe, `links` for the unsubscribe links (RFC 2369, RFC 8058).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from clarion.domain.campaign import Category
from clarion.rendering.addresses import Mailbox
from clarion.rendering.email import content_type
from clarion.rendering.facts import RunFacts
from clarion.rendering.headers import mailbox_header
from clarion.rendering.links import Links

_ONE_CLICK: Final = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


class Urls(NamedTuple):
    """The links of one delivery; empty where its message has no use for them. `token` ends the unsubscribe URL."""

    unsubscribe: str
    view: str
    token: str


class Envelope:
    """Writes the headers of each delivery of a run, and knows its links and its envelope sender."""

    __slots__ = (
        "_after", "_domain", "_mailto", "_marketing", "_run", "_start", "_unsubscribe", "_unsubscribe_start", "_view",
        "_view_start", "boundary", "from_", "mail_from", "reply_to",
    )  # fmt: skip

    def __init__(
        self,
        *,
        from_: Mailbox,
        reply_to: Mailbox | None,
        boundary: str,
        facts: RunFacts,
        links: Links | None,
        variables: frozenset[str],
    ) -> None:
        self.mail_from = from_.address.mailbox
        self.from_, self.reply_to = from_, reply_to
        self.boundary = boundary.encode()
        self._domain = self.mail_from.rpartition("@")[2]
        self._run = facts.run_id.hex()
        self._marketing = links is not None and facts.category is Category.MARKETING
        self._mailto = links.unsubscribe_mailto if links else None
        self._start = f"From: {mailbox_header(from_)}\r\nTo: "
        self._after = self._fixed_headers(facts) + content_type(boundary) + "\r\n"
        self._unsubscribe_start, self._unsubscribe = _no_link()
        self._view_start, self._view = _no_link()
        if links and (self._marketing or "unsubscribe_url" in variables):
            self._unsubscribe_start, self._unsubscribe = links.unsubscribe(facts.account_id, facts.run_id)
        if links and "view_url" in variables:
            self._view_start, self._view = links.view(facts.account_id, facts.run_id)

    def _fixed_headers(self, facts: RunFacts) -> str:
        account, campaign = facts.account_id.hex(), facts.campaign_id.hex()
        fixed = f"Reply-To: {mailbox_header(self.reply_to)}\r\n" if self.reply_to else ""
        fixed += f"Feedback-ID: {campaign}:{account}:{facts.category}:clarion\r\n"
        if facts.category is Category.MARKETING:
            return f"{fixed}List-ID: <{account}.{self._domain}>\r\n"
        return fixed + "Auto-Submitted: auto-generated\r\n"  # RFC 3834: no holiday replies to a receipt

    def urls(self, seq: int) -> Urls:
        """The links of one delivery."""
        token = self._unsubscribe(seq)
        return Urls(self._unsubscribe_start + token, self._view_start + self._view(seq), token)

    def headers(self, seq: int, address: str, subject: str, date: str, urls: Urls) -> tuple[str, str]:
        """The whole block with the empty line after it, and the Message-ID: the same one for every try of a delivery.

        `subject` comes from `subject_value`, `address` has passed `is_mailbox`.
        """
        message_id = f"<{self._run}-{seq}@{self._domain}>"
        unsubscribe = self._list_headers(urls) if self._marketing else ""
        return (
            f"{self._start}{address}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: {message_id}\r\n"
            f"{unsubscribe}{self._after}"
        ), message_id

    def _list_headers(self, urls: Urls) -> str:
        mailto = f",\r\n <mailto:{self._mailto}?subject={urls.token}>" if self._mailto else ""
        return f"List-Unsubscribe: <{urls.unsubscribe}>{mailto}\r\n{_ONE_CLICK}"


def _no_link() -> tuple[str, Callable[[int], str]]:
    return "", lambda _seq: ""
