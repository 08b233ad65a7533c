"""What the client does with a server's extensions, and without them (T05, T15, RFC 1870, 2920, 6152, 6531)."""

from __future__ import annotations

import email as stdlib_email
import email.policy
from email.message import EmailMessage

import pytest
from tests.support.letters import email as letter
from tests.support.letters import sent_through, sent_to, smtp
from tests.support.sink import Manners, Sink

from clarion.domain.outcome import Reason, Verdict
from clarion.rendering.email import body_frame, content_type

TEXT, HTML, END = body_frame("b0")
EIGHT_BIT = (
    f"Subject: hello\r\n{content_type('b0')}\r\n{TEXT}..Grüße aus Köln\r\n{HTML}<p>Grüße aus Köln</p>\r\n{END}".encode()
)


async def test_t15_eight_bit_content_goes_as_it_is_where_that_is_announced() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        (outcome,) = await sent_through(channel, [letter("reader@town.test", EIGHT_BIT, is_8bit=True)])
        assert outcome.verdict is Verdict.SENT
        (acceptance,) = sink.accepted
        assert "BODY=8BITMIME" in acceptance.mail_parameters
        assert acceptance.data == EIGHT_BIT.replace(b"\r\n..", b"\r\n.")


async def test_t15_eight_bit_content_is_encoded_for_a_server_that_takes_seven_bits() -> None:
    async with Sink(Manners(eightbitmime=False)) as sink, smtp(sink.port) as channel:
        (outcome,) = await sent_through(channel, [letter("reader@town.test", EIGHT_BIT, is_8bit=True)])
        assert outcome.verdict is Verdict.SENT
        (acceptance,) = sink.accepted
        assert not any(word.startswith("BODY") for word in acceptance.mail_parameters)
        assert acceptance.data.isascii()
        parsed = stdlib_email.message_from_bytes(acceptance.data, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        text, html = parsed.iter_parts()
        assert text.get_content().strip() == ".Grüße aus Köln"
        assert html.get_content().strip() == "<p>Grüße aus Köln</p>"


async def test_t15_eight_bit_content_that_cannot_be_encoded_fails_and_is_never_sent() -> None:
    message = letter("reader@town.test", "Subject: hello\r\n\r\nGrüße\r\n".encode(), is_8bit=True)
    async with Sink(Manners(eightbitmime=False)) as sink, smtp(sink.port) as channel:
        (outcome,) = await sent_through(channel, [message])
        assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, Reason.MESSAGE_REJECTED)
        assert sink.accepted == []


async def test_t15_a_utf8_address_is_sent_where_smtputf8_is_announced() -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        (outcome,) = await sent_to(channel, "jürgen@town.test")
        assert outcome.verdict is Verdict.SENT
        assert sink.recipients() == ["jürgen@town.test"]
        assert "SMTPUTF8" in sink.accepted[0].mail_parameters


@pytest.mark.parametrize(("to", "mail_from"), [("jürgen@town.test", "a@b.test"), ("a@b.test", "jürgen@shop.test")])
async def test_t15_a_utf8_address_without_smtputf8_fails_alone_and_is_never_sent(to: str, mail_from: str) -> None:
    async with Sink(Manners(smtputf8=False)) as sink, smtp(sink.port) as channel:
        messages = [letter(to, mail_from=mail_from), letter("reader@town.test")]
        refused, sent = await sent_through(channel, messages)
        assert (refused.verdict, refused.reason) == (Verdict.FAILED, Reason.UNSUPPORTED_ADDRESS)
        assert sent.verdict is Verdict.SENT
        assert sink.recipients() == ["reader@town.test"]


@pytest.mark.parametrize(
    "hostile",
    [
        "a@b.test>\r\nRCPT TO:<evil@x.test",
        "a@b.test\nRSET",
        "a@b.test> SIZE=1",
        "a b@c.test",
        "a\0@b.test",
        "a@b.test\u2028",
        "a@b.test\x85",
        "a\ud800@b.test",
        "<a@b.test",
    ],
)
async def test_t05_an_address_that_could_end_a_command_never_reaches_the_wire(hostile: str) -> None:
    async with Sink() as sink, smtp(sink.port) as channel:
        message = letter("reader@town.test")
        outcomes = await sent_through(
            channel, [message._replace(rcpt_to=hostile), message._replace(mail_from=hostile), message]
        )
        assert [(outcome.verdict, outcome.reason) for outcome in outcomes[:2]] == [
            (Verdict.FAILED, Reason.INVALID_ADDRESS)
        ] * 2
        assert outcomes[2].verdict is Verdict.SENT
        assert sink.recipients() == ["reader@town.test"]
        assert not any("evil" in command or "RSET" in command for command in sink.commands)


async def test_a_message_over_the_announced_size_fails_without_being_sent() -> None:
    async with Sink(Manners(size=1000)) as sink, smtp(sink.port) as channel:
        small = letter("reader@town.test")
        big = letter("other@town.test", b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 500)
        refused, sent = await sent_through(channel, [big, small])
        assert (refused.verdict, refused.reason) == (Verdict.FAILED, Reason.TOO_BIG)
        assert "1000" in refused.reply
        assert sent.verdict is Verdict.SENT
        assert f"SIZE={len(small.data)}" in sink.accepted[0].mail_parameters
        assert not any("other@" in command for command in sink.commands)


async def test_a_server_that_knows_only_helo_gets_plain_old_mail() -> None:
    async with Sink(Manners(ehlo=False)) as sink, smtp(sink.port) as channel:
        messages = [letter(f"reader{number}@town.test", EIGHT_BIT, is_8bit=True) for number in range(5)]
        outcomes = await sent_through(channel, messages)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert {acceptance.mail_parameters for acceptance in sink.accepted} == {()}
        assert all(acceptance.data.isascii() for acceptance in sink.accepted)


async def test_an_odd_ehlo_reply_is_read_as_far_as_it_makes_sense() -> None:
    reply = b"250-sink.test\r\n250-\r\n250-SIZE nonsense\r\n250-PIPELINING\r\n250-X\xff\r\n250 8bitmime\r\n"
    async with Sink(Manners(ehlo_reply=reply)) as sink, smtp(sink.port) as channel:
        outcomes = await sent_through(channel, [letter("reader@town.test", EIGHT_BIT, is_8bit=True)])
        assert outcomes[0].verdict is Verdict.SENT
        assert "BODY=8BITMIME" in sink.accepted[0].mail_parameters


@pytest.mark.parametrize("pipelining", [True, False])
async def test_every_message_arrives_as_its_own_bytes(*, pipelining: bool) -> None:
    messages = [
        letter(f"reader{number}@town.test", b"Subject: %d\r\n\r\n..\r\n%d\r\n" % (number, number))
        for number in range(500)
    ]
    async with Sink(Manners(pipelining=pipelining)) as sink, smtp(sink.port) as channel:
        outcomes = await sent_through(channel, messages)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        arrived = {acceptance.rcpt_to[0]: acceptance.data for acceptance in sink.accepted}
        assert arrived == {message.rcpt_to: message.data.replace(b"\r\n..", b"\r\n.") for message in messages}
        assert len(sink.accepted) == len(messages)
