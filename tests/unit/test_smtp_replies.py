"""Reply grammar: any cutting of the stream gives the same replies, and hostile replies are refused, not kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.adapters.channels.smtp.capabilities import read_capabilities
from clarion.adapters.channels.smtp.outcomes import Phase, refusal
from clarion.adapters.channels.smtp.replies import (
    LINE_LIMIT,
    REPLY_LINES_LIMIT,
    GarbledReply,
    ReplyReader,
    parse_reply,
    reply_text,
)
from clarion.domain.outcome import REPLY_LIMIT, Reason, Verdict

STREAM = b"250 one\r\n250-two\r\n250-2.1.0 more\r\n250 two\r\n354 go\n421 4.3.2 bye\r\n250\r\n"
REPLIES = [b"250 one\r", b"250-two\r\n250-2.1.0 more\r\n250 two\r", b"354 go", b"421 4.3.2 bye\r", b"250\r"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_replies_do_not_depend_on_how_the_stream_was_cut(cuts: list[int]) -> None:
    reader = ReplyReader()
    marks = [0, *sorted(cuts), len(STREAM)]
    replies = []
    for start, end in itertools.pairwise(marks):
        replies += reader.feed(STREAM[start:end])
    assert replies == REPLIES
    assert reader.empty


@given(st.binary(max_size=400))
def test_f47_any_bytes_are_a_reply_or_refused(noise: bytes) -> None:
    try:
        for raw in ReplyReader().feed(noise + b"\r\n"):
            reply = parse_reply(raw)
            assert 200 <= reply.code <= 599
            assert reply.text.isprintable()
    except GarbledReply:
        pass


def test_f47_a_line_of_more_than_two_kilobytes_is_refused_before_it_ends() -> None:
    reader = ReplyReader()
    assert reader.feed(b"250 " + b"x" * (LINE_LIMIT - 4)) == []
    assert reader.fault is None
    assert reader.feed(b"x") == []
    assert reader.fault is not None


def test_f47_a_reply_without_end_is_refused() -> None:
    reader = ReplyReader()
    for _ in range(REPLY_LINES_LIMIT):
        reader.feed(b"250-more\r\n")
    assert reader.fault is None
    reader.feed(b"250-more\r\n")
    assert reader.fault is not None


def test_f47_a_good_reply_in_front_of_nonsense_is_heard() -> None:
    reader = ReplyReader()
    assert reader.feed(b"250 accepted\r\n" + b"x" * 10_000) == [b"250 accepted\r"]
    assert reader.fault is not None


@pytest.mark.parametrize("raw", [b"", b"\r", b"25 x", b"600 x", b"2500 x", b"HTTP/1.1 200 OK\r", b"250-a\r\n251 b\r"])
def test_f47_what_is_no_reply_is_refused(raw: bytes) -> None:
    with pytest.raises(GarbledReply):
        parse_reply(raw)


def test_the_words_kept_are_printable_short_and_on_one_line() -> None:
    raw = b"550-5.1.1 no\x1b[31m \xe2\x80\xaesuch\r\n550 5.1.1 user \xff" + b"x" * 900
    text = reply_text(raw)
    assert text.startswith("550 5.1.1 no")
    assert text.isprintable()
    assert len(text) == REPLY_LIMIT


def test_an_enhanced_code_that_contradicts_its_reply_is_not_believed() -> None:
    assert parse_reply(b"550 4.2.1 odd\r").enhanced is None
    assert parse_reply(b"550 5.2.1 right\r").enhanced == (5, 2, 1)


def test_extensions_are_read_whatever_their_case_and_order() -> None:
    raw = b"250-x.test hi\r\n250-Size 1000\r\n250-auth=LOGIN\r\n250-AUTH PLAIN LOGIN\r\n250 pipelining\r"
    can = read_capabilities(parse_reply(raw))
    assert (can.pipelining, can.size, can.size_limit) == (True, True, 1000)
    assert can.auth == {"PLAIN", "LOGIN"}
    assert not can.eightbitmime


@pytest.mark.parametrize("parameter", ["", " lots", " -1", " \u0661\u0662", " " + "9" * 30])
def test_a_size_that_is_no_number_is_no_limit(parameter: str) -> None:
    can = read_capabilities(parse_reply(b"250-x.test\r\n250 SIZE" + parameter.encode() + b"\r"))
    assert (can.size, can.size_limit) == (True, 0)


@pytest.mark.parametrize(
    ("phase", "reply", "verdict", "reason"),
    [
        (Phase.MAIL, "451 4.3.0 later", Verdict.RETRY, Reason.DEFERRED),
        (Phase.RCPT, "450 4.2.2 full just now", Verdict.RETRY, Reason.DEFERRED),
        (Phase.RCPT, "421 4.7.0 slow down", Verdict.RETRY, Reason.THROTTLED),
        (Phase.RCPT, "503 5.5.1 MAIL first", Verdict.RETRY, Reason.DEFERRED),
        (Phase.MAIL, "530 5.7.0 log in", Verdict.RETRY, Reason.AUTH_FAILED),
        (Phase.MAIL, "550 5.1.8 bad sender", Verdict.FAILED, Reason.POLICY_REJECTED),
        (Phase.MAIL, "552 message size exceeds", Verdict.FAILED, Reason.TOO_BIG),
        (Phase.RCPT, "550 no such user", Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (Phase.RCPT, "550 5.5.0 mailbox unavailable", Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (Phase.RCPT, "550 5.3.2 closed for today", Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (Phase.RCPT, "500 what", Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (Phase.RCPT, "550 5.1.1 no such user", Verdict.FAILED, Reason.ADDRESS_UNKNOWN),
        (Phase.RCPT, "550 5.7.1 blocked", Verdict.FAILED, Reason.POLICY_REJECTED),
        (Phase.RCPT, "550 5.2.1 disabled", Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (Phase.RCPT, "552 5.2.2 full", Verdict.FAILED, Reason.MAILBOX_FULL),
        (Phase.RCPT, "552 5.3.4 too big", Verdict.FAILED, Reason.TOO_BIG),
        (Phase.RCPT, "554 relay access denied", Verdict.FAILED, Reason.POLICY_REJECTED),
        (Phase.RCPT, "550 5.4.4 host not found", Verdict.FAILED, Reason.ADDRESS_REJECTED),
        (Phase.RCPT, "553 5.6.7 ASCII please", Verdict.FAILED, Reason.UNSUPPORTED_ADDRESS),
        (Phase.DATA, "554 no", Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (Phase.DOT, "550 5.6.0 broken MIME", Verdict.FAILED, Reason.MESSAGE_REJECTED),
        (Phase.DOT, "550 5.7.1 spam", Verdict.FAILED, Reason.POLICY_REJECTED),
        (Phase.DOT, "552 too much", Verdict.FAILED, Reason.TOO_BIG),
        (Phase.DOT, "554 5.1.1 user unknown", Verdict.FAILED, Reason.ADDRESS_UNKNOWN),
        (Phase.DOT, "535 odd place", Verdict.FAILED, Reason.MESSAGE_REJECTED),
    ],
)
def test_f39_f40_a_refusal_has_one_meaning(phase: Phase, reply: str, verdict: Verdict, reason: Reason) -> None:
    outcome = refusal(phase, parse_reply(reply.encode() + b"\r"))
    assert (outcome.verdict, outcome.reason, outcome.reply) == (verdict, reason, reply)
