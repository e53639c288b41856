"""Which call is sent when, and what becomes of it: decisions without socket, thread or clock."""

from __future__ import annotations

import logging
import math
import random
from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from tinsmith._rpc.call import Answer, Call, Phase, Stream
from tinsmith._rpc.rules import (
    CONSUMES_NO_SEQ,
    KEPT_ANSWERS,
    KEPT_UNTAKEN,
    MAX_STREAMS,
    ORDERED,
    RETRYABLE,
    Limits,
)
from tinsmith.errors import RequestCancelledError, TinsmithError, error_of_status
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import status_pb2 as status

log = logging.getLogger("tinsmith.rpc")


class CallTable:
    """All calls of a channel.

    Every method is told the time. Calls that have ended are in `ended` until somebody takes them
    from there.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.outstanding_requests = 0
        self.outstanding_bytes = 0
        self.freed_bytes = 0
        """Bytes that calls have given up, over all time."""
        self.ended: list[tuple[Call, Answer | TinsmithError]] = []
        self._queue: deque[Call] = deque()
        self._returning: deque[Call] = deque()
        """Refused calls that are due again and have kept their places in the window."""
        self._resting: list[Call] = []
        self._timed: list[Call] = []
        self._streams: dict[str, Stream] = {}
        self._submissions = 0
        self._next_question = math.inf
        """No call is to be asked for before this."""

    # What the program says.

    def submit(self, call: Call, now: float) -> None:
        """Takes a call in and gives it the next seq of its stream."""
        stream = call.stream
        if stream.failure is not None:
            self._end(call, stream.failure)
            return
        if call.is_cancelled and call.method not in ORDERED:
            self._end(call, RequestCancelledError("cancelled before it was sent"))
            return
        if stream.name not in self._streams:
            self._register(stream)
        self._submissions += 1
        call.order = self._submissions
        call.submitted = now
        call.seq = stream.next_seq
        stream.next_seq += 1
        stream.open.append(call)
        self._queue.append(call)
        if call.timeout is not None:
            call.deadline = now + call.timeout
            self._timed.append(call)

    def cancel(self, call: Call) -> bool:
        """Gives a call up. True if the service must be told."""
        if call.phase is Phase.ANSWERED:
            return False
        if call.phase is Phase.SENT:
            return True
        if call.method in ORDERED or call.order == 0:
            # Its seq must be used up, or it is not here yet: cancelled when it is sent.
            call.is_cancelled = True
            return False
        self._withdraw(call)
        self._end(call, RequestCancelledError("cancelled before it was sent"))
        return False

    # Sending.

    def next_call(self) -> Call | None:
        """The call to send now: the oldest one, if the window has room for it."""
        if self._returning:
            return self._returning[0]
        if not self._queue or self.outstanding_requests >= self.limits.window_requests:
            return None
        call = self._queue[0]
        stream = call.stream
        if call.method in ORDERED and call.seq - stream.first_unanswered() >= KEPT_ANSWERS:
            return None
        # One request always fits, else one larger than the window would wait for ever.
        if (
            self.outstanding_bytes + call.size > self.limits.window_bytes
            and self.outstanding_requests > 0
        ):
            return None
        return call

    def sent(self, call: Call, now: float) -> None:
        """The call that `next_call` gave was sent."""
        (self._returning if call.has_place else self._queue).popleft()
        call.phase = Phase.SENT
        call.attempts += 1
        call.sent = now
        self._hear_of(call, now)
        if not call.has_place:
            call.has_place = True
            self.outstanding_requests += 1
            self.outstanding_bytes += call.size

    def acked(self, call: Call) -> int:
        """The seq up to which the program has every answer of a call's stream, or 0.

        The service forgets those. An answer that arrived but that nobody took counts only when it
        lies far behind or the service has no room for it: a program that is killed can ask again.
        """
        stream = call.stream
        calls = stream.open
        while calls:
            first = calls[0]
            if first.phase is not Phase.ANSWERED or not (
                first.taken or stream.is_full or call.seq - first.seq >= KEPT_UNTAKEN
            ):
                break
            calls.popleft()
            stream.first_open += 1
        return max(0, stream.first_open - 1)

    # What the service says.

    def answered(self, header: pb.ResponseHeader, frames: list[bytes], now: float) -> None:
        """An answer came: header, and the frames behind it."""
        if header.window_requests:
            self.limits.window_requests = header.window_requests
        if header.window_bytes:
            self.limits.window_bytes = header.window_bytes
        stream = self._streams.get(header.stream)
        call = stream.find(header.seq) if stream is not None else None
        if stream is None or call is None:
            return
        if header.epoch:
            # An owner that was replaced may still talk.
            if header.epoch < stream.epoch:
                return
            stream.epoch = header.epoch
        if header.event == pb.EVENT_FINAL:
            if call.phase is not Phase.SENT:
                return
            if header.code == status.STATUS_CODE_OK:
                stream.is_full = False
                self._end(call, Answer(header, frames[0] if frames else b"", frames[1:]))
            else:
                self._refused(call, header, now)
        elif header.event == pb.EVENT_ACCEPTED:
            # Only owners of ordered streams keep requests; others must be sent them again.
            call.is_accepted = call.method in ORDERED
            self._let_in(call, "accepted", now)
        elif header.event == pb.EVENT_PARTIAL:
            self._let_in(call, "a piece of the answer", now)
            if call.on_partial is not None:
                call.on_partial(Answer(header, frames[0] if frames else b"", frames[1:]))

    def _let_in(self, call: Call, said: str, now: float) -> None:
        call.said = said
        call.refused_since = None
        self._hear_of(call, now)

    def _refused(self, call: Call, header: pb.ResponseHeader, now: float) -> None:
        code = int(header.code)
        error = error_of_status(code, header.message, header.field)
        is_ordered = call.method in ORDERED
        if code in RETRYABLE:
            # What was with the service for long had been let in: patience begins anew.
            if call.refused_since is None or now - call.sent >= self.limits.ask_after:
                call.refused_since = now
            patience = call.refused_since + self.limits.patience
            # An ordered call is sent again also when nobody waits for it any more: without its
            # seq nothing behind it can run.
            if not is_ordered and call.deadline is not None:
                patience = min(patience, call.deadline)
            if now < patience:
                # If it was only asked for: there is nothing to ask for.
                call.is_accepted = False
                call.stream.is_full |= header.field == "acked"
                call.said = str(error)
                self._rest(call, header.retry_after_ms / 1000, now)
                log.info("%s seq %d: %s; trying again", call.stream.name, call.seq, error)
                return
        has_no_model = call.method == pb.METHOD_TRAINING_CREATE_MODEL and call.seq == 0
        if has_no_model or (is_ordered and code in CONSUMES_NO_SEQ):
            # Or the seq was not used up and is not sent again: nothing behind it can ever run.
            self.fail_stream(call.stream, error)
        else:
            self._end(call, error)

    def _rest(self, call: Call, retry_after: float, now: float) -> None:
        backoff = min(
            self.limits.longest_backoff,
            self.limits.first_backoff * 2.0 ** min(call.attempts - 1, 10),
        )
        wait = max(retry_after, backoff)
        call.phase = Phase.RESTING
        # Spread by up to a quarter, so that many clients do not come back at once.
        call.rest_until = now + wait * random.uniform(1, 1.25)
        # An ordered one keeps its place: one behind it, which waits for this one, would take it,
        # and once the window were full of such this one could never be sent again.
        if call.method not in ORDERED:
            self._leave_window(call)
        self._resting.append(call)

    def connection_lost(self) -> None:
        """What was sent and has no answer will be sent again, in the old order."""
        calls = [c for c in self._open_calls() if c.phase is Phase.SENT]
        for call in calls:
            self._leave_window(call)
        self._requeue(calls)

    def fail_stream(self, stream: Stream, error: TinsmithError) -> None:
        """Ends all calls of a stream, now and from now on."""
        stream.failure = error
        for call in stream.open:
            if call.phase is not Phase.ANSWERED:
                self._end(call, error)
        stream.open.clear()
        self._queue = deque(c for c in self._queue if c.stream is not stream)
        self._returning = deque(c for c in self._returning if c.stream is not stream)
        self._resting = [c for c in self._resting if c.stream is not stream]

    def fail_all(self, error: TinsmithError) -> None:
        """Ends every call."""
        for stream in list(self._streams.values()):
            self.fail_stream(stream, error)

    def give_up_silent(self, now: float, error: TinsmithError) -> None:
        """Nothing was heard of the service for the whole patience: ends what waited that long."""
        since = now - self.limits.patience
        late = [
            c for c in self._open_calls() if c.phase is not Phase.ANSWERED and c.submitted <= since
        ]
        for call in late:
            if call.phase is Phase.ANSWERED:
                continue  # With its stream.
            if call.method in ORDERED:
                self.fail_stream(call.stream, error)
                continue
            self._withdraw(call)
            self._end(call, error)

    # What time brings about.

    def tick(self, now: float) -> None:
        """Puts calls that rested back into the queue and ends those that are too late."""
        if self._resting:
            due = [c for c in self._resting if c.rest_until <= now]
            if due:
                self._resting = [c for c in self._resting if c.rest_until > now]
                self._requeue(due)
        if self._timed:
            late = [c for c in self._timed if c.deadline is not None and c.deadline <= now]
            self._timed = [
                c
                for c in self._timed
                if c.phase is not Phase.ANSWERED and c.deadline is not None and c.deadline > now
            ]
            for call in late:
                # The wait ends here; the call itself stays until its seq is answered.
                if not call.future.done():
                    error = error_of_status(
                        status.STATUS_CODE_DEADLINE_EXCEEDED, "no answer within the time-out"
                    )
                    self.ended.append((call, error))

    def next_time(self) -> float | None:
        """When `tick` or `questions` has something to do."""
        times = [c.rest_until for c in self._resting]
        if self._next_question < math.inf:
            times.append(self._next_question)
        times += [c.deadline for c in self._timed if c.deadline is not None]
        return min(times, default=None)

    def questions(self, now: float) -> list[Call]:
        """Calls that are with the service and of which nothing was heard for too long.

        They are to be asked for, also while the service answers others: an answer may be lost.
        """
        if now < self._next_question:
            return []
        self._next_question = math.inf
        asked = []
        for call in self._open_calls():
            if call.phase is not Phase.SENT:
                continue
            if call.ask_at <= now:
                asked.append(call)
                call.ask_after = min(2 * call.ask_after, self.limits.longest_ask)
                call.ask_at = now + call.ask_after
            self._next_question = min(self._next_question, call.ask_at)
        return asked

    def oldest(self) -> Call | None:
        """The call without an answer that was submitted first."""
        return min(
            (c for c in self._open_calls() if c.phase is not Phase.ANSWERED),
            key=attrgetter("order"),
            default=None,
        )

    def _register(self, stream: Stream) -> None:
        if len(self._streams) >= MAX_STREAMS:
            # Idle ones come back with their next call.
            self._streams = {
                name: other
                for name, other in self._streams.items()
                if any(call.phase is not Phase.ANSWERED for call in other.open)
            }
        self._streams[stream.name] = stream

    def _open_calls(self) -> Iterator[Call]:
        for stream in self._streams.values():
            yield from stream.open

    def _requeue(self, calls: list[Call]) -> None:
        for call in calls:
            call.phase = Phase.QUEUED
        kept = [c for c in calls if c.has_place]
        others = [c for c in calls if not c.has_place]
        self._returning = deque(sorted([*self._returning, *kept], key=attrgetter("order")))
        self._queue = deque(sorted([*self._queue, *others], key=attrgetter("order")))

    def _hear_of(self, call: Call, now: float) -> None:
        call.ask_after = self.limits.ask_after
        call.ask_at = now + call.ask_after
        self._next_question = min(self._next_question, call.ask_at)

    def _withdraw(self, call: Call) -> None:
        """Takes a call from where it waits."""
        if call.phase is Phase.QUEUED:
            self._queue.remove(call)
        elif call.phase is Phase.RESTING:
            self._resting.remove(call)

    def _leave_window(self, call: Call) -> None:
        if call.has_place:
            call.has_place = False
            self.outstanding_requests -= 1
            self.outstanding_bytes -= call.size

    def _free(self, call: Call) -> None:
        if call.frames:
            self.freed_bytes += call.size
            call.frames = []

    def _end(self, call: Call, outcome: Answer | TinsmithError) -> None:
        call.phase = Phase.ANSWERED
        self._leave_window(call)
        self._free(call)
        self.ended.append((call, outcome))
