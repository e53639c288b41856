"""A service that a test plays: a ROUTER socket and what the test says to each request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import zmq

from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import status_pb2 as status

HEARTBEATS = (pb.METHOD_SESSIONS_HEARTBEAT, pb.METHOD_ADMIN_PING)


class Request(NamedTuple):
    header: pb.RequestHeader
    body: bytes


Reply = tuple[pb.Event, int] | None
"""Event and status code of an answer; None for silence."""

OK: Reply = (pb.EVENT_FINAL, status.STATUS_CODE_OK)
UNAVAILABLE: Reply = (pb.EVENT_FINAL, status.STATUS_CODE_UNAVAILABLE)


class ScriptedService:
    """Answers heartbeats, and each other request with what `script` says.

    Args:
        script: gets a request and all that came before it.
        endpoint: where to listen.
    """

    def __init__(
        self,
        script: Callable[[Request, list[Request]], Reply],
        endpoint: str = "tcp://127.0.0.1:*",
    ) -> None:
        self.requests: list[Request] = []
        self._script = script
        self._stopping = False
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, 10)
        self._socket.bind(endpoint)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def methods(self) -> list[pb.Method]:
        """The methods that were asked for, but for heartbeats."""
        return [request.header.method for request in self.requests]

    def close(self) -> None:
        self._stopping = True
        self._thread.join()
        self._socket.close()
        self._context.term()

    def _run(self) -> None:
        while not self._stopping:
            try:
                peer, head, *frames = self._socket.recv_multipart()
            except zmq.Again:
                continue
            request = Request(pb.RequestHeader.FromString(head), b"".join(frames))
            reply = OK
            if request.header.method not in HEARTBEATS:
                reply = self._script(request, self.requests)
                self.requests.append(request)
            if reply is None:
                continue
            header = pb.ResponseHeader(
                stream=request.header.stream,
                seq=request.header.seq,
                event=reply[0],
                code=reply[1],  # type: ignore[arg-type]
                message="" if reply[1] == status.STATUS_CODE_OK else "not now",
            )
            self._socket.send_multipart([peer, header.SerializeToString(), b""])
