"""The mail catcher: what it accepts it counts at the final dot, and what it shows cannot do anything."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

from tests.support.patience import PATIENCE_S

from clarion.entrypoints.cli.catcher import Catcher
from clarion.entrypoints.cli.mailbox import Mailbox


def _letter(subject: str = "Hello", html: str = "<p>Hello</p>", text: str = "Hello\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "seeds@sender.example"
    message["To"] = "ada@mail.example"
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


async def _send(port: int, *messages: EmailMessage) -> None:
    def converse() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.example") as client:
            for message in messages:
                client.send_message(message)

    await asyncio.to_thread(converse)


async def test_a_message_is_kept_exactly_as_its_author_wrote_it(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    catcher = Catcher(mailbox)
    await _send(await catcher.start(), _letter(text=".\n..two dots\nend\n"))
    mailbox.write(catcher.total)
    await catcher.close()
    assert b"\r\n.\r\n..two dots\r\nend\r\n" in (tmp_path / "0001.eml").read_bytes()


async def test_pipelined_messages_are_counted_one_by_one() -> None:
    catcher = Catcher()
    reader, writer = await asyncio.open_connection("127.0.0.1", await catcher.start())
    envelope = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<%b@mail.example>\r\nDATA\r\n"
    writer.write(
        b"EHLO x\r\n" + b"".join(envelope % name + b"Hi\r\n.\r\n" for name in (b"a", b"b", b"a")) + b"QUIT\r\n"
    )
    answers = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    await catcher.close()
    assert answers.count(b"Caught") == 3
    assert catcher.received == {"a@mail.example": 2, "b@mail.example": 1}
    assert catcher.repeated == ["a@mail.example"]


async def test_a_message_cut_before_its_final_dot_is_not_counted() -> None:
    catcher = Catcher()
    reader, writer = await asyncio.open_connection("127.0.0.1", await catcher.start())
    writer.write(b"EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<a@mail.example>\r\nDATA\r\nHi\r\n.\r")
    await asyncio.wait_for(reader.readuntil(b"354 Go on\r\n"), PATIENCE_S)
    writer.close()
    await writer.wait_closed()
    await catcher.close()
    assert catcher.total == 0


async def test_a_caught_message_is_shown_without_its_powers(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    catcher = Catcher(mailbox)
    hostile = _letter(
        subject="<script>alert(1)</script>", html='<script>alert(2)</script>"><img src=x onerror=alert(3)>'
    )
    await _send(await catcher.start(), hostile)
    index = mailbox.write(catcher.total).read_text("utf-8")
    page = (tmp_path / "0001.html").read_text("utf-8")
    await catcher.close()
    assert "<script" not in index + page
    assert "<img" not in page
    assert '<iframe sandbox="" srcdoc="' in page
    assert "default-src 'none'" in page


async def test_more_messages_than_the_limit_are_counted_and_let_go(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, limit=2)
    catcher = Catcher(mailbox)
    await _send(await catcher.start(), _letter(), _letter(), _letter())
    mailbox.write(catcher.total)
    await catcher.close()
    assert catcher.total == 3
    assert sorted(path.name for path in tmp_path.glob("*.eml")) == ["0001.eml", "0002.eml"]
