"""The worked example of Proto/README.md: real frames of a served mini, byte by byte.

    python3 Tools/Conformance/example.py ENDPOINT            write it into the page
    python3 Tools/Conformance/example.py ENDPOINT --check    exit 1 if the page says something else

What differs from run to run or between machines (session, token, epoch, times, the tokenizer's
folder) is replaced by fixed values; everything else is what travelled. Needs protoc and the Python
packages protobuf and pyzmq (Debian: python3-protobuf, python3-zmq).
"""

import struct
import sys
import tempfile

import zmq
from google.protobuf.message import Message
from schema import ROOT, generate

PAGE = ROOT / "Proto/README.md"
BEGIN, END = "<!-- example: written by Tools/Conformance/example.py -->\n", "<!-- end of example -->\n"
SESSION = "sabcdefghijkmnpqrstuv"
TOKEN = SESSION + ".default." + "0123456789abcdef" * 4
FOLDER = "/srv/mini"
HEX_WIDTH = 48


class Client:
    """Sends requests one by one and keeps the frames of both directions."""

    def __init__(self, endpoint: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def call(self, header, body):
        """One exchange: header and body of the answer, and all frames."""
        frames = [header.SerializeToString(), body.SerializeToString()]
        self.socket.send_multipart(frames)
        if not self.socket.poll(60_000):
            raise SystemExit("no answer within a minute")
        return frames, self.socket.recv_multipart()


def checked(kind, frame: bytes):
    """A message whose bytes are exactly what protobuf's Python implementation writes for it."""
    message = kind.FromString(frame)
    if message.SerializeToString() != frame:
        raise SystemExit(f"another encoding of {kind.DESCRIPTOR.name}: {frame.hex()}")
    return message


def exchanges(endpoint: str):
    """The example's calls: title, and the messages of each frame with fixed values put in."""
    from tinsmith.v1 import (envelope_pb2, sessions_pb2, tensor_pb2, training_pb2)

    client = Client(endpoint)
    session = token = ""

    def exchange(title, method, body, answer_kind, *, stream="", seq=0, acked=0):
        header = envelope_pb2.RequestHeader(
            protocol_version=1, method=method, stream=stream, seq=seq, acked=acked,
            session_token=token)
        sent, received = client.call(header, body)
        answer_header = checked(envelope_pb2.ResponseHeader, received[0])
        if answer_header.code != 0 or len(received) > 2:
            raise SystemExit(f"{title}: {answer_header}")
        answer = checked(answer_kind, received[1] if len(received) == 2 else b"")
        shown = [checked(type(header), sent[0]), checked(type(body), sent[1]), answer_header, answer]
        return answer, (title, shown)

    created, first = exchange(
        "Sessions.Create", "METHOD_SESSIONS_CREATE",
        sessions_pb2.CreateSessionRequest(sdk_version="example/1"),
        sessions_pb2.CreateSessionResponse)
    session, token = created.session_id, created.token
    stream = f"{session}:train:0"
    _, second = exchange(
        "Training.CreateModel", "METHOD_TRAINING_CREATE_MODEL",
        training_pb2.CreateModelRequest(base_model="tinsmith/mini", lora={"rank": 8, "seed": 11}),
        training_pb2.CreateModelResponse, stream=stream)
    targets = tensor_pb2.Tensor(dtype="DTYPE_INT32", shape=[3], raw=struct.pack("<3i", 66, 67, 10))
    weights = tensor_pb2.Tensor(dtype="DTYPE_FLOAT32", shape=[3], raw=struct.pack("<3f", 0, 1, 1))
    datum = training_pb2.Datum(
        model_input={"chunks": [{"encoded_text": {"raw": struct.pack("<3i", 65, 66, 67)}}]},
        loss_fn_inputs=[{"name": "target_tokens", "tensor": targets},
                        {"name": "weights", "tensor": weights}])
    _, third = exchange(
        "Training.ForwardBackward", "METHOD_TRAINING_FORWARD_BACKWARD",
        training_pb2.ForwardBackwardRequest(data=[datum], loss_fn="cross_entropy"),
        training_pb2.ForwardBackwardResponse, stream=stream, seq=1)
    exchange("Sessions.Finish", "METHOD_SESSIONS_FINISH", sessions_pb2.FinishSessionRequest(),
             sessions_pb2.FinishSessionResponse, stream=session)
    result = [first, second, third]
    for _, messages in result:
        for message in messages:
            settle(message, {token: TOKEN, session: SESSION})
    return result


def settle(message, texts: dict[str, str]) -> None:
    """Puts fixed values for what differs between runs."""
    for field, value in message.ListFields():
        fixed = {"queue_us": 90, "compute_us": 4500, "epoch": 1}
        if field.name in fixed:
            setattr(message, field.name, fixed[field.name])
        elif field.name == "tokenizer":
            setattr(message, field.name, FOLDER)
        elif field.type == field.TYPE_STRING and isinstance(value, str):
            for old, new in texts.items():
                value = value.replace(old, new)
            setattr(message, field.name, value)
        elif field.type == field.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                settle(part, texts)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def explain(data: bytes, descriptor, depth: int, lines: list[str]) -> None:
    """Lines of hex and what it means, field by field."""
    at = 0
    indent = "  " * depth
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        field = descriptor.fields_by_number[tag >> 3]
        if tag & 7 == 2:
            length, at = varint(data, at)
            content = data[at:at + length]
            if field.message_type is not None:
                row(lines, data[start:at], f"{indent}{field.name}: {length} bytes")
                explain(content, field.message_type, depth + 1, lines)
            else:
                row(lines, data[start:at],
                    f"{indent}{field.name}: {length} bytes, {meaning(field, content)}")
                row(lines, content, "")
            at += length
        elif tag & 7 == 1:
            at += 8
            value = struct.unpack("<d", data[at - 8:at])[0]
            row(lines, data[start:at], f"{indent}{field.name}: {value!r}")
        else:
            value, at = varint(data, at)
            known = field.enum_type and field.enum_type.values_by_number[value].name
            row(lines, data[start:at], f"{indent}{field.name}: {known or value}")


def meaning(field, content: bytes) -> str:
    """What the bytes of a text, of packed numbers or of a tensor are."""
    if field.type == field.TYPE_STRING:
        text = content.decode()
        return f'"{text}"' if len(text) <= 32 else f'"{text[:31]}…"'
    if field.type == field.TYPE_BYTES:
        return "little-endian"
    return "packed: " + ", ".join(map(str, content))


def row(lines: list[str], data: bytes, text: str) -> None:
    """Up to 16 bytes a line, the text beside the first."""
    for start in range(0, len(data), 16):
        part = data[start:start + 16].hex(" ")
        lines.append(f"{part:<{HEX_WIDTH}}{text if start == 0 else ''}".rstrip())


def block(endpoint: str) -> str:
    """The example as it stands in the page."""
    lines = []
    names = ["request, frame 1: RequestHeader", "request, frame 2: {}",
             "response, frame 1: ResponseHeader", "response, frame 2: {}"]
    for title, messages in exchanges(endpoint):
        lines += [f"**{title}**", "", "```"]
        for name, message in zip(names, messages, strict=True):
            data = message.SerializeToString()
            kind = message.DESCRIPTOR
            lines.append(f"# {name.format(kind.name)}, {len(data)} bytes")
            explain(data, kind, 0, lines)
        lines += ["```", ""]
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--check"]):
        raise SystemExit("usage: example.py ENDPOINT [--check]")
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        text = block(sys.argv[1])
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    new = f"{before}{BEGIN}\n{text}{END}{after}"
    if sys.argv[2:]:
        if new != page:
            raise SystemExit("Proto/README.md: the worked example is not what the service says")
        print("the worked example is what the service says")
    else:
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
