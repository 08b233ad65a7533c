"""The mail server of the crash gates: the scripted sink, which also reads what it accepts (I11, I12).

Every message of a gate carries a word made of its recipient's address. A message without that word, with another
recipient's, or with another To, is a problem. Where to read next: `observer`, which compares it with the rows.
"""

from __future__ import annotations

import re
from collections import Counter

from tests.support.sink import Acceptance, Sink

from clarion.domain.content import EmailContent

LETTER = EmailContent(
    subject="For {{ contact.externalId }}",
    html="<p>Hello {{ contact.firstName }}, this is for canary-{{ contact.externalId }}-canary alone.</p>",
)
_WORD = re.compile(rb"canary-[a-z]+-(\d+)-canary")
_TO = re.compile(rb"^To: .*?<?([^<>\s]+@[^<>\s]+?)>?\r$", re.MULTILINE | re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)@")


class Witness(Sink):
    """A sink that counts copies and looks into every message."""

    def __init__(self) -> None:
        super().__init__(keep_data=False)
        self.copies: Counter[str] = Counter()
        self.problems: list[str] = []

    def accept(self, acceptance: Acceptance) -> None:
        """Records a message and reads it."""
        self.copies.update(acceptance.rcpt_to)
        self._read(acceptance)
        super().accept(acceptance)

    @staticmethod
    def number_of(address: str) -> int:
        """The number in an address of the scene."""
        found = _NUMBER.search(address)
        assert found is not None, address
        return int(found[1])

    def _read(self, acceptance: Acceptance) -> None:
        if len(acceptance.rcpt_to) != 1:
            self.problems.append(f"I11: {len(acceptance.rcpt_to)} recipients in one transaction")
            return
        address = acceptance.rcpt_to[0]
        words = {int(found) for found in _WORD.findall(acceptance.data)}
        if words != {self.number_of(address)}:
            self.problems.append(f"I12: {address} got the words of {sorted(words) or 'nobody'}")
        head = acceptance.data.partition(b"\r\n\r\n")[0]
        if [found.decode() for found in _TO.findall(head + b"\r")] != [address]:
            self.problems.append(f"I11: To of a message for {address} is another")
