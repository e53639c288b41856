"""Tokens of a sample as they come."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future

from tinsmith import types
from tinsmith._codec import Reader
from tinsmith._rpc.call import Answer
from tinsmith.errors import TinsmithError
from tinsmith.future import APIFuture
from tinsmith.v1 import sampling_pb2

Item = types.SampledPiece | BaseException | None
"""A piece, why there are no more, or the end."""


class PieceCollector:
    """Puts pieces of an answer, which may be missing or repeated, in order."""

    def __init__(self) -> None:
        self.items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._delivered: dict[int, int] = {}
        self._lock = threading.Lock()
        self._on_item: Callable[[], object] | None = None

    def partial(self, answer: Answer) -> None:
        """A piece arrived; `partial_offset` tokens of its sequences came before it."""
        offset = answer.header.partial_offset
        try:
            message = answer.read(sampling_pb2.SampleResponse)
            reader = Reader(answer.attachments)
            pieces = [reader.sequence(sequence, "") for sequence in message.sequences]
        except TinsmithError:
            return  # Like a piece that was lost: the rest comes with the answer.
        for sequence, piece in zip(message.sequences, pieces, strict=True):
            if self._delivered.get(sequence.index, 0) == offset and piece.tokens:
                self._deliver(sequence.index, piece.tokens, piece.logprobs)

    def finish(self, answer: Future[types.SampleResponse]) -> None:
        """The answer is there: what is missing, then the end."""
        error = answer.exception()
        if error is not None:
            self._put(error)
            return
        for index, sequence in enumerate(answer.result().sequences):
            count = self._delivered.get(index, 0)
            if count < len(sequence.tokens):
                self._deliver(index, sequence.tokens[count:], sequence.logprobs[count:])
        self._put(None)

    def notify(self, on_item: Callable[[], object] | None) -> None:
        """Calls `on_item` whenever an item is added."""
        with self._lock:
            self._on_item = on_item

    def _deliver(self, index: int, tokens: list[int], logprobs: list[float]) -> None:
        self._delivered[index] = self._delivered.get(index, 0) + len(tokens)
        self._put(types.SampledPiece(index, tokens, logprobs))

    def _put(self, item: Item) -> None:
        self.items.put(item)
        with self._lock:
            if self._on_item is not None:
                self._on_item()


class SampleStream:
    """The tokens of a sample as they come, once; use it in `for` or `async for`.

    Pieces of one sequence come in order and make up its tokens exactly: what was lost on the way
    is filled in from the answer. Leaving an `async for` or `close()` gives the request up.

    Attributes:
        response: the whole answer.
    """

    def __init__(
        self, response: APIFuture[types.SampleResponse], collector: PieceCollector
    ) -> None:
        self.response = response
        self._collector = collector

    def close(self) -> None:
        """Gives the request up if it has not ended."""
        self.response.cancel()

    def __iter__(self) -> Iterator[types.SampledPiece]:
        while (piece := self._piece(self._collector.items.get())) is not None:
            yield piece

    async def __aiter__(self) -> AsyncIterator[types.SampledPiece]:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        self._collector.notify(lambda: loop.call_soon_threadsafe(arrived.set))
        try:
            while True:
                try:
                    item = self._collector.items.get_nowait()
                except queue.Empty:
                    await arrived.wait()
                    arrived.clear()
                    continue
                piece = self._piece(item)
                if piece is None:
                    return
                yield piece
        finally:
            self._collector.notify(None)
            self.close()

    @staticmethod
    def _piece(item: Item) -> types.SampledPiece | None:
        if isinstance(item, BaseException):
            raise item
        return item
