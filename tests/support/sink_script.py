"""What a local part asks the sink to do, and when.

`550_5.1.1-rcpt`, `4xx-dot`, `421-mail`, `cut-after-dot`, `cut-mid-data`, `slow0.2`, `grey`, ...: see
`read_script`. Anything after `+` is free, so that one script serves many recipients. An unknown word is no script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFUSE = re.compile(r"([1-5](?:xx|\d\d))(?:_(\d\.\d{1,3}\.\d{1,3}))?-(mail|rcpt|data|dot)")
_DO = re.compile(r"(cut|silent|garbage|endless|drip|rambling)-(mail|rcpt|data|mid-data|dot|after-dot|after-answer)")
_SLOW = re.compile(r"slow(\d+(?:\.\d+)?)")
_DEFAULT_TEXT = {"4": "4.3.0 not now", "5": "5.0.0 no", "2": "2.0.0 fine", "3": "go on"}


@dataclass(frozen=True, slots=True)
class Script:
    """One thing to do at one point. `at` is mail, rcpt, data, mid-data, dot (instead of accepting) or after-dot."""

    act: str
    at: str
    reply: bytes = b""
    delay_s: float = 0.0


def read_script(address: str) -> Script | None:
    """The script in an address' local part.

    `CODE[_ENHANCED]-WHEN` answers so (421 hangs up as well); `cut-WHEN` closes the connection; `silent-WHEN` never
    answers; `garbage-WHEN` answers nonsense, `endless-WHEN` with one line of 10 MB, `rambling-WHEN` with a reply
    of a million lines, `drip-WHEN` one byte at a time; `slowS` accepts, and says so S seconds later; `grey` is
    refused with 451 at its first RCPT and accepted later. `…-after-dot` has accepted the message, `…-dot` has not;
    `cut-after-answer` accepts, answers and resets at once.
    """
    word = address.rpartition("@")[0].partition("+")[0]
    if found := _REFUSE.fullmatch(word):
        code = found[1].replace("xx", "50")
        text = f"{code} {found[2]} as asked" if found[2] else f"{code} {_DEFAULT_TEXT.get(code[0], 'hm')}"
        return Script("hang-up" if code == "421" else "answer", found[3], f"{text}\r\n".encode())
    if found := _DO.fullmatch(word):
        return Script(found[1], found[2])
    if found := _SLOW.fullmatch(word):
        return Script("slow", "after-dot", delay_s=float(found[1]))
    if word == "grey":
        return Script("grey", "rcpt", b"451 4.7.1 greylisted, come back\r\n")
    return None
