"""Addresses: what is accepted, what is refused, and the one key (T05 to T10, T67)."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clarion.rendering.addresses import (
    AddressFault,
    EmailAddress,
    Mailbox,
    email_key,
    is_mailbox,
    parse_email,
    parse_mailbox,
)

VALID = {
    "ada@example.test": "ada@example.test",
    "ADA@Example.TEST": "ADA@example.test",
    "a@b.example": "a@b.example",
    "first.last@example.test": "first.last@example.test",
    "first+tag@example.test": "first+tag@example.test",
    "under_score@example.test": "under_score@example.test",
    "dash-dash@sub-domain.example.test": "dash-dash@sub-domain.example.test",
    "1234567890@example.test": "1234567890@example.test",
    "!#$%&'*+/=?^_`{|}~-@example.test": "!#$%&'*+/=?^_`{|}~-@example.test",
    "a@1and1.example": "a@1and1.example",
    "a@123.example": "a@123.example",
    "a@x.y.z.example": "a@x.y.z.example",
    f"{'l' * 64}@example.test": f"{'l' * 64}@example.test",
    f"a@{'d' * 63}.example": f"a@{'d' * 63}.example",
    "a@xn--bcher-kva.example": "a@xn--bcher-kva.example",
    "a@bücher.example": "a@xn--bcher-kva.example",
    "a@BÜCHER.example": "a@xn--bcher-kva.example",
    "a@bu\u0308cher.example": "a@xn--bcher-kva.example",
    "a@faß.example": "a@xn--fa-hia.example",
    "a@例え.example": "a@xn--r8jz45g.example",
    "a@пример.example": "a@xn--e1afmkfd.example",
    "a@example.xn--p1ai": "a@example.xn--p1ai",
    "jörg@example.test": "jörg@example.test",
    "用户@example.test": "用户@example.test",
    "δοκιμή@παράδειγμα.example": "δοκιμή@xn--hxajbheg2az3al.example",
    " ada@example.test ": "ada@example.test",
    "\tada@example.test\t": "ada@example.test",
    "\u00a0ada@example.test\u00a0": "ada@example.test",
    "\ufeffada@example.test": "ada@example.test",
    "\u200bada@example.test\u200d\u2060": "ada@example.test",
    "a@a--b.example": "a@a--b.example",
}

INVALID = [
    "", " ", "@", "ada", "ada@", "@example.test", "ada@example", "ada@@example.test", "ada@exa mple.test",
    "a da@example.test", "ada@example.test\r\n", "ada@example.test\n", "\nada@example.test", "ada\r\n@example.test",
    "ada@example.test>\r\nRCPT TO:<eve@example.test", "ada>@example.test", "<ada@example.test>", "ada\0@example.test",
    "ada@exam\0ple.test", "a@b.example, e@x.example", "a@b.example,e@x.example", "a@b.example;e@x.example",
    "Ada <ada@example.test>", '"ada lovelace"@example.test', '"ada"@example.test', "ada(comment)@example.test",
    "ada@(comment)example.test", "@relay.example:ada@example.test", "ada@[127.0.0.1]", "ada@[IPv6:::1]",
    "ada@127.0.0.1",
    "ada@localhost", ".ada@example.test", "ada.@example.test", "a..da@example.test", "ada@.example.test",
    "ada@example.test.", "ada@example..test", "ada@-example.test", "ada@example-.test", "ada@exa_mple.test",
    f"{'l' * 65}@example.test", f"{'ö' * 33}@example.test", f"a@{'d' * 64}.example",
    f"a@{'.'.join(['d' * 62] * 4)}.example", f"{'ab.' * 80}a@example.test", "ada@example.c", "ada@example.1com",
    "ada@ex\u00adample.test", "ada@ex\u200bample.test", "a\u200bda@example.test", "a\u00a0da@example.test",
    "ada@\u2121.example", "ada@example\uff0etest", "ada@example\u3002test", "ada@ex\u0430mple\u2024test",
    "ada\uff20example.test", "ada\uff20example.test@evil.example", "ada\ufe6b@example.test", "a\uff0cb@example.test",
    "ada@xn--.example", "ada@xn--a.example", "ada@☃.example", "a☃@example.test", "ada@ex\ud800ample.test",
    "a\ud800@example.test", "ada@example.test\u2028", "ada@example.test\x0b", "ada\x7f@example.test",
    "a\\@example.test",
    "ada@example.test:25", "mailto:ada@example.test", "ada@example,test", "ada@b\u00fccher", "ada@\u0301.example",
]  # fmt: skip


@pytest.mark.parametrize(("text", "mailbox"), VALID.items())
def test_t07_t08_a_valid_address_is_accepted_and_normalised(text: str, mailbox: str) -> None:
    parsed = parse_email(text)
    assert isinstance(parsed, EmailAddress)
    assert parsed.mailbox == mailbox
    assert is_mailbox(parsed.mailbox)
    assert parsed.needs_smtputf8 is not mailbox.isascii()
    assert parsed.key == email_key(text) == email_key(mailbox) == email_key(parsed.key)


@pytest.mark.parametrize("text", INVALID)
def test_t05_t06_t07_anything_else_is_refused_with_a_sentence(text: str) -> None:
    parsed = parse_email(text)
    assert isinstance(parsed, AddressFault)
    assert parsed.rule
    assert parsed.message
    assert not is_mailbox(text)
    assert email_key(email_key(text)) == email_key(text)


def test_t09_a_look_alike_domain_is_shown_in_punycode_and_marked() -> None:
    parsed = parse_email("ceo@\u0430pple.example")  # the first letter is Cyrillic
    assert isinstance(parsed, EmailAddress)
    assert parsed.mailbox == "ceo@xn--pple-43d.example"
    assert parsed.mixed_script
    honest = parse_email("ceo@яблоко.example")
    assert isinstance(honest, EmailAddress)
    assert not honest.mixed_script


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kate@example.test", "\u212aate@example.test"),
        ("KATE@EXAMPLE.TEST", "kate@example.test"),
        ("istanbul@example.test", "İstanbul@example.test"),
        ("istanbul@example.test", "\u0131stanbul@example.test"),
        ("strasse@example.test", "straße@example.test"),
        ("STRASSE@example.test", "straẞe@example.test"),
        ("sun@example.test", "\u017fun@example.test"),
        ("ada@example.test", "ada\uff20example.test"),
        ("ada@example.test", "\uff21da@EXAMPLE.test"),
        ("jörg@example.test", "JO\u0308RG@example.test"),
        ("a@bücher.example", "A@xn--bcher-kva.EXAMPLE"),
        ("ada@example.test", "\u00a0ada@example.test\u200b"),
        ("σίσυφος@example.test", "ΣΊΣΥΦΟΣ@example.test"),
        ("fi@example.test", "\ufb01@example.test"),
    ],
)
def test_t10_spellings_that_some_system_folds_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


def test_t10_different_people_keep_different_keys() -> None:
    keys = {email_key(f"{name}@example.test") for name in ("ada", "a.da", "ada+1", "adá", "ada_", "bda")}
    assert len(keys) == 6


@given(st.text(max_size=40))
@example("ΐ@example.test")
@example("ﬃ@example.test")
@example("\u02bcn@example.test")
@settings(max_examples=400, deadline=None)
def test_t10_the_key_of_a_key_is_itself(text: str) -> None:
    key = email_key(text)
    assert email_key(key) == key
    assert email_key(f" {text}\t") == key


@given(st.text(max_size=60) | st.from_regex(r"[a-zA-Z.\x00-\x20<>,;\"()-]{1,20}@[a-zA-Z.\x00-\x20<>,;\"()-]{1,20}"))
@settings(max_examples=600, deadline=None)
def test_t05_an_accepted_address_never_holds_what_ends_a_command(text: str) -> None:
    parsed = parse_email(text)
    if isinstance(parsed, EmailAddress):
        assert not set(parsed.mailbox) & set('\r\n\0 \t<>,;:()[]"\\')
        assert parsed.mailbox.count("@") == 1
        assert parsed.mailbox.rpartition("@")[2].isascii()
        assert parse_email(parsed.mailbox) == parsed


@pytest.mark.parametrize("hostile", ["a" * 100_000, "a." * 50_000 + "@", "@" * 50_000, "a@" + "a." * 50_000,
                                     "a@" + "a-" * 120, "ä@" + "a" * 250, "a" * 253 + "@", "." * 254])  # fmt: skip
def test_t67_hostile_text_is_refused_in_linear_time(hostile: str) -> None:
    begun = time.process_time()
    assert isinstance(parse_email(hostile), AddressFault)
    assert time.process_time() - begun < 5, "in quadratic time it would take minutes"


@pytest.mark.parametrize(
    ("text", "name", "mailbox"),
    [
        ("news@example.test", "", "news@example.test"),
        ("News <news@example.test>", "News", "news@example.test"),
        ("<news@example.test>", "", "news@example.test"),
        ('"Acme, Inc." <news@example.test>', "Acme, Inc.", "news@example.test"),
        ("Bücher & Co <news@bücher.example>", "Bücher & Co", "news@xn--bcher-kva.example"),
    ],
)
def test_a_sender_is_read_with_or_without_its_name(text: str, name: str, mailbox: str) -> None:
    parsed = parse_mailbox(text)
    assert isinstance(parsed, Mailbox)
    assert (parsed.name, parsed.address.mailbox) == (name, mailbox)


@pytest.mark.parametrize(
    "text",
    [
        "Bob <evil@x.example>, <news@example.test>", "Bob <evil@x.example> <news@example.test>",
        "=?utf-8?q?evil=40x=2Etest=2C?= <news@example.test>", "Bob\r\nBcc: x <news@example.test>",
        "Bob\0 <news@example.test>", "Bob\u2028 <news@example.test>", "Bob\x85 <news@example.test>",
        "Bob\x0b <news@example.test>", "Bob\u202eevil <news@example.test>", 'B"ob <news@example.test>',
        "B\\ob <news@example.test>", f"{'b' * 201} <news@example.test>", "Bob <news@example>", "Bob", "",
        "Jörg <jörg@example.test>", "a@b.example, c@d.example",
    ],
)  # fmt: skip
def test_t01_t03_t04_a_name_that_could_become_an_address_or_header_is_refused(text: str) -> None:
    assert isinstance(parse_mailbox(text), AddressFault)
