"""The single words by which people stop, start again and ask for help."""

from __future__ import annotations

import pytest

from clarion.domain.keywords import Keyword, read_campaign_stop, read_keyword, says_how_to_stop


@pytest.mark.parametrize(
    ("text", "languages", "keyword"),
    [
        ("STOP", (), Keyword.STOP),
        ("  stop. ", (), Keyword.STOP),
        ("\u00abStop!\u00bb\n", (), Keyword.STOP),
        ("stop all", (), Keyword.STOP),
        ("StopAll", (), Keyword.STOP),
        ("opt-out", (), Keyword.STOP),
        ("Unsubscribe", (), Keyword.STOP),
        ("CANCEL", (), Keyword.STOP),
        ("End", (), Keyword.STOP),
        ("quit...", (), Keyword.STOP),
        ("ARR\u00caT", (), Keyword.STOP),
        ("\uff33\uff34\uff2f\uff30", (), Keyword.STOP),
        ("start", (), Keyword.START),
        ("UNSTOP", (), Keyword.START),
        ("Yes!", (), Keyword.START),
        ("Help?", (), Keyword.HELP),
        ("info", (), Keyword.HELP),
        ("Abmelden", ("deu",), Keyword.STOP),
        ("baja", ("eng", "es-MX"), Keyword.STOP),
        ("Aide", ("fr",), Keyword.HELP),
        ("Abmelden", ("eng",), None),
        ("please stop", (), None),
        ("stop it, I like it", (), None),
        ("stopp " * 20, ("de",), None),
        ("", (), None),
        ("\U0001f44d", (), None),
    ],
)
def test_one_word_is_a_keyword_and_a_sentence_is_not(
    text: str, languages: tuple[str, ...], keyword: Keyword | None
) -> None:
    assert read_keyword(text, languages) is keyword


@pytest.mark.parametrize(("text", "says"), [
    ("Text STOP to end", True), ("Zum Abmelden: STOPP", True), ("R\u00e9pondez ARR\u00caT", True),
    ("Sale ends at the end of the week", False), ("Cancel any time", False),
])  # fmt: skip
def test_a_message_says_how_to_stop_by_naming_such_a_word(text: str, says: bool) -> None:  # noqa: FBT001 - expected value
    assert says_how_to_stop(text) is says


@pytest.mark.parametrize(
    ("text", "number"),
    [("123STOP", 123), (" 12 stop! ", 12), ("7 Unsubscribe", 7), ("STOP", None), ("STOP123", None), ("0STOP", None),
     ("12START", None), ("12", None), ("1" * 30 + "STOP", None), ("12 stop " + "x" * 40, None)],
)  # fmt: skip
def test_a_number_before_a_stop_word_names_a_campaign(text: str, number: int | None) -> None:
    assert read_campaign_stop(text) == number
