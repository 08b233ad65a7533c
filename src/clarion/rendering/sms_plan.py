"""What is the same for every recipient of a run on SMS, computed once: template, originators, where it may go.

`compile_sms` finds every mistake an author can make. `SmsPlan.render` then never raises: whoever cannot get the message
is a `Refusal` with a reason of their own. Where to read next: `sms_encoding` (segments), `phone_numbers` (who can be
reached), `templates` (the language's limits).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from clarion.domain.campaign import Category
from clarion.domain.content import SEGMENTS_LIMIT, SMS_LIMIT, SmsContent
from clarion.domain.errors import Invalid, Problem
from clarion.domain.keywords import says_how_to_stop
from clarion.domain.outcome import Reason
from clarion.domain.sender import Sender
from clarion.domain.sms import NO_RULES
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.facts import RunFacts
from clarion.rendering.language import read_template
from clarion.rendering.links import Links
from clarion.rendering.message import Refusal
from clarion.rendering.nodes import Node, Text, optional_of, variables_of
from clarion.rendering.phone_numbers import Line, look_up
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import GSM_CHARACTERS, Encoding, fitted
from clarion.rendering.sms_wording import in_gsm
from clarion.rendering.templates import RenderFault, TooExpensive, compile_source
from clarion.rendering.texts import check_template
from clarion.rendering.variables import columns_of, given_of, reads_context, unknown_warnings

_FIELD: Final = "message.sms.text"
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x09\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST: Final = SEGMENTS_LIMIT * 153
"""Characters that no number of segments can hold."""
_SHOWN: Final = 5


class Worded(NamedTuple):
    """What somebody would read, and how it is cut into segments."""

    text: str
    encoding: Encoding
    parts: tuple[str, ...]


class Way(NamedTuple):
    """Where a message to a number goes, and who it comes from there."""

    country: str
    originator: str


class SmsPlan:
    """One run's text message, ready to be rendered for each of its people. Make it with `compile_sms`.

    `variables`, `optional`, `columns`, `reads_context` and `warnings` are those of `message.Plan`.
    """

    def __init__(
        self, content: SmsContent, nodes: list[Node], facts: RunFacts, sender: Sender | None, links: Links | None
    ) -> None:
        self.variables = variables_of(nodes)
        self.optional = optional_of(nodes)
        self.columns = columns_of(self.variables)
        self.reads_context = reads_context(self.variables)
        self.warnings = tuple(_warnings(content, nodes, self.variables, facts))
        self._template = compile_source(nodes, given_of(facts))
        self._transliterates = content.transliterate
        self._limit = min(content.max_segments or SEGMENTS_LIMIT, SEGMENTS_LIMIT)
        self._rules = sender.sms or NO_RULES if sender else NO_RULES
        self._from = facts.from_address
        self._run = f"{facts.run_id.hex()}-"
        self._links = {}
        if links and "unsubscribe_url" in self.variables:
            self._links["unsubscribe_url"] = links.unsubscribe(facts.account_id, facts.run_id)
        if links and "view_url" in self.variables:
            self._links["view_url"] = links.view(facts.account_id, facts.run_id)

    def key(self, address: str) -> str:
        """The number in E.164, as it is: that is what suppressions hold."""
        return address

    def render(
        self,
        seq: int,
        address: str,
        contact: Mapping[str, object],
        date: str,  # noqa: ARG002 - a text message carries no date of its own
        context: LookedOver = NO_CONTEXT,
    ) -> WireSms | Refusal:
        """The text message for one person, or why there is none. Never raises for bad data; pure.

        `address` is a number in E.164, `contact` plain JSON data under the API's names.
        """
        way = self.way(address)
        if isinstance(way, Refusal):
            return way
        worded = self.worded(seq, contact, context)
        if isinstance(worded, Refusal):
            return worded
        return WireSms(address, way.originator, *worded, f"{self._run}{seq}")

    def way(self, number: str) -> Way | Refusal:
        """Where a message to this number would go, or why none is sent to it, whatever it says."""
        place = look_up(number)
        if place is None:
            return Refusal(Reason.UNROUTABLE, "no country gives out such a number")
        country, line = place
        if line is Line.PREMIUM:
            return Refusal(Reason.UNROUTABLE, f"a premium-rate or shared-cost number in {country}")
        if line is Line.FIXED:
            return Refusal(Reason.LANDLINE, f"a landline in {country}")
        if not self._rules.allows(country):
            return Refusal(Reason.COUNTRY_NOT_ALLOWED, f"the sender sends nothing to {country}")
        originator = self._rules.originator(country, self._from)
        if originator is None:
            return Refusal(Reason.NO_ORIGINATOR, f"networks in {country} take no name, and the sender has no number")
        return Way(country, originator)

    def worded(self, seq: int, contact: Mapping[str, object], context: LookedOver = NO_CONTEXT) -> Worded | Refusal:
        """What one person would read, wherever it goes, or why that cannot be said. Never raises for bad data."""
        try:
            person = look_over(contact)
            data = {"contact": person.data} | {name: start + end(seq) for name, (start, end) in self._links.items()}
            if context.size:
                data["context"] = context.data
            text = self._template.render(person.size + context.size, data)
        except TooExpensive as fault:
            return Refusal(Reason.TEMPLATE_TOO_EXPENSIVE, str(fault))
        except RenderFault as fault:
            return Refusal(Reason.RENDER_FAILED, str(fault))
        return self._fitted(text)

    def _fitted(self, text: str) -> Worded | Refusal:
        if not text.isprintable():
            text = _LINE_END.sub("\n", text).replace("\t", " ")
            if _CONTROL.search(text):
                return Refusal(Reason.RENDER_FAILED, "the data holds a control character or half a surrogate pair")
        if not text.strip():
            return Refusal(Reason.RENDER_FAILED, "the message is empty")
        if self._transliterates and not text.isascii():
            text = in_gsm(text)
        if len(text) > _LONGEST:
            return Refusal(Reason.TOO_LONG, f"{len(text)} characters, more than {SEGMENTS_LIMIT} segments hold")
        encoding, parts = fitted(text)
        if len(parts) > self._limit:
            return Refusal(Reason.TOO_LONG, f"{len(parts)} segments in {encoding}, at most {self._limit}")
        return Worded(text, encoding, parts)


def compile_sms(content: SmsContent, *, facts: RunFacts, sender: Sender | None, links: Links | None) -> SmsPlan:
    """Compiles a message once for a run; it comes from `facts.from_address` where the sender's rules say nothing else.

    Raises: Invalid with one Problem per mistake, fields named as in the API (`message.sms.text`).
    """
    problems = content_problems(content)
    if problems:
        raise Invalid.of(problems)
    return SmsPlan(content, read_template(content.text), facts, sender, links)


def content_problems(content: SmsContent) -> list[Problem]:
    """Everything that is wrong with a text message as its author wrote it."""
    problems = check_template(content.text, _FIELD, SMS_LIMIT)
    if not content.text.strip():
        problems.append(Problem(_FIELD, "minLength", "must not be empty"))
    if content.max_segments is not None and not 1 <= content.max_segments <= SEGMENTS_LIMIT:
        problems.append(Problem("message.sms.maxSegments", "range", f"1 to {SEGMENTS_LIMIT}"))
    return problems


def names_of(content: SmsContent) -> list[str]:
    """The dotted names that a text message looks up, in order; it must have no problems."""
    return sorted(variables_of(read_template(content.text)))


def _warnings(content: SmsContent, nodes: list[Node], variables: frozenset[str], facts: RunFacts) -> list[str]:
    """What an author should know, whoever gets the message."""
    found = unknown_warnings(variables)
    fixed = "".join(node.text if isinstance(node, Text) else " " for node in nodes)
    is_marketing = facts.category is Category.MARKETING
    if is_marketing and "unsubscribe_url" not in variables and not says_how_to_stop(fixed):
        found.append("the text message does not say how to stop: no unsubscribe_url, and no word such as STOP")
    foreign = foreign_characters(in_gsm(fixed) if content.transliterate else fixed)
    if foreign:
        costs = "so that a segment holds 70 characters instead of 160"
        found.append(f"the text message holds what the GSM alphabet cannot say ({foreign}), {costs}")
    return found


def foreign_characters(text: str) -> str:
    """The first few different characters of a text that make it UCS-2, to show to an author."""
    found = dict.fromkeys(char for char in text if char not in GSM_CHARACTERS and char.isprintable())
    return " ".join([*found][:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
