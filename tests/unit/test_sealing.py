"""Sealed secrets: they open with the key that sealed them, and with nothing else."""

from __future__ import annotations

import pytest

from clarion.adapters.sealing import AesSealer, KeyRing
from clarion.domain.errors import Unavailable

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def _sealer(*roots: bytes) -> AesSealer:
    ring = KeyRing(roots)
    return AesSealer(ring.subkeys("sealing"), ring.current)


def test_what_was_sealed_opens_again_and_never_looks_the_same() -> None:
    sealer = _sealer(OLD)
    assert sealer.open(sealer.seal(b"hunter2")) == b"hunter2"
    assert sealer.seal(b"hunter2") != sealer.seal(b"hunter2")
    assert b"hunter2" not in sealer.seal(b"hunter2")


def test_a_new_key_seals_while_the_old_one_still_opens() -> None:
    before = _sealer(OLD).seal(b"hunter2")
    rotated = _sealer(NEW, OLD)
    assert rotated.open(before) == b"hunter2"
    with pytest.raises(Unavailable):
        _sealer(OLD).open(rotated.seal(b"hunter2"))


@pytest.mark.parametrize("position", range(0, 37, 4))
def test_a_changed_byte_is_noticed(position: int) -> None:
    sealed = bytearray(_sealer(OLD).seal(b"hunter2"))
    sealed[position] ^= 1
    with pytest.raises(Unavailable):
        _sealer(OLD).open(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 14, b"\x02" * 40])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unavailable):
        _sealer(OLD).open(sealed)


def test_each_purpose_has_a_key_of_its_own() -> None:
    ring = KeyRing((OLD,))
    keys = {ring.subkeys(purpose)[ring.current] for purpose in ("sealing", "links", "cursors")}
    assert len(keys) == 3
    assert OLD not in keys
