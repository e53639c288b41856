"""The session of a service client: created at its first use, the parent of all streams."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tinsmith._codec import text_pairs
from tinsmith._rpc.call import Answer, Call, Stream
from tinsmith._rpc.channel import Channel
from tinsmith._sender import StreamSender
from tinsmith.errors import FailedPreconditionError, InternalError, TinsmithError
from tinsmith.future import APIFuture, then
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sessions_pb2

log = logging.getLogger("tinsmith")

T = TypeVar("T")


@dataclass(frozen=True)
class Description:
    """What the service is told of a session."""

    api_key: str = ""
    display_name: str = ""
    project_id: str = ""
    tags: Sequence[str] = ()
    user_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Established:
    """A session that the service knows."""

    session_id: str
    token: str


class Session:
    """One session over one channel.

    Args:
        channel: the connection.
        description: what the service is told.
        timeout: seconds that each answer is wanted; None for ever.
    """

    def __init__(
        self,
        channel: Channel,
        description: Description,
        timeout: float | None = None,
    ) -> None:
        self.channel = channel
        self.timeout = timeout
        self._description = description
        self._lock = threading.Lock()
        self._established: Future[Established] | None = None
        self._models = 0
        self._samplers = 0
        self._control: StreamSender | None = None
        self._first_control_seq = 0

    def established(self) -> Future[Established]:
        """The session; it is created now if there is none."""
        with self._lock:
            established = self._established
            if established is None or (established.done() and established.exception() is not None):
                established = self._established = self._create()
        return established

    def started(self) -> Future[Established] | None:
        """The session, if it was ever asked for."""
        return self._established

    def next_model(self) -> int:
        """The number of the next model; taken when the call is made, since it names the model."""
        with self._lock:
            self._models += 1
            return self._models - 1

    def next_sampler(self) -> int:
        """The number of the next sampling session."""
        with self._lock:
            self._samplers += 1
            return self._samplers - 1

    def numbers(self) -> tuple[int, int]:
        """How many models and sampling sessions have a number."""
        with self._lock:
            return self._models, self._samplers

    def adopt(self, known: Established, models: int, samplers: int) -> None:
        """Takes up a session that exists, with the numbers that it has given.

        Raises:
            FailedPreconditionError: this one has begun another session.
        """
        with self._lock:
            current = self._established
            if current is None:
                self.channel.use_token(known.token)
                self._established = Future()
                self._established.set_result(known)
            elif current.result().session_id != known.session_id:
                raise FailedPreconditionError("this client has begun another session", "handle")
            self._models = max(self._models, models)
            self._samplers = max(self._samplers, samplers)
            # Behind whatever the process before has used: a seq names what it makes.
            self._first_control_seq = time.time_ns() // 1_000_000

    def sender(self, stream: Callable[[Established], Stream]) -> StreamSender:
        """A sender for a stream whose name follows from the session; it opens with the session."""
        sender = StreamSender(self.channel)

        def finish(established: Future[Established]) -> None:
            error = established.exception()
            if error is None:
                sender.open(stream(established.result()))
            else:
                sender.fail(wrap(error))

        self.established().add_done_callback(finish)
        return sender

    def call(self, method: pb.Method, message: Any) -> Future[Answer]:
        """Sends a request about checkpoints, which belongs to the session and to no model."""
        call = Call(method, [message.SerializeToString()], timeout=self.timeout)
        call.taken = True
        if self._control is None or self._control.failure is not None:
            first = self._first_control_seq
            self._control = self.sender(lambda s: Stream(f"{s.session_id}:checkpoints", first))
        self._control.send([call])
        return call.future

    def ask(self, method: pb.Method, message: Any, decode: Callable[[Answer], T]) -> APIFuture[T]:
        """`call` with a decoded answer."""
        return APIFuture(self.call(method, message), decode)

    def call_without_session(self, method: pb.Method, message: Any) -> Future[Answer]:
        """Sends a request that needs no session."""
        call = Call(method, [message.SerializeToString()], timeout=self.timeout)
        call.taken = True
        if call.size:
            self.channel.reserve(call.size)
        self.channel.submit(self.channel.control, [call])
        return call.future

    def _create(self) -> Future[Established]:
        told = self._description
        request = sessions_pb2.CreateSessionRequest(
            api_key=told.api_key,
            display_name=told.display_name,
            project_id=told.project_id,
            tags=told.tags,
            sdk_version="0.1.0",
        )
        text_pairs(request.user_metadata, told.user_metadata)
        answer = self.call_without_session(pb.METHOD_SESSIONS_CREATE, request)
        return then(answer, self._began)

    def _began(self, answer: Answer) -> Established:
        response = answer.read(sessions_pb2.CreateSessionResponse)
        if response.info_message:
            log.info("%s", response.info_message)
        if response.warning_message:
            log.warning("%s", response.warning_message)
        self.channel.use_token(response.token)
        return Established(response.session_id, response.token)


def wrap(error: BaseException) -> TinsmithError:
    """Any error as one of ours."""
    if isinstance(error, TinsmithError):
        return error
    return InternalError(f"{type(error).__name__}: {error}")
