"""Signed tokens cannot be forged, changed or used for something else (T27, S9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re

import pytest
from tests.support.templates import ACCOUNT, RUN, SIGNER

from clarion.domain.ids import Id
from clarion.rendering.links import Links, unsubscribe_url, view_url
from clarion.rendering.tokens import Purpose, TokenFacts, TokenSigner

OTHER = Id(b"o" * 12)


def test_t27_a_token_says_what_it_was_signed_for() -> None:
    for seq in (0, 1, 7, 2**31 - 1):
        token = SIGNER.sign(Purpose.UNSUBSCRIBE, ACCOUNT, RUN, seq)
        assert re.fullmatch(r"[A-Za-z0-9_-]{68}", token)
        assert SIGNER.read(token, Purpose.UNSUBSCRIBE) == TokenFacts(ACCOUNT, RUN, seq)


def test_t27_the_signature_is_hmac_sha256_over_all_that_is_said() -> None:
    for key in (b"k" * 32, b"long" * 40):
        raw = base64.urlsafe_b64decode(TokenSigner({9: key}, 9).sign(Purpose.VIEW, ACCOUNT, RUN, 5))
        assert raw[:-20] == bytes([1, 9, Purpose.VIEW]) + ACCOUNT + RUN + (5).to_bytes(4, "big")
        assert raw[-20:] == hmac.new(key, raw[:-20], hashlib.sha256).digest()[:20]


def test_t27_a_token_for_another_purpose_account_run_or_key_is_worthless() -> None:
    token = SIGNER.sign(Purpose.VIEW, ACCOUNT, RUN, 1)
    assert SIGNER.read(token, Purpose.UNSUBSCRIBE) is None
    assert TokenSigner({1: b"x" * 32}, 1).read(token, Purpose.VIEW) is None
    assert TokenSigner({2: b"k" * 32}, 2).read(token, Purpose.VIEW) is None
    others = {SIGNER.sign(Purpose.VIEW, *who) for who in ((OTHER, RUN, 1), (ACCOUNT, OTHER, 1), (ACCOUNT, RUN, 2))}
    assert token not in others
    for other in others:
        spliced = token[:36] + other[36:], other[:36] + token[36:]
        assert all(SIGNER.read(mix, Purpose.VIEW) is None for mix in spliced if mix not in others | {token})


def test_t27_keys_are_rotated_without_breaking_links_already_sent() -> None:
    old = SIGNER.sign(Purpose.VIEW, ACCOUNT, RUN, 1)
    both = TokenSigner({1: b"k" * 32, 2: b"n" * 32}, 2)
    assert both.read(old, Purpose.VIEW) == TokenFacts(ACCOUNT, RUN, 1)
    assert both.sign(Purpose.VIEW, ACCOUNT, RUN, 1) != old


@pytest.mark.parametrize("keys", [{}, {1: b"short"}, {2: b"k" * 32}, {1: b"k" * 32, 256: b"k" * 32}])
def test_weak_or_missing_keys_are_refused(keys: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        TokenSigner(keys, 1)


def test_s9_no_changed_token_is_accepted() -> None:
    """100,000 changes: characters, bits, lengths, letter case, splices; none may read as a token."""
    chance = random.Random(27)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    genuine = [SIGNER.sign(Purpose.UNSUBSCRIBE, ACCOUNT, RUN, seq) for seq in range(1, 101)]
    known = set(genuine)
    for _ in range(100_000):
        token = list(chance.choice(genuine))
        kind = chance.randrange(5)
        at = chance.randrange(len(token))
        if kind == 0:
            token[at] = chance.choice(alphabet)
        elif kind == 1:
            for _ in range(chance.randrange(1, 6)):
                token[chance.randrange(len(token))] = chance.choice(alphabet)
        elif kind == 2:
            token[at] = token[at].swapcase()
        elif kind == 3:
            del token[at : at + chance.randrange(1, 5)]
        else:
            token[at:] = chance.choice(genuine)[at:]
        changed = "".join(token)
        if changed not in known:
            assert SIGNER.read(changed, Purpose.UNSUBSCRIBE) is None


@pytest.mark.parametrize(
    "junk", ["", "a", "=" * 68, "é" * 68, "A" * 67, "A" * 69, "A" * 68 + "\n", "../" * 20, "A" * 100_000]
)
def test_t27_junk_is_no_token(junk: str) -> None:
    assert SIGNER.read(junk, Purpose.UNSUBSCRIBE) is None


def test_links_start_with_the_configured_address_alone() -> None:
    links = Links("https://mail.clarion.test/", SIGNER)
    assert unsubscribe_url(links, ACCOUNT, RUN, 3).startswith("https://mail.clarion.test/u/")
    assert view_url(links, ACCOUNT, RUN, 3).startswith("https://mail.clarion.test/v/")
