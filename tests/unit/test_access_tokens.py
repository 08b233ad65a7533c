"""Access tokens: ours are read back, everything else is nobody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clarion.application.access_tokens import AccessTokens
from clarion.domain.access import ALL_PERMISSIONS, Principal
from clarion.domain.ids import new_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = bytes(range(32)), bytes(range(1, 33))
PRINCIPAL = Principal(new_id(), new_id(), ALL_PERMISSIONS)
TOKENS = AccessTokens({7: NEW, 3: OLD}, 7)


def test_a_token_names_its_key_and_its_end_and_holds_no_secret() -> None:
    text, ends_at = TOKENS.issue(PRINCIPAL, timedelta(hours=1), NOW)
    assert text.startswith("clarion_t_")
    assert ends_at == NOW + timedelta(hours=1)
    assert TOKENS.read(text) == (PRINCIPAL.key_id, ends_at)


def test_a_token_ends_no_later_than_its_principal() -> None:
    short = Principal(PRINCIPAL.key_id, PRINCIPAL.account_id, ALL_PERMISSIONS, NOW + timedelta(minutes=1))
    assert TOKENS.issue(short, timedelta(hours=1), NOW)[1] == NOW + timedelta(minutes=1)


def test_a_token_of_an_older_signing_key_is_still_read() -> None:
    text, ends_at = AccessTokens({3: OLD}, 3).issue(PRINCIPAL, timedelta(hours=1), NOW)
    assert TOKENS.read(text) == (PRINCIPAL.key_id, ends_at)
    assert AccessTokens({7: NEW}, 7).read(text) is None


def test_every_changed_character_makes_a_token_worthless() -> None:
    text, _ = TOKENS.issue(PRINCIPAL, timedelta(hours=1), NOW)
    for place in range(len("clarion_t_"), len(text)):
        other = "A" if text[place] != "A" else "B"
        assert TOKENS.read(text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize(
    "text", ["", "clarion_t_", "clarion_t_" + "A" * 72, "clarion_t_" + "é" * 72, "\ud800", "x" * 9999]
)
def test_what_we_did_not_write_is_nobodys(text: str) -> None:
    assert TOKENS.read(text) is None
    good, _ = TOKENS.issue(PRINCIPAL, timedelta(hours=1), NOW)
    assert TOKENS.read(good + "\n") is None
