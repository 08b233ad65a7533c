"""Messages over one open connection: an explicit state machine, one round trip a message.

With PIPELINING (RFC 2920) `MAIL RCPT DATA` go as one group, and the group of the next message is written right behind
the data of the last; the data itself waits for its 354. Without it every command waits its turn. Here it is decided
what a broken conversation means: before the final dot nothing was sent, after it nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clarion import failpoints
from clarion.adapters.channels.smtp.capabilities import Capabilities
from clarion.adapters.channels.smtp.connection import Connection
from clarion.adapters.channels.smtp.outcomes import refusal
from clarion.adapters.channels.smtp.replies import Reply, parse_reply, reply_text
from clarion.adapters.channels.smtp.stages import (
    BODY,
    CLOSED,
    DATA,
    DOT,
    EXPECTED,
    IDLE,
    LEAVING,
    MAIL,
    PHASES,
    RCPT,
    RESET,
    Owner,
    patience,
)
from clarion.adapters.channels.smtp.supply import Supply, Taken
from clarion.adapters.channels.smtp.timeouts import Timeouts
from clarion.domain.outcome import Outcome, Reason

_WHOLE_LIMIT: Final = 32_768
"""Bytes of data up to which one copied write is cheaper than two. Above, the dot waits for the data to leave."""


class Exchange:
    """One connection's messages, from the first MAIL to QUIT. A connection's listener."""

    def __init__(
        self, connection: Connection, can: Capabilities, owner: Owner, *, timeouts: Timeouts, limit: int
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._write: Callable[[bytes], None] = connection.transport.write
        self._supply = Supply(owner, can, limit=limit)
        self._pick = self._supply.pick
        self._pipelining = can.pipelining
        self._timeouts = timeouts
        self._stage = IDLE
        self._current: Taken | None = None
        self._next: Taken | None = None
        self._steps: list[bytes] = []
        self._tail = b""
        self._left_in_buffer = 0
        self._refused_at = IDLE
        self._reset = False
        self._lent = False
        self._words_last = b""
        self._sent_last = Outcome.sent("")
        self.finished = 0
        """Messages whose transaction came to an answer."""
        connection.listener = self

    # what the owner asks

    def start(self) -> None:
        """Begins with the next waiting message, if the exchange is idle and there is one."""
        if self._stage != IDLE:
            return
        taken = self._pick()
        if taken is not None:
            self._current = taken
            self._open(taken)
        elif self._supply.ended:
            self._leave()
        else:
            self._owner.rested(self)

    def retire(self) -> None:
        """Takes no more messages; leaves as soon as those in hand are done."""
        self._supply.end()
        if self._stage == IDLE:
            self._leave()

    def abandon(self, why: str) -> None:
        """Gives the connection up now."""
        if self._stage != CLOSED:
            self._connection.give_up(why)

    def excuse(self, late_s: float) -> None:
        """Moves every deadline by seconds in which nobody could look at the answers."""
        self._connection.answered_at += late_s

    def check(self, now: float) -> None:
        """Looks at the deadlines; called a few times a second."""
        waited = now - self._connection.answered_at
        stage = self._stage
        if stage == IDLE:
            if waited > self._timeouts.idle:
                self._leave()
        elif stage == BODY:
            self._check_progress(waited)
        elif waited > (limit := patience(stage, self._timeouts)):
            self._connection.give_up(f"no answer to {PHASES.get(stage, 'QUIT')} within {limit:g} s")
        elif stage == DOT and self._next is not None and waited > self._timeouts.lend and self._owner.wants_loan():
            self._lend()

    # what the connection tells

    def on_replies(self, replies: list[bytes]) -> None:
        """Takes replies in order; the common ones cost one comparison each."""
        for reply in replies:
            stage = self._stage
            if reply[:3] != EXPECTED[stage]:
                self._on_other(stage, reply)
            elif stage == DOT:
                self._accepted(reply)
            elif stage == DATA:
                self._send_data()
            else:
                self._step(stage)

    def on_writable(self) -> None:
        """The data of a large message has left the buffer: its dot may follow."""
        if self._stage == BODY:
            self._send_dot()

    def on_lost(self, why: str) -> None:
        """Settles or gives back what was in hand."""
        stage, self._stage = self._stage, CLOSED
        if stage == CLOSED:
            return
        current, following = self._current, self._next
        self._current = self._next = None
        if current is not None and not self._refused_at:
            self._settle_lost(current, stage, why)
        if following is not None and not self._owner.give_back(following[0], following[1]):
            following[0].settle(following[1], Outcome.retry(Reason.CONNECTION_LOST, why))
        self._owner.ended(self)

    # the way of a message

    def _open(self, taken: Taken) -> None:
        self._connection.touch()
        group = taken[2]
        if self._reset:
            group = b"RSET\r\n" + group
        self._stage = RESET if self._reset else MAIL
        self._reset = False
        if self._pipelining:
            self._write(group)
        else:
            self._steps = group.splitlines(keepends=True)[::-1]
            self._write(self._steps.pop())

    def _step(self, stage: int) -> None:
        if failpoints.ARMED:
            failpoints.failpoint("after_mail")
        self._stage = stage + 1
        if not self._pipelining:
            self._write(self._steps.pop())

    def _send_data(self) -> None:
        current = self._current
        if current is None or self._refused_at == MAIL:
            # A server that refused the sender and still wants data is not to be trusted with a dot.
            self._connection.give_up("the server asked for data after refusing the sender")
            return
        # RFC 2920 §3.1: recipient refused, DATA taken all the same: end it with a lone dot.
        data = current[3] if not self._refused_at else b""
        tail = b".\r\n"
        if self._pipelining:
            following = self._next = self._pick()
            if following is not None:
                tail = b".\r\n" + following[2]
        if len(data) <= _WHOLE_LIMIT:
            self._stage = DOT
            if failpoints.ARMED:
                failpoints.failpoint("before_dot")
            self._write(data + tail)
            return
        self._stage = BODY
        self._tail = tail
        self._write(data)
        failpoints.failpoint("mid_data")
        self._left_in_buffer = len(data)
        if not self._connection.paused:
            self._send_dot()

    def _send_dot(self) -> None:
        self._stage = DOT
        self._connection.touch()
        tail, self._tail = self._tail, b""
        self._write(tail)

    def _accepted(self, reply: bytes) -> None:
        current = self._current
        if current is not None and not self._refused_at:
            if reply != self._words_last:
                self._words_last = reply
                self._sent_last = Outcome.sent(reply_text(reply))
            current[0].settle(current[1], self._sent_last)
        self._finish()

    def _finish(self) -> None:
        self.finished += 1
        self._refused_at = IDLE
        self._current = following = self._next
        if self._lent:
            self._current = None
            self._connection.give_up("left, its message having been taken elsewhere")
        elif following is not None:
            self._next = None
            self._stage = MAIL
        else:
            self._stage = IDLE
            self.start()

    # what seldom happens

    def _on_other(self, stage: int, raw: bytes) -> None:
        if stage == CLOSED:
            return
        if stage in {IDLE, LEAVING}:
            # A goodbye, asked for or not.
            self._connection.give_up("the server said goodbye")
            return
        reply = parse_reply(raw)
        if reply.code == 421:
            self._on_shutdown(stage, reply)
        elif reply.code >= 400 and stage != RESET:
            self._on_refusal(stage, reply)
        elif stage in {MAIL, RCPT} and reply.code < 300:
            self._step(stage)
        elif stage == DOT and reply.code < 300:
            self._accepted(raw)
        else:
            self._connection.give_up(f"out of step: {reply.text}")

    def _on_refusal(self, stage: int, reply: Reply) -> None:
        self._refuse(stage, reply)
        if stage == BODY:
            self._connection.give_up("the server refused the message while it was being written")
        elif stage == DOT:
            self._finish()
        elif stage == DATA or not self._pipelining:
            self._reset = True
            self._finish()
        else:
            self._stage = stage + 1

    def _refuse(self, stage: int, reply: Reply) -> None:
        current = self._current
        if current is None or self._refused_at:
            return
        self._refused_at = stage
        current[0].settle(current[1], refusal(PHASES[stage], reply))

    def _on_shutdown(self, stage: int, reply: Reply) -> None:
        # Before the data, a connection that has served may simply have come to its end: the message tries another.
        current = self._current
        if current is not None and not self._refused_at and not self._try_elsewhere(current, stage):
            self._refuse(stage, reply)
        self._current = None
        self._connection.give_up(reply.text)

    def _try_elsewhere(self, taken: Taken, stage: int) -> bool:
        return stage not in {BODY, DOT} and self.finished > 0 and self._owner.give_back(taken[0], taken[1])

    def _settle_lost(self, taken: Taken, stage: int, why: str) -> None:
        window, index = taken[0], taken[1]
        if stage == DOT:
            window.settle(index, Outcome.unknown(Reason.NO_ANSWER, why))
        elif not self._try_elsewhere(taken, stage):
            window.settle(index, Outcome.retry(Reason.CONNECTION_LOST, why))

    def _leave(self) -> None:
        self._stage = LEAVING
        self._connection.touch()
        self._write(b"QUIT\r\n")

    def _lend(self) -> None:
        following = self._next
        if following is not None and self._owner.give_back(following[0], following[1]):
            # Its DATA is already on its way here: after the awaited answer this connection can only be dropped.
            self._next = None
            self._lent = True

    def _check_progress(self, waited: float) -> None:
        left = self._connection.transport.get_write_buffer_size()
        if left < self._left_in_buffer:
            self._left_in_buffer = left
            self._connection.touch()
        elif waited > self._timeouts.block:
            self._connection.give_up(f"the server took no data for {self._timeouts.block:g} s")
