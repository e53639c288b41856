"""The answer to a call that was made: now or later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from tinsmith._rpc.process import here

T = TypeVar("T")
S = TypeVar("S")

_MISSING: Any = object()


class Cancellable(Protocol):
    """What an answer comes from."""

    taken: bool


class APIFuture(Generic[T]):
    """The answer to a call. Every call of the clients returns one at once.

    The order of calls on a client is the order in which the service runs them, however and
    whenever their answers are awaited: a training loop submits the next step before it waits for
    the last one. Waiting may be interrupted (Ctrl-C, a time-out, a cancelled task) and repeated;
    it ends the waiting and not the call.

    Use `result()` in ordinary code and `await` in `async` code.
    """

    def __init__(
        self,
        source: Future[S],
        decode: Callable[[S], T],
        calls: Sequence[Cancellable] = (),
        cancel: Callable[[], None] | None = None,
        cancel_with_waiter: bool = False,
    ) -> None:
        self._source: Future[Any] = source
        self._decode: Callable[[Any], T] = decode
        self._calls = calls
        self._cancel = cancel
        self._cancel_with_waiter = cancel_with_waiter
        self._value: T = _MISSING
        self._process = here()

    def result(self, timeout: float | None = None) -> T:
        """Waits for the answer.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Raises:
            TinsmithError: what the service answered, or why it could not be asked.
            TimeoutError: the answer is not there yet. It can be waited for again.
        """
        self._check()
        return self._take(self._source.result(timeout))

    async def result_async(self, timeout: float | None = None) -> T:
        """Waits for the answer without blocking the event loop. As `result`."""
        self._check()
        # A copy, since a task that stops waiting cancels what it waits for.
        copy = asyncio.wrap_future(mirror(self._source))
        try:
            return self._take(await asyncio.wait_for(copy, timeout))
        except asyncio.CancelledError:
            if self._cancel_with_waiter:
                self.cancel()
            raise

    def __await__(self) -> Generator[Any, None, T]:
        return self.result_async().__await__()

    def future(self) -> Future[T]:
        """The answer as a `concurrent.futures.Future`."""
        return then(self._source, self._take)

    def done(self) -> bool:
        """Whether the answer, or an error, is there."""
        return self._source.done()

    def cancel(self) -> None:
        """Asks the service to give the call up, if it has not begun.

        The future ends with `RequestCancelledError` then, and with the answer otherwise. A
        cancelled `forward_backward` makes the next `optim_step` fail, as a failed one does.
        """
        if self._cancel is not None and not self._source.done():
            self._cancel()

    def _check(self) -> None:
        # Nobody brings the answer to a forked child.
        if not self._source.done():
            self._process.check()

    def _take(self, source: Any) -> T:
        if self._value is _MISSING:
            self._value = self._decode(source)
            for call in self._calls:
                call.taken = True
        return self._value

    def __del__(self) -> None:
        # Nobody can ask for the answer any more: the service need not keep it.
        for call in getattr(self, "_calls", ()):
            call.taken = True


def mirror(source: Future[S]) -> Future[S]:
    """A future with the same outcome, whose cancellation does not touch the source."""
    return then(source, lambda value: value)


def then(source: Future[S], body: Callable[[S], T]) -> Future[T]:
    """A future of what `body` makes of the value; `body` runs on the thread that resolves."""
    target: Future[T] = Future()

    def finish(source: Future[S]) -> None:
        if not target.set_running_or_notify_cancel():
            return
        try:
            target.set_result(body(source.result()))
        except BaseException as error:
            target.set_exception(error)

    source.add_done_callback(finish)
    return target


def flat_then(source: Future[S], body: Callable[[S], Future[T]]) -> Future[T]:
    """The outcome of the future that `body` makes of the value."""
    target: Future[T] = Future()

    def copy(last: Future[T]) -> None:
        error = last.exception()
        if error is not None:
            target.set_exception(error)
        else:
            target.set_result(last.result())

    def finish(source: Future[S]) -> None:
        try:
            following = body(source.result())
        except BaseException as error:
            target.set_exception(error)
        else:
            following.add_done_callback(copy)

    source.add_done_callback(finish)
    return target


def gather(sources: Sequence[Future[S]]) -> Future[list[S]]:
    """All values, or the error of the first source that has one, once every source is done."""
    target: Future[list[S]] = Future()
    lock = threading.Lock()
    remaining = len(sources)

    def finish(_: Future[S]) -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            if remaining:
                return
        try:
            target.set_result([source.result() for source in sources])
        except BaseException as error:
            target.set_exception(error)

    if not sources:
        target.set_result([])
    for source in sources:
        source.add_done_callback(finish)
    return target
