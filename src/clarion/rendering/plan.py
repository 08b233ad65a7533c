"""What is the same for every recipient of a run, computed once: templates, header block, MIME skeleton, link starts.

`compile_email` finds every mistake an author can make and raises them together. `EmailPlan.render` then never raises:
a person whose data cannot be rendered is a `Refusal`. A plan is immutable and may be cached for as long as its run.
Where to read next: `templates` (the language and its limits), `email` (the bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clarion.domain.campaign import Category
from clarion.domain.content import EmailContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.outcome import Reason
from clarion.rendering.addresses import Mailbox, email_key, is_mailbox, parse_mailbox
from clarion.rendering.body import Body, boundary_of
from clarion.rendering.context import NO_CONTEXT, LookedOver
from clarion.rendering.email import BOUNDARIES, WireEmail, has_long_line, reencoded, stuffed
from clarion.rendering.envelope import Envelope
from clarion.rendering.facts import RunFacts
from clarion.rendering.headers import subject_value
from clarion.rendering.links import Links
from clarion.rendering.message import Refusal
from clarion.rendering.templates import RenderFault, TooExpensive
from clarion.rendering.variables import columns_of, reads_context, unknown_warnings

_NOT_TEXT: Final = "the data holds half a surrogate pair"


__all__ = ["EmailPlan", "Preview", "Refusal", "RunFacts", "compile_email"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A message as one person would get it. `headers` are the names and values that would go out, in order."""

    subject: str
    html: str
    text: str
    from_: str
    reply_to: str | None
    headers: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


class EmailPlan:
    """One run's email, ready to be rendered for each of its people. Make it with `compile_email`.

    `variables` are the dotted names the message looks up, `columns` the contact columns those need, `reads_context`
    whether it looks at what a call or a start said, `warnings` what an author should know before the start.
    """

    __slots__ = ("_body", "_envelope", "columns", "optional", "reads_context", "variables", "warnings")

    def __init__(self, envelope: Envelope, body: Body, warnings: tuple[str, ...]) -> None:
        self._envelope = envelope
        self._body = body
        self.variables = body.variables
        self.optional = body.optional
        self.columns = columns_of(self.variables)
        self.reads_context = reads_context(self.variables)
        self.warnings = warnings

    def key(self, address: str) -> str:
        """The canonical key of an address."""
        return email_key(address)

    def render(
        self, seq: int, address: str, contact: Mapping[str, object], date: str, context: LookedOver = NO_CONTEXT
    ) -> WireEmail | Refusal:
        """The email for one person, or why there is none. Never raises for bad data; pure.

        `address` is a mailbox as `addresses` gives it, `contact` plain JSON data under the API's names, `date` comes
        from `headers.date_header`. The same delivery always gets the same Message-ID and the same tokens.
        """
        if not is_mailbox(address):
            return Refusal(Reason.INVALID_ADDRESS, "not an address that can go on the wire")
        envelope = self._envelope
        urls = envelope.urls(seq)
        try:
            subject, pieces, careful, fits = self._body.render(contact, urls, context)
            headers, message_id = envelope.headers(seq, address, subject, date, urls)
            data = b"".join((headers.encode(), *pieces))
        except TooExpensive as fault:
            return Refusal(Reason.TEMPLATE_TOO_EXPENSIVE, str(fault))
        except (RenderFault, UnicodeError) as fault:
            return Refusal(Reason.RENDER_FAILED, str(fault) if isinstance(fault, RenderFault) else _NOT_TEXT)
        if careful:
            data = stuffed(data)
        if data.count(envelope.boundary) != BOUNDARIES:
            return Refusal(Reason.RENDER_FAILED, "the data holds the separator of the message's parts")
        if not fits and has_long_line(data):
            data = reencoded(data)
        return WireEmail(envelope.mail_from, address, data, not data.isascii(), not address.isascii(), message_id)

    def preview(
        self, address: str, contact: Mapping[str, object], date: str, context: LookedOver = NO_CONTEXT
    ) -> Preview | Refusal:
        """The message as this person would see it; its links carry a delivery number that no delivery has."""
        try:
            urls = self._envelope.urls(0)
            subject, text, html = self._body.parts(contact, urls, context)
            block, _ = self._envelope.headers(0, address, subject_value(subject) or "", date, urls)
        except RenderFault as fault:
            return Refusal(Reason.RENDER_FAILED, str(fault))
        lines = block.replace("\r\n ", " ").strip().split("\r\n")
        headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
        return Preview(
            subject=subject,
            html=html,
            text=text,
            from_=str(self._envelope.from_),
            reply_to=str(self._envelope.reply_to) if self._envelope.reply_to else None,
            headers=headers,
            warnings=self.warnings,
        )


def compile_email(content: EmailContent, *, facts: RunFacts, links: Links | None) -> EmailPlan:
    """Compiles a message once for a run.

    Raises: Invalid with one Problem per mistake, fields named as in the API (`message.email.html`).
    """
    problems: list[Problem] = []
    from_ = _mailbox(content.from_ or facts.from_address, "message.email.from", problems)
    reply_to_text = content.reply_to or facts.reply_to
    reply_to = _mailbox(reply_to_text, "message.email.replyTo", problems) if reply_to_text else None
    boundary = boundary_of(facts.run_id)
    body = Body.read(content, boundary, facts, problems)
    if facts.category is Category.MARKETING and links is None:
        problems.append(Problem("category", "links", "marketing mail needs a public address for its unsubscribe links"))
    if problems or from_ is None or body is None:
        raise Invalid.of(problems)
    envelope = Envelope(
        from_=from_, reply_to=reply_to, boundary=boundary, facts=facts, links=links, variables=body.variables
    )
    return EmailPlan(envelope, body, _warnings(body, facts))


def _mailbox(text: str, field: str, problems: list[Problem]) -> Mailbox | None:
    parsed = parse_mailbox(text)
    if isinstance(parsed, Mailbox):
        return parsed
    problems.append(Problem(field, parsed.rule, parsed.message))
    return None


def _warnings(body: Body, facts: RunFacts) -> tuple[str, ...]:
    found = unknown_warnings(body.variables)
    if facts.category is Category.MARKETING and "unsubscribe_url" not in body.variables:
        found.append("the body has no unsubscribe link (unsubscribe_url); only the headers carry one")
    return tuple(found)
