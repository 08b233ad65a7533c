"""The text message on the wire: what a channel is handed to send to one number.

Holds no template and knows no provider. Where to read next: `sms_encoding` (alphabets and parts), `sms_plan` (who makes
these).
"""

from __future__ import annotations

from typing import NamedTuple

from clarion.rendering.sms_encoding import Encoding


class WireSms(NamedTuple):
    """One text message, ready for the wire.

    `to` is in E.164 with its plus sign; `from_` an E.164 number with its plus sign, a short code of digits, or 1 to 11
    characters. `parts` are the texts of its segments in order: one goes out as it is, several are to be concatenated,
    and joined they are `text`. `sms_encoding.octets_of` gives a part's octets. `key` is the delivery's id.
    """

    to: str
    from_: str
    text: str
    encoding: Encoding
    parts: tuple[str, ...]
    key: str
