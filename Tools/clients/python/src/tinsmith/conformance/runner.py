"""Does the steps of a scenario."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq

from tinsmith._rpc.rules import RETRYABLE
from tinsmith.conformance.bodies import BodyBuilder, message_types, method_number
from tinsmith.conformance.lines import Observed
from tinsmith.errors import status_name
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sessions_pb2

PATIENCE = 120.0
"""Seconds to wait for an answer."""
HEARTBEAT = 10.0
FIRST_HEARTBEAT = 1 << 33

Key = tuple[str, int]


class ScenarioError(Exception):
    """A step cannot be done, or an answer does not come."""


@dataclass
class Request:
    """A request that was sent, or whose key is known."""

    method: str | int
    token: str
    on: str
    stream: str
    seqs: Sequence[int]
    frames: list[list[bytes]] = field(default_factory=list)
    """For each seq header, body and attachments."""

    @property
    def key(self) -> Key:
        """The key of the (first) request."""
        return self.stream, self.seqs[0]


class Runner:
    """Executes steps against a service.

    Args:
        endpoint: where it listens.
        data: lists of datums by name.
        show: is given each line.
    """

    def __init__(self, endpoint: str, data: Mapping[str, Any], show: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._data = data
        self._show = show
        self._context = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._requests: dict[str, Request] = {}
        self._sessions: dict[str, sessions_pb2.CreateSessionResponse] = {}
        self._finals: dict[Key, deque[tuple[pb.ResponseHeader, list[bytes]]]] = {}
        self._partials: dict[Key, list[tuple[pb.ResponseHeader, Sequence[bytes]]]] = {}
        self._remembered: dict[str, list[bytes]] = {}
        self._heartbeats = FIRST_HEARTBEAT

    def run(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Does all steps.

        Raises:
            ScenarioError: one cannot be done.
        """
        try:
            for number, step in enumerate(steps):
                if "do" in step:
                    try:
                        getattr(self, f"_do_{step['do']}")(self._named(step))
                    except (AttributeError, KeyError, StopIteration, ValueError) as error:
                        raise ScenarioError(f"step {number} {dict(step)}: {error!r}") from error
        finally:
            self._context.destroy(0)

    def _named(self, value: Any) -> Any:
        """A value with the ids of sessions in the place of their names."""
        if isinstance(value, str):
            for name, session in self._sessions.items():
                value = value.replace(f"${{{name}}}", session.session_id)
            return value
        if isinstance(value, dict):
            return {key: self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        return value

    def _print(self, line: str) -> None:
        for name, session in self._sessions.items():
            line = line.replace(session.session_id, f"${{{name}}}")
        self._show(line)

    # The steps.

    def _do_connect(self, step: dict[str, Any]) -> None:
        socket = self._context.socket(zmq.DEALER)
        socket.connect(self._endpoint)
        self._sockets[step["connection"]] = socket

    def _do_close(self, step: dict[str, Any]) -> None:
        self._sockets.pop(step["connection"]).close(0)

    def _do_pause(self, step: dict[str, Any]) -> None:
        time.sleep(step["ms"] / 1000)

    def _do_send(self, step: dict[str, Any]) -> None:
        token = step.get("token", "")
        if "session" in step:
            token = self._sessions[step["session"]].token
        seqs = range(step["seq"], step["seq"] + step.get("count", 1))
        request = Request(step["method"], token, step["on"], step["stream"], seqs)
        body, attachments = self._body(step)
        flags = sum(pb.RequestFlag.Value(f"REQUEST_FLAG_{flag}") for flag in step.get("flags", []))
        for seq in seqs:
            header = pb.RequestHeader(
                protocol_version=step.get("version", 1),
                method=method_number(step["method"]),  # type: ignore[arg-type]
                stream=step["stream"],
                seq=seq,
                session_token=token,
                client_name="tinsmith-python-conformance",
                acked=step.get("acked", 0),
                timeout_ms=step.get("timeout_ms", 0),
                cost_prompt_tokens=step.get("cost_prompt_tokens", 0),
                cost_new_tokens=step.get("cost_new_tokens", 0),
                flags=flags,
            )
            request.frames.append([header.SerializeToString(), body, *attachments])
        self._requests[step["name"]] = request
        self._send(request)

    def _body(self, step: dict[str, Any]) -> tuple[bytes, list[bytes]]:
        if "body_hex" in step:
            return bytes.fromhex(step["body_hex"]), []
        if "body" not in step or isinstance(step["method"], int):
            return b"", []
        builder = BodyBuilder(self._data, step.get("attachments", False))
        message = message_types(step["method"])[0]()
        builder.fill(message, step["body"])
        return message.SerializeToString(), builder.attachments

    def _send(self, request: Request) -> None:
        for frames in request.frames:
            self._sockets[request.on].send_multipart(frames)

    def _do_resend(self, step: dict[str, Any]) -> None:
        request = self._requests[step["name"]]
        request.on = step["on"]
        self._send(request)

    def _do_frames(self, step: dict[str, Any]) -> None:
        frames = [bytes.fromhex(frame) for frame in step["frames"]]
        request = Request("Admin.Ping", "", step["on"], "", [0], [frames])
        self._requests[step["name"]] = request
        self._send(request)

    def _do_await(self, step: dict[str, Any]) -> None:
        if "stream" in step:
            token = self._sessions[step["session"]].token
            request = Request("Futures.Await", token, "", step["stream"], [step["seq"]])
            self._requests[step["name"]] = request
        self._send_key(step, pb.METHOD_FUTURES_AWAIT)

    def _do_cancel(self, step: dict[str, Any]) -> None:
        self._send_key(step, pb.METHOD_FUTURES_CANCEL)

    def _send_key(self, step: dict[str, Any], method: pb.Method) -> None:
        request = self._requests[step["name"]]
        request.on = step["on"]
        header = pb.RequestHeader(
            protocol_version=1,
            method=method,
            stream=request.stream,
            seq=request.seqs[0],
            session_token=request.token,
        )
        self._sockets[request.on].send_multipart([header.SerializeToString(), b""])

    # Receiving.

    def _do_partial(self, step: dict[str, Any]) -> None:
        request = self._requests[step["name"]]
        self._receive_until(request, lambda: bool(self._partials.get(request.key)))

    def _do_final(self, step: dict[str, Any]) -> None:
        name, request = step["name"], self._requests[step["name"]]
        if step["show"] == ["count"]:
            self._show_counts(name, request)
            return
        header, frames = self._final(request, request.key, step.get("once", False))
        is_known = isinstance(request.method, str) and not request.method.startswith("Futures.")
        response = message_types(str(request.method))[1] if is_known else None
        if "bind" in step:
            created = sessions_pb2.CreateSessionResponse.FromString(frames[0])
            self._sessions[step["bind"]] = created
        observed = Observed(
            name, header, frames or [b""], response, self._partials.get(request.key, [])
        )
        for show in step["show"]:
            for line in observed.lines(show, self._remembered):
                self._print(line)
        self._remembered[name] = list(frames)

    def _show_counts(self, name: str, request: Request) -> None:
        codes = Counter(
            status_name(self._final(request, (request.stream, seq), True)[0].code)
            for seq in request.seqs
        )
        for code, number in sorted(codes.items()):
            self._print(f"count {name} {code} {number}")

    def _final(
        self, request: Request, key: Key, once: bool
    ) -> tuple[pb.ResponseHeader, list[bytes]]:
        while True:
            self._receive_until(request, lambda: bool(self._finals.get(key)))
            header, frames = self._finals[key].popleft()
            if once or header.code not in RETRYABLE:
                return header, frames
            time.sleep(max(10, header.retry_after_ms) / 1000)
            self._send(request)

    def _receive_until(self, request: Request, is_there: Callable[[], bool]) -> None:
        socket = self._sockets[request.on]
        deadline = time.monotonic() + PATIENCE
        beat = time.monotonic() + HEARTBEAT
        while not is_there():
            now = time.monotonic()
            if now > deadline:
                raise ScenarioError(f"no answer to {request.key} within {PATIENCE:.0f} s")
            if now > beat:
                beat = now + HEARTBEAT
                self._heartbeat(socket, request)
            if not socket.poll(1000):
                continue
            first, *frames = socket.recv_multipart()
            header = pb.ResponseHeader.FromString(first)
            key = (header.stream, header.seq)
            if header.event == pb.EVENT_FINAL:
                self._finals.setdefault(key, deque()).append((header, frames))
            elif header.event == pb.EVENT_PARTIAL:
                self._partials.setdefault(key, []).append((header, frames))

    def _heartbeat(self, socket: zmq.Socket[bytes], request: Request) -> None:
        for session in self._sessions.values():
            if session.token == request.token:
                self._heartbeats += 1
                header = pb.RequestHeader(
                    protocol_version=1,
                    method=pb.METHOD_SESSIONS_HEARTBEAT,
                    stream=session.session_id,
                    seq=self._heartbeats,
                    session_token=session.token,
                )
                socket.send_multipart([header.SerializeToString(), b""])
