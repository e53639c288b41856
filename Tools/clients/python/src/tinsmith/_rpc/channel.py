"""A connection to a service: one socket, one I/O thread, any number of streams."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Sequence

import zmq

from tinsmith._rpc.call import UNREADABLE, Answer, Call, Stream
from tinsmith._rpc.connection import Connection
from tinsmith._rpc.endpoint import check_endpoint
from tinsmith._rpc.headers import Headers
from tinsmith._rpc.inbox import Inbox
from tinsmith._rpc.liveness import Due, Liveness
from tinsmith._rpc.process import here
from tinsmith._rpc.rules import Limits
from tinsmith._rpc.table import CallTable
from tinsmith._rpc.watch import Watch
from tinsmith.errors import InvalidArgumentError, TinsmithError, UnavailableError
from tinsmith.v1 import envelope_pb2 as pb

log = logging.getLogger("tinsmith.rpc")

BATCH = 256
"""Most messages that are received before others are sent."""

Event = tuple[str, "Sequence[Call] | str"]
"""`submit` or `cancel` with calls, or `token` with the session's token."""

_open_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


class Channel:
    """Sends calls and resolves their futures.

    When the connection is lost the channel opens another one and sends again what has no answer;
    requests keep their keys, so nothing runs twice. Futures are resolved on the I/O thread.

    Args:
        endpoint: where the service listens, e.g. `tcp://host:7410`.
        max_inflight_bytes: encoded bytes kept in this process; `reserve` waits above that.
        patience: seconds that UNAVAILABLE and its like, or silence, are waited out.
        ask_after: a request without a word for so many seconds is asked for, and logged.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        max_inflight_bytes: int = 256 << 20,
        patience: float = 300.0,
        ask_after: float = 30.0,
    ) -> None:
        self.endpoint = check_endpoint(endpoint)
        self.control = Stream("")
        """Calls outside of any session."""
        self._context = zmq.Context()
        self._limits = Limits(patience=patience, ask_after=ask_after)
        self.process = here()
        """Where its thread is."""
        self._table = CallTable(self._limits)
        self._inbox: Inbox[Event] = Inbox()
        self._stopping = False
        self._ended = False
        self._failure: TinsmithError = UnavailableError("the channel was closed")
        self._headers = Headers()
        self._max_inflight_bytes = max_inflight_bytes
        self._room = threading.Condition()
        self._added_bytes = 0
        self._is_blocked = False
        self._waiting_for_room = 0
        self._watch = Watch(ask_after)
        self._liveness = Liveness(time.monotonic())
        self._connection = self._first_connection()
        self._thread = threading.Thread(target=self._run, name="tinsmith-rpc", daemon=True)
        self._thread.start()
        _open_channels.add(self)

    # For any thread.

    def reserve(self, size: int, wait: bool = True) -> None:
        """Counts bytes that will be submitted; waits while those of earlier calls are too many.

        The I/O thread, which makes room, never waits.

        Raises:
            FailedPreconditionError: this is a forked child.
        """
        self.process.check()
        with self._room:
            if wait and threading.current_thread() is not self._thread:
                while not self.has_room() and not self._stopping:
                    self._waiting_for_room += 1
                    try:
                        self._room.wait(1.0)
                    finally:
                        self._waiting_for_room -= 1
            self._added_bytes += size

    def submit(self, stream: Stream, calls: Sequence[Call]) -> None:
        """Hands over calls whose bytes were reserved, and returns at once.

        Raises:
            FailedPreconditionError: this is a forked child.
        """
        self.process.check()
        for call in calls:
            call.stream = stream
        # The one step that counts: an interrupt comes before it or after it.
        self._post(("submit", calls))

    @property
    def is_open(self) -> bool:
        """Whether calls can be made on it, in this process."""
        return self.process.is_this and not self._stopping

    def has_room(self) -> bool:
        """Whether `reserve` would not wait."""
        return self._added_bytes - self._table.freed_bytes <= self._max_inflight_bytes

    def cancel(self, calls: Sequence[Call]) -> None:
        """Gives calls up; their futures say what became of them."""
        self._post(("cancel", calls))

    def use_token(self, token: str) -> None:
        """Sets the token of the session, sent with every call from now on."""
        self._post(("token", token))

    def close(self) -> None:
        """Ends the connection. Calls without an answer fail with `UnavailableError`."""
        if not self.process.is_this:
            return  # It is the parent's.
        self._stopping = True
        self._inbox.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _post(self, event: Event) -> None:
        self._inbox.put(event)
        if self._ended:
            self._fail_inbox()

    # The I/O thread.

    def _run(self) -> None:
        try:
            while not self._stopping:
                is_busy = self._take_inbox()
                self._send_allowed()
                is_busy |= self._receive()
                self._resolve()
                self._tick()
                if not is_busy:
                    self._sleep()
        except Exception as error:
            log.exception("the channel failed")
            self._failure = UnavailableError(f"the channel failed: {error}")
        finally:
            self._stopping = self._ended = True
            self._table.fail_all(self._failure)
            self._resolve()
            self._fail_inbox()
            self._connection.close()
            self._context.term()
            self._inbox.close()

    def _take_inbox(self) -> bool:
        events = self._inbox.take()
        if not events:
            return False
        now = time.monotonic()
        table = self._table
        for kind, what in events:
            if isinstance(what, str):
                self._headers.token = what
                continue
            for call in what:
                if kind == "submit":
                    table.submit(call, now)
                elif table.cancel(call):
                    self._send_header(pb.METHOD_FUTURES_CANCEL, call)
        return True

    def _fail_inbox(self) -> None:
        for _, what in self._inbox.take():
            for call in what if not isinstance(what, str) else ():
                if not call.future.done():
                    call.future.set_exception(self._failure)

    def _send_allowed(self) -> None:
        table = self._table
        now = time.monotonic()
        while (call := table.next_call()) is not None:
            method = pb.METHOD_FUTURES_AWAIT if call.is_accepted else call.method
            header = self._headers.of_call(method, call, table.acked(call))
            if not self._connection.send(header, call.frames):
                self._is_blocked = True
                return
            table.sent(call, now)
            if call.is_cancelled and table.cancel(call):
                self._send_header(pb.METHOD_FUTURES_CANCEL, call)
        self._is_blocked = False

    def _send_header(self, method: pb.Method, call: Call) -> None:
        self._connection.send(self._headers.of_call(method, call, self._table.acked(call)), [])

    def _receive(self) -> bool:
        received = self._connection.receive(BATCH)
        if not received:
            return False
        parse, answered = pb.ResponseHeader.FromString, self._table.answered
        now = time.monotonic()
        self._liveness.heard(now)
        for frames in received:
            try:
                header = parse(frames[0])
            except UNREADABLE as error:
                log.warning("a response header was not readable: %s", error)
            else:
                answered(header, frames[1:], now)
        return True

    def _resolve(self) -> None:
        """Completes futures, after a batch: whoever waits is woken once for all of them."""
        ended = self._table.ended
        if not ended:
            return
        self._table.ended = []
        for call, outcome in ended:
            future = call.future
            if future.done():
                continue
            if isinstance(outcome, Answer):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        if self._waiting_for_room and self.has_room():
            with self._room:
                self._room.notify_all()

    def _tick(self) -> None:
        now = time.monotonic()
        if (next_time := self._table.next_time()) is not None and next_time <= now:
            self._table.tick(now)
            self._ask(now)
            self._resolve()
        match self._liveness.due(now, self._table.outstanding_requests > 0):
            case Due.RECONNECT:
                self._reconnect(now)
            case Due.HEARTBEAT:
                self._connection.send(self._headers.of_heartbeat(), [])
        if self._liveness.silence >= self._limits.patience:
            self._give_up(now)
        if self._watch.is_due(now):
            self._report(now)

    def _ask(self, now: float) -> None:
        """Asks for answers that may be lost: their requests, or they, may be on no way any more."""
        for call in self._table.questions(now):
            if call.stream.name:
                self._send_header(pb.METHOD_FUTURES_AWAIT, call)
            else:
                # Nobody keeps answers for a connection.
                header = self._headers.of_call(call.method, call, 0)
                self._connection.send(header, call.frames)

    def _give_up(self, now: float) -> None:
        error = UnavailableError(
            f"nothing was heard of {self.endpoint} for {self._liveness.silence:.0f} s: "
            "is the address right, and does a service listen there?"
        )
        self._table.give_up_silent(now, error)
        self._resolve()

    def _report(self, now: float) -> None:
        """Says what is waited for, if it is the same for long: once so that everybody sees it."""
        if (found := self._watch.look(self._table.oldest(), now)) is not None:
            level, line = found
            rest = "; %d requests are with %s, of which nothing was heard for %.0f s"
            silence = self._liveness.silence
            log.log(level, line + rest, self._table.outstanding_requests, self.endpoint, silence)

    def _sleep(self) -> None:
        if not self._inbox.prepare_to_sleep():
            return
        wait = 0.01 if self._is_blocked else 0.5
        if (next_time := self._table.next_time()) is not None:
            wait = min(wait, max(0.001, next_time - time.monotonic()))
        is_lost = not self._stopping and self._connection.wait(wait)
        self._inbox.woke_up()
        if is_lost:
            self._reconnect(time.monotonic())

    def _reconnect(self, now: float) -> None:
        log.warning("the connection to %s is lost; connecting again", self.endpoint)
        self._connection.close()
        self._connection = self._connect()
        self._liveness.connected(now)
        self._table.connection_lost()

    def _first_connection(self) -> Connection:
        try:
            return self._connect()
        except zmq.ZMQError as error:
            raise InvalidArgumentError(f"{self.endpoint}: {error}", "base_url") from error

    def _connect(self) -> Connection:
        return Connection(self._context, self.endpoint, self._inbox.descriptor)


@atexit.register
def _close_all() -> None:
    """A socket that is open when the interpreter ends would keep ZeroMQ's context alive."""
    for channel in list(_open_channels):
        channel.close()
