"""The single words by which people answer a text message: stop, start again, help.

Owns which words count, and nothing of what they set off. Those that count everywhere are what Twilio ("Advanced
Opt-Out") and AWS ("Required opt-out keywords") take for such; the others say the same in a language of the account.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Keyword(StrEnum):
    """What somebody who sends a single word wants."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_EVERYWHERE: Final = {
    Keyword.STOP: "stop stopall unsubscribe cancel end quit optout revoke remove arret td",
    Keyword.START: "start unstop yes",
    Keyword.HELP: "help info",
}
_BY_LANGUAGE: Final[Mapping[str, Mapping[Keyword, str]]] = {
    "de": {Keyword.STOP: "stopp abmelden", Keyword.START: "anmelden", Keyword.HELP: "hilfe"},
    "es": {Keyword.STOP: "parar cancelar baja alto", Keyword.START: "alta", Keyword.HELP: "ayuda"},
    "fr": {Keyword.STOP: "desabonner", Keyword.HELP: "aide"},
    "it": {Keyword.STOP: "cancella annulla", Keyword.HELP: "aiuto"},
    "nl": {Keyword.STOP: "stoppen afmelden", Keyword.START: "aanmelden", Keyword.HELP: "hulp"},
    "pt": {Keyword.STOP: "parar cancelar sair", Keyword.HELP: "ajuda"},
}
_ISO_639_3: Final = {
    "deu": "de", "dut": "nl", "fra": "fr", "fre": "fr", "ger": "de", "ita": "it", "nld": "nl", "por": "pt", "spa": "es",
}  # fmt: skip
_LONGEST: Final = 40
"""Characters of an answer that may be one of these words with its punctuation."""


def _words(listed: Mapping[Keyword, str]) -> dict[str, Keyword]:
    return {word: keyword for keyword, words in listed.items() for word in words.split()}


_CAMPAIGN_STOP: Final = re.compile(r"([1-9][0-9]{0,17})([a-z]+)", re.ASCII)
_WORDS: Final = _words(_EVERYWHERE)
_WORDS_BY_LANGUAGE: Final = {language: _words(listed) for language, listed in _BY_LANGUAGE.items()}


def read_keyword(text: str, languages: tuple[str, ...] = ()) -> Keyword | None:
    """What an inbound text asks for when it is one of the known words and nothing else, else None.

    Case, accents, spaces, quotes and punctuation around the word do not count ("  Stop! ", "«STOP»"); `STOP ALL` and
    `OPT OUT` written apart are known too. `languages` are those of the account (ISO 639, or BCP 47 tags), whose own
    words count beside the English ones. Pure.
    """
    if len(text) > _LONGEST:
        return None
    word = _bare(text)
    if word in _WORDS:
        return _WORDS[word]
    for language in languages:
        primary = language.partition("-")[0].lower()
        found = _WORDS_BY_LANGUAGE.get(_ISO_639_3.get(primary, primary), {}).get(word)
        if found is not None:
            return found
    return None


def read_campaign_stop(text: str) -> int | None:
    """The number of the campaign that an inbound text stops, as `123STOP` or `123 stop` does, else None. Pure."""
    found = _CAMPAIGN_STOP.fullmatch(_bare(text)) if len(text) <= _LONGEST else None
    return int(found[1]) if found and _WORDS.get(found[2]) is Keyword.STOP else None


_AMBIGUOUS: Final = frozenset({"cancel", "end", "quit", "remove", "td"})
"""Words that stop when they stand alone, and mean nothing of the kind in a sentence."""
_TELLING: Final = frozenset(
    word
    for words in (_WORDS, *_WORDS_BY_LANGUAGE.values())
    for word, keyword in words.items()
    if keyword is Keyword.STOP and word not in _AMBIGUOUS
)


def says_how_to_stop(text: str) -> bool:
    """Whether a message names one of the words that stop it, in any language known here."""
    return any(_bare(word) in _TELLING for word in text.split())


def _bare(text: str) -> str:
    """The letters and digits of a text alone, small and without accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())
