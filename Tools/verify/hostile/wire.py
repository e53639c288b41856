"""Raw speech with a service: headers and bodies over a DEALER socket, and bytes of ZMTP over TCP."""

import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import zmq
from tinsmith.v1 import envelope_pb2 as envelope
from tinsmith.v1 import sessions_pb2 as sessions
from tinsmith.v1 import status_pb2 as status
from tinsmith.v1 import tensor_pb2 as tensors
from tinsmith.v1 import training_pb2 as training

BASE = "tinsmith/mini"
RETRY = {
    status.STATUS_CODE_UNAVAILABLE,
    status.STATUS_CODE_RESOURCE_EXHAUSTED,
    status.STATUS_CODE_ABORTED,
}

_context = zmq.Context(io_threads=1)
_context.set(zmq.MAX_SOCKETS, 20_000)


class Peer:
    """One DEALER connection that sends whatever it is told to."""

    def __init__(self, endpoint: str, identity: bytes = b"", receive_limit: int = 100_000) -> None:
        self.socket = _context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 100_000)
        self.socket.setsockopt(zmq.RCVHWM, receive_limit)
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity)
        self.socket.connect(endpoint)
        self.session = ""
        self.token = ""
        self.seq = 0

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close(0)

    def header(self, method: int, stream: str = "", seq: int = 0, **fields: Any) -> bytes:
        fields.setdefault("session_token", self.token)
        return envelope.RequestHeader(
            protocol_version=1, method=method, stream=stream, seq=seq, **fields
        ).SerializeToString()

    def send(
        self,
        method: int,
        stream: str = "",
        seq: int = 0,
        body: Any = b"",
        attachments: Sequence[bytes] = (),
        **fields: Any,
    ) -> None:
        data = body if isinstance(body, bytes) else body.SerializeToString()
        self.send_frames([self.header(method, stream, seq, **fields), data, *attachments])

    def send_frames(self, frames: Sequence[bytes]) -> None:
        """Never waits for long: a service that takes no more is no reason to stand still."""
        if self.socket.poll(1000, zmq.POLLOUT):
            self.socket.send_multipart(frames, copy=False)

    def receive(self, seconds: float) -> tuple[envelope.ResponseHeader, list[bytes]] | None:
        if not self.socket.poll(max(0, int(seconds * 1000))):
            return None
        frames = self.socket.recv_multipart()
        return envelope.ResponseHeader.FromString(frames[0]), frames[1:]

    def drain(self) -> int:
        count = 0
        while self.receive(0):
            count += 1
        return count

    def call(
        self,
        method: int,
        stream: str = "",
        seq: int | None = None,
        body: Any = b"",
        seconds: float = 10,
        **fields: Any,
    ) -> tuple[envelope.ResponseHeader, list[bytes]] | None:
        """Sends, and sends again what is refused for now; None if no final answer comes in time."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(method, stream, seq, body, **fields)
            while answer := self.receive(end - time.monotonic()):
                header = answer[0]
                if (header.stream, header.seq, header.event) != (stream, seq, envelope.EVENT_FINAL):
                    continue
                if header.code not in RETRY:
                    return answer
                time.sleep(max(header.retry_after_ms, 10) / 1000)
                break
        return None

    def open_session(self, key: str, seconds: float = 10) -> bool:
        answer = self.call(
            envelope.METHOD_SESSIONS_CREATE,
            seconds=seconds,
            body=sessions.CreateSessionRequest(api_key=key, sdk_version="hostile"),
        )
        if answer is None or answer[0].code:
            return False
        created = sessions.CreateSessionResponse.FromString(answer[1][0])
        self.session, self.token = created.session_id, created.token
        return True

    def create_model(self, number: int = 0, rank: int = 8, seconds: float = 30) -> bool:
        answer = self.call(
            envelope.METHOD_TRAINING_CREATE_MODEL,
            f"{self.session}:train:{number}",
            0,
            training.CreateModelRequest(base_model=BASE, lora=training.LoraConfig(rank=rank)),
            seconds=seconds,
        )
        return answer is not None and answer[0].code == 0

    def finish(self) -> None:
        self.send(envelope.METHOD_SESSIONS_FINISH, self.session, 1 << 40)
        self.receive(1)


def tokens(ids: Sequence[int]) -> tensors.ModelInput:
    raw = struct.pack(f"<{len(ids)}i", *ids)
    return tensors.ModelInput(chunks=[tensors.Chunk(encoded_text=tensors.EncodedText(raw=raw))])


def integers(values: Sequence[int]) -> tensors.Tensor:
    return tensors.Tensor(
        dtype=tensors.DTYPE_INT32, shape=[len(values)], raw=struct.pack(f"<{len(values)}i", *values)
    )


def floats(values: Sequence[float]) -> tensors.Tensor:
    return tensors.Tensor(
        dtype=tensors.DTYPE_FLOAT32,
        shape=[len(values)],
        raw=struct.pack(f"<{len(values)}f", *values),
    )


def empty_sparse(rows: int, columns: int) -> tensors.Tensor:
    """A sparse tensor without a cell: a few bytes that stand for rows x columns numbers."""
    return tensors.Tensor(
        dtype=tensors.DTYPE_INT64,
        shape=[rows, columns],
        sparse=tensors.SparseCsr(
            crow_indices=tensors.Blob(raw=bytes(8 * (rows + 1))),
            col_indices=tensors.Blob(raw=b""),
            values=tensors.Blob(raw=b""),
        ),
    )


def datum(ids: Sequence[int], extra: Sequence[tuple[str, tensors.Tensor]] = ()) -> training.Datum:
    result = training.Datum(model_input=tokens(ids))
    result.loss_fn_inputs.add(name="target_tokens", tensor=integers(ids))
    result.loss_fn_inputs.add(name="weights", tensor=floats([1.0] * len(ids)))
    for name, tensor in extra:
        result.loss_fn_inputs.add(name=name, tensor=tensor)
    return result


# ZMTP by hand: what a library would never send.

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\0" + bytes(31)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def ready(identity: bytes = b"", kind: bytes = b"DEALER") -> bytes:
    body = b"\x05READY" + _property(b"Socket-Type", kind) + _property(b"Identity", identity)
    if len(body) < 256:
        return b"\x04" + bytes([len(body)]) + body
    return b"\x06" + struct.pack(">Q", len(body)) + body


def frame(data: bytes, more: bool = False) -> bytes:
    if len(data) < 256:
        return bytes([more, len(data)]) + data
    return bytes([2 | more]) + struct.pack(">Q", len(data)) + data


def dial(endpoint: str, receive_buffer: int | None = None) -> socket.socket:
    """A TCP connection to a service, nothing said yet."""
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(2)
    connection.connect((host, int(port)))
    return connection


def shake_hands(connection: socket.socket, identity: bytes = b"") -> None:
    """Greets as a DEALER does, and says READY once the service has greeted."""
    connection.sendall(GREETING)
    heard = 0
    while heard < len(GREETING):
        piece = connection.recv(len(GREETING) - heard)
        if not piece:
            raise OSError("closed while greeting")
        heard += len(piece)
    connection.sendall(ready(identity))
