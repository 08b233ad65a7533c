"""Encryption for a browser against the published example, and against a decryption of its own."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.web_push_server import decrypted

from clarion.adapters.channels.push.encryption import BadSubscription, encrypted, uncompressed
from clarion.adapters.channels.push.signed_tokens import read_p256_key
from clarion.domain.push_address import octets


def _octets(text: str) -> bytes:
    found = octets(text)
    assert found is not None
    return found


def test_the_example_of_rfc_8291_comes_out_to_the_byte() -> None:
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        _octets("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        _octets("BTBZMqHH6r4Tts7J_aSIgg"),
        key=read_p256_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=_octets("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert body == _octets(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_no_two_messages_are_encrypted_alike_and_each_is_read() -> None:
    browser, secret = ec.generate_private_key(ec.SECP256R1()), b"s" * 16
    text = "\N{GRINNING FACE} hello".encode()
    bodies = {encrypted(text, uncompressed(browser), secret) for _ in range(3)}
    assert len(bodies) == 3
    assert {decrypted(body, browser, secret) for body in bodies} == {text}


def test_the_longest_message_fills_four_kilobytes() -> None:
    browser = ec.generate_private_key(ec.SECP256R1())
    assert len(encrypted(b"x" * 3993, uncompressed(browser), b"s" * 16)) == 4096


def test_a_key_that_is_no_point_is_told_from_a_fault_of_ours() -> None:
    with pytest.raises(BadSubscription):
        encrypted(b"x", b"\x04" + b"\x01" * 64, b"s" * 16)
