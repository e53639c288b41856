"""One request on its way, and the stream that it belongs to."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from tinsmith.errors import InternalError, TinsmithError
from tinsmith.v1 import envelope_pb2 as pb

M = TypeVar("M", bound=Message)
UNREADABLE = (DecodeError, UnicodeDecodeError)
"""What protobuf raises for bytes that are no message; the second in its pure Python form."""


class Answer(NamedTuple):
    """A response as it came."""

    header: pb.ResponseHeader
    body: bytes
    attachments: Sequence[bytes]

    def read(self, kind: type[M]) -> M:
        """The body as a message.

        Raises:
            InternalError: it is none.
        """
        try:
            return kind.FromString(self.body)
        except UNREADABLE as error:
            raise InternalError(f"the answer could not be decoded: {error}") from error


class Phase(enum.Enum):
    """Where a call is."""

    QUEUED = enum.auto()
    SENT = enum.auto()
    RESTING = enum.auto()
    """Refused for now; sent again at `rest_until`."""
    ANSWERED = enum.auto()


class Call:
    """One request, from its submission to its answer.

    `future` and `taken` are for everybody; the other fields belong to the I/O thread from the
    moment the call was handed to a channel.
    """

    __slots__ = (
        "ask_after",
        "ask_at",
        "attempts",
        "deadline",
        "flags",
        "frames",
        "future",
        "has_place",
        "is_accepted",
        "is_cancelled",
        "method",
        "new_tokens",
        "on_partial",
        "order",
        "phase",
        "prompt_tokens",
        "refused_since",
        "rest_until",
        "said",
        "sent",
        "seq",
        "size",
        "stream",
        "submitted",
        "taken",
        "timeout",
    )

    def __init__(
        self,
        method: pb.Method,
        frames: list[bytes],
        prompt_tokens: int = 0,
        new_tokens: int = 0,
        flags: int = 0,
        timeout: float | None = None,
        on_partial: Callable[[Answer], None] | None = None,
    ) -> None:
        self.method = method
        self.frames = frames
        """Body and attachments, kept until the answer is there."""
        self.size = sum(map(len, frames))
        self.prompt_tokens = prompt_tokens
        self.new_tokens = new_tokens
        self.flags = flags
        self.timeout = timeout
        self.on_partial = on_partial
        self.future: Future[Answer] = Future()
        self.taken = False
        """The program has the answer, or dropped the future: the service may forget it."""
        self.stream: Stream
        self.seq = 0
        self.order = 0
        self.phase = Phase.QUEUED
        self.attempts = 0
        self.has_place = False
        """It counts for the window."""
        self.submitted = 0.0
        self.sent = 0.0
        """When it was sent last."""
        self.refused_since: float | None = None
        """When the refusals began that it has met without being let in between."""
        self.ask_at = 0.0
        self.ask_after = 0.0
        """How long nothing may be said of it from now on until the service is asked."""
        self.said = ""
        """What the service said of it last, for logs."""
        self.deadline: float | None = None
        self.rest_until = 0.0
        self.is_accepted = False
        self.is_cancelled = False


class Stream:
    """Requests of one model, one sampling session or one session, numbered without gaps."""

    __slots__ = (
        "_unanswered",
        "epoch",
        "failure",
        "first_open",
        "is_full",
        "name",
        "next_seq",
        "open",
    )

    def __init__(self, name: str, first_seq: int = 0) -> None:
        self.name = name
        self.next_seq = first_seq
        self.first_open = first_seq
        """Seq of the first call in `open`."""
        self.open: deque[Call] = deque()
        """Calls whose answer is not there or was not taken, with those between them."""
        self._unanswered = first_seq
        self.is_full = False
        """The service can keep no more answers of it that are not acknowledged."""
        self.epoch = 0
        self.failure: TinsmithError | None = None
        """Why nothing of this stream can run any more."""

    def find(self, seq: int) -> Call | None:
        """The open call with this seq."""
        index = seq - self.first_open
        return self.open[index] if 0 <= index < len(self.open) else None

    def first_unanswered(self) -> int:
        """Seq of the first call without an answer, or the next one's."""
        seq = max(self._unanswered, self.first_open)
        while (call := self.find(seq)) is not None and call.phase is Phase.ANSWERED:
            seq += 1
        self._unanswered = seq
        return seq
