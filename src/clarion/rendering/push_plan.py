"""What is the same for every recipient of a run on push, compiled once: the templates of every text of a message.

`compile_push` finds every mistake an author can make and raises them together. `PushPlan.render` then never raises: who
cannot be rendered, or whose message is larger than the provider takes, is a `Refusal`. Where to read next: `push_texts`
(the templates), `push_payload` (what a provider is given, and its limit).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clarion.domain.content import PUSH_TTL_LIMIT, PushContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.outcome import Reason
from clarion.domain.providers import ProviderName
from clarion.domain.push_address import (
    WebSubscription,
    apns_token_fault,
    endpoint_fault,
    fcm_token_fault,
    keys_fault,
    read_subscription,
)
from clarion.domain.sender import Sender
from clarion.rendering.context import NO_CONTEXT, LookedOver
from clarion.rendering.facts import RunFacts
from clarion.rendering.links import Links
from clarion.rendering.message import Refusal
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import LIMITS, Limit
from clarion.rendering.push_texts import PushTexts
from clarion.rendering.templates import RenderFault, TooExpensive
from clarion.rendering.variables import columns_of, given_of, reads_context, unknown_warnings

_NOT_TEXT: Final = "the data holds half a surrogate pair"
_NOT_SENT: Final = "it is silent: title, body and image are not sent"
_NOBODY: Final = WebSubscription("", "", "")
_NO_FACTS: Final = {"account": {"id": "", "name": ""}, "campaign": {"id": "", "name": ""}}
_NO_LINKS: Final = ("unsubscribe_url", "view_url")


class PushPlan:
    """One run's push message to the devices of one sender. Make it with `compile_push`.

    `variables` are the dotted names the message looks up, `columns` the contact columns those need, `reads_context`
    whether it looks at what a call or a start said, `warnings` what an author should know before the start.
    """

    __slots__ = (
        "_content", "_limit", "_provider", "_run", "_texts", "columns", "optional", "reads_context",
        "variables", "warnings",
    )  # fmt: skip

    def __init__(self, content: PushContent, texts: PushTexts, facts: RunFacts, provider: ProviderName | None) -> None:
        self._content = content
        self._texts = texts
        self._run = facts.run_id.hex()
        self._provider = provider
        self._limit: Limit | None = LIMITS.get(provider) if provider else None
        self.variables = texts.variables
        self.optional = texts.optional
        self.columns = columns_of(texts.variables)
        self.reads_context = reads_context(texts.variables)
        self.warnings = _warnings(content, texts.variables)

    def key(self, address: str) -> str:
        """What suppressions compare: the token, for APNs in lower case; for the web the endpoint."""
        if self._provider is ProviderName.APNS:
            return address.lower()
        subscription = read_subscription(address)
        return subscription.endpoint if subscription else address

    def render(
        self, seq: int, address: str, contact: Mapping[str, object], date: str, context: LookedOver = NO_CONTEXT
    ) -> WirePush | Refusal:
        """The message for one device, or why there is none. Never raises for bad data; pure."""
        del date
        to = _destination(self._provider, address)
        if isinstance(to, str):
            return Refusal(Reason.INVALID_ADDRESS, to)
        push = self._written(seq, to, contact, context)
        if isinstance(push, Refusal) or self._limit is None:
            return push
        octets = self._limit.count(push)
        return push if octets <= self._limit.octets else Refusal(Reason.TOO_BIG, _too_big(self._limit, octets))

    def preview(self, contact: Mapping[str, object], context: LookedOver = NO_CONTEXT) -> WirePush | Refusal:
        """The message as somebody would see it, to no device."""
        return self._written(0, WebSubscription("", "", ""), contact, context)

    def excess(self, contact: Mapping[str, object], context: LookedOver = NO_CONTEXT) -> str | None:
        """By how much the message to this contact is larger than the provider takes; None when it fits, or there is
        none.
        """
        push = self._written(2**31 - 1, _NOBODY, contact, context)
        if isinstance(push, Refusal) or self._limit is None:
            return None
        octets = self._limit.count(push)
        return _too_big(self._limit, octets) if octets > self._limit.octets else None

    def _written(
        self, seq: int, to: WebSubscription, contact: Mapping[str, object], context: LookedOver
    ) -> WirePush | Refusal:
        return _wire(self._texts, self._content, to, contact, context, key=f"{self._run}-{seq}")


def content_problems(content: PushContent) -> list[Problem]:
    """What is wrong with a message as its author wrote it, whoever sends it; an empty list means that it compiles."""
    problems: list[Problem] = []
    texts = PushTexts.read(content, _NO_FACTS, problems)
    problems += _time_problems(content)
    if texts is None or problems:
        return problems
    push = _wire(texts, content, _NOBODY, {"attributes": {}}, NO_CONTEXT, key="0" * 24 + "-1")
    sizes = [] if isinstance(push, Refusal) else [(limit.count(push), limit.octets) for limit in LIMITS.values()]
    if sizes and all(octets > most for octets, most in sizes):
        why = f"without anybody's data the message has {min(sizes)[0]:,} bytes, more than any push service takes"
        problems.append(Problem("message.push", "tooBig", why))
    return problems


def compile_push(content: PushContent, *, facts: RunFacts, sender: Sender | None, links: Links | None) -> PushPlan:
    """Compiles a message once for a run, for the provider of its sender; without one no limit is looked at.

    Raises: Invalid with one Problem per mistake, fields named as in the API (`message.push.body`).
    """
    del links  # a push message is turned off on the device
    problems: list[Problem] = []
    texts = PushTexts.read(content, given_of(facts), problems)
    problems += _time_problems(content)
    if problems or texts is None:
        raise Invalid.of(problems)
    return PushPlan(content, texts, facts, sender.provider.name if sender else None)


def oversize(plan: PushPlan, longest: Mapping[str, object], context: LookedOver = NO_CONTEXT) -> Problem | None:
    """What to tell an author whose message does not fit for the longest data there is in its audience.

    `longest` is a contact as templates see one, put together from the longest value of every column of `plan.columns`.
    """
    excess = plan.excess(longest, context)
    return Problem("message.push", "tooBig", f"with the longest data of the audience {excess}") if excess else None


def _wire(
    texts: PushTexts,
    content: PushContent,
    to: WebSubscription,
    contact: Mapping[str, object],
    context: LookedOver,
    *,
    key: str,
) -> WirePush | Refusal:
    try:
        title, body, action_url, image_url, data = texts.render(contact, context)
    except TooExpensive as fault:
        return Refusal(Reason.TEMPLATE_TOO_EXPENSIVE, str(fault))
    except (RenderFault, UnicodeError) as fault:
        return Refusal(Reason.RENDER_FAILED, str(fault) if isinstance(fault, RenderFault) else _NOT_TEXT)
    return WirePush(
        token=to.endpoint,
        p256dh=to.p256dh,
        auth=to.auth,
        title=title,
        body=body,
        image_url=image_url,
        action_url=action_url,
        data=data,
        is_silent=content.silent,
        ttl_s=PUSH_TTL_LIMIT if content.ttl_seconds is None else content.ttl_seconds,
        key=key,
    )


def _time_problems(content: PushContent) -> list[Problem]:
    if content.ttl_seconds is None or 0 <= content.ttl_seconds <= PUSH_TTL_LIMIT:
        return []
    return [Problem("message.push.ttlSeconds", "range", f"must be 0 to {PUSH_TTL_LIMIT} seconds")]


def _too_big(limit: Limit, octets: int) -> str:
    return f"the message has {octets:,} bytes; {limit.service} takes {limit.octets:,}"


def _destination(provider: ProviderName | None, address: str) -> WebSubscription | str:
    """Where a delivery's address leads, as token and keys; a sentence when nowhere."""
    if provider is ProviderName.WEB_PUSH:
        subscription = read_subscription(address)
        if subscription is None:
            return "not a subscription of a browser"
        # Where it may lead is the sender's to say, and looked at when it is connected to.
        fault = endpoint_fault(subscription.endpoint, allow_private=True)
        fault = fault or keys_fault(subscription.p256dh, subscription.auth)
        return subscription if fault is None else f"the subscription of the browser: {fault}"
    fault = apns_token_fault(address) if provider is ProviderName.APNS else fcm_token_fault(address)
    if fault is not None:
        return f"not a token of a device: it {fault}"
    return WebSubscription(address.lower() if provider is ProviderName.APNS else address, "", "")


def _warnings(content: PushContent, variables: frozenset[str]) -> tuple[str, ...]:
    found = unknown_warnings(variables)
    found += [f"a push message has no {name}" for name in _NO_LINKS if name in variables]
    if content.silent and (content.title or content.body or content.image_url):
        found.append(_NOT_SENT)
    return tuple(found)
