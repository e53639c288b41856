"""Keeps the order of calls while some of them cannot be sent yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from tinsmith._rpc.call import Call, Stream
from tinsmith._rpc.channel import Channel
from tinsmith.errors import TinsmithError


class StreamSender:
    """Sends the calls of one stream in the order in which they are made.

    Calls wait here until the stream exists (`open`), and while a call holds the stream because
    some of its requests follow later (`forward_backward_custom`).
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._prepare: Callable[[Call], None] | None = None
        self._is_held = True
        self._waiting: deque[tuple[Sequence[Call], bool]] = deque()
        self.failure: TinsmithError | None = None
        """Why the stream will never exist."""

    @property
    def stream(self) -> Stream | None:
        """The stream, once it exists."""
        return self._stream

    def open(self, stream: Stream, prepare: Callable[[Call], None] | None = None) -> None:
        """The stream exists: sends what waits.

        Args:
            stream: the stream.
            prepare: completes each call before it is sent.
        """
        with self._lock:
            self._stream, self._prepare = stream, prepare
            self._go([])

    def fail(self, error: TinsmithError) -> None:
        """The stream will never exist: everything waiting or to come fails."""
        with self._lock:
            self.failure = error
            waiting, self._waiting = self._waiting, deque()
        for calls, _ in waiting:
            self.channel.reserve(-_size(calls), wait=False)
            for call in calls:
                call.future.set_exception(error)

    def send(self, calls: Sequence[Call], hold: bool = False) -> None:
        """Sends calls, one directly behind the other; with `hold`, later ones wait for `release`.

        Waits while too many bytes are under way.

        Raises:
            TinsmithError: the stream could not be opened.
        """
        self.channel.reserve(_size(calls))
        with self._lock:
            if self.failure is not None:
                self.channel.reserve(-_size(calls), wait=False)
                raise self.failure
            if self._is_held:
                self._waiting.append((calls, hold))
            else:
                self._submit(calls)
                self._is_held = hold

    def release(self, calls: Sequence[Call]) -> None:
        """Sends the last calls of the one that holds the stream, then those that wait."""
        # Without waiting: the room may be taken by calls that wait behind these.
        self.channel.reserve(_size(calls), wait=False)
        with self._lock:
            self._go(calls)

    def cancel(self, calls: Sequence[Call]) -> None:
        """Gives up calls, also those that wait here."""
        self.channel.cancel(calls)

    def _go(self, calls: Sequence[Call]) -> None:
        self._submit(calls)
        self._is_held = False
        while self._waiting and not self._is_held:
            following, self._is_held = self._waiting.popleft()
            self._submit(following)

    def _submit(self, calls: Sequence[Call]) -> None:
        assert self._stream is not None
        if self._prepare is not None:
            for call in calls:
                self._prepare(call)
        self.channel.submit(self._stream, calls)


def _size(calls: Sequence[Call]) -> int:
    return sum(call.size for call in calls)
