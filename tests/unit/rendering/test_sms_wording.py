"""What is written otherwise to fit the GSM alphabet, and what is left alone because it would read differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.rendering.sms_encoding import Encoding, encoding_of
from clarion.rendering.sms_wording import in_gsm


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\u201cIt\u2019s\u201d \u2013 na\u00efve\u2026", '"It\'s" - naive...'),
        ("5\u00a0\u20ac \u2014 \u00c7a va, \u0153uvre", "5 \u20ac - \u00c7a va, oeuvre"),
        (
            "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144",
            "Zaz\u00f2lc gesla jazn".replace("\u00f2", "o"),
        ),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("\ufb01ne\u200b print", "fine print"),
        ("\u0130stanbul, \u015fi\u015fli, I\u011fd\u0131r", "Istanbul, sisli, Igdir"),
        ("\uff21\uff22\uff11", "AB1"),
        ("Stra\u00dfe f\u00fcr \u00c5sa", "Stra\u00dfe f\u00fcr \u00c5sa"),
    ],
)
def test_what_reads_the_same_is_written_in_gsm(text: str, written: str) -> None:
    assert in_gsm(text) == written
    assert encoding_of(written) is Encoding.GSM


@pytest.mark.parametrize(
    "text",
    [
        "10\u00b2 m",
        "\u00bd off",
        "\u041f\u0440\u0438\u0432\u0435\u0442",
        "\U0001f389 \u201csale\u201d",
        "\u4f60\u597d",
        "\u03b1\u03b2",
    ],
)
def test_what_would_read_differently_stays_as_it_was_written(text: str) -> None:
    assert in_gsm(text) == text


@given(st.text(max_size=100))
def test_a_text_is_in_gsm_or_untouched(text: str) -> None:
    written = in_gsm(text)
    assert written == text or encoding_of(written) is Encoding.GSM
    assert in_gsm(written) == written
