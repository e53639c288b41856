"""One function for each kind of hostile client. Each attacks until it is told to stop; what the
service does to its connections (closing, refusing) is no error but the point."""

import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from tinsmith.v1 import admin_pb2 as admin
from tinsmith.v1 import checkpoints_pb2 as checkpoints
from tinsmith.v1 import envelope_pb2 as envelope
from tinsmith.v1 import sampling_pb2 as sampling
from tinsmith.v1 import sessions_pb2 as sessions
from tinsmith.v1 import tensor_pb2 as tensors
from tinsmith.v1 import training_pb2 as training

import wire

KEY = "hostile"

Attack = Callable[[str, Callable[[], bool]], int]
"""From endpoint and "go on" to how often it struck."""

ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


def over_tcp(
    endpoint: str, go_on: Callable[[], bool], strike: Callable[[socket.socket], int]
) -> int:
    """Strikes on one connection after the other; the service may close each."""
    count = 0
    while go_on():
        with suppress(OSError):
            connection = wire.dial(endpoint)
            with connection:
                count += strike(connection)
        time.sleep(0.01)
    return count


# Nobody needs a token for these.


@attack
def endless_message(endpoint: str, go_on: Callable[[], bool]) -> int:
    """One message whose parts never end."""

    def strike(connection: socket.socket) -> int:
        wire.shake_hands(connection)
        part = wire.frame(bytes(1 << 20), more=True)
        sent = 0
        with suppress(OSError):
            while go_on():
                connection.sendall(part)
                sent += 1
        return sent

    return over_tcp(endpoint, go_on, strike)


@attack
def many_endless_messages(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Two hundred connections, each with a message that is begun and left."""
    count = 0
    while go_on():
        held = []
        with suppress(OSError):
            for _ in range(200):
                connection = wire.dial(endpoint)
                held.append(connection)
                wire.shake_hands(connection)
                connection.sendall(b"\x03" + (256 << 20).to_bytes(8, "big") + bytes(64 << 10))
                count += 1
        time.sleep(2)
        for connection in held:
            connection.close()
    return count


@attack
def answers_never_read(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Pings with a large payload on a connection that does not read."""
    payload = admin.PingRequest(payload=tensors.Blob(raw=bytes(1 << 20))).SerializeToString()
    return _unread(endpoint, go_on, envelope.METHOD_ADMIN_PING, payload)


@attack
def statistics_never_read(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Small questions with large answers on a connection that does not read."""
    return _unread(endpoint, go_on, envelope.METHOD_ADMIN_STATS, b"")


def _unread(endpoint: str, go_on: Callable[[], bool], method: int, body: bytes) -> int:
    count = 0
    while go_on():
        with suppress(OSError):
            connection = wire.dial(endpoint, receive_buffer=4096)
            with connection:
                wire.shake_hands(connection)
                for seq in range(1, 1 << 20):
                    header = envelope.RequestHeader(
                        protocol_version=1, method=method, seq=seq
                    ).SerializeToString()
                    connection.sendall(wire.frame(header, more=True) + wire.frame(body))
                    count += 1
                    if not go_on():
                        break
        time.sleep(0.05)
    return count


@attack
def silent_connections(endpoint: str, go_on: Callable[[], bool]) -> int:
    """A thousand connections that say nothing."""
    held: list[socket.socket] = []
    count = 0
    while go_on():
        with suppress(OSError):
            while len(held) < 1000 and go_on():
                held.append(wire.dial(endpoint))
                count += 1
        time.sleep(0.2)
        alive = []
        for connection in held:
            connection.setblocking(False)
            try:
                # A greeting may come; the end of the stream means that we were closed.
                closed = connection.recv(64) == b""
            except BlockingIOError:
                closed = False
            except OSError:
                closed = True
            if closed:
                connection.close()
            else:
                alive.append(connection)
        held = alive
    for connection in held:
        connection.close()
    return count


@attack
def garbage(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Bytes that are no ZMTP, or nearly."""
    draw = random.Random(1)

    def strike(connection: socket.socket) -> int:
        choice = draw.random()
        if choice < 0.2:
            data = draw.randbytes(draw.choice([1, 10, 64, 1000]))
        elif choice < 0.3:
            data = b"GET / HTTP/1.1\r\n\r\n"
        elif choice < 0.5:
            broken = bytearray(wire.GREETING)
            broken[draw.randrange(64)] ^= 1 << draw.randrange(8)
            data = bytes(broken) + wire.ready()
        elif choice < 0.7:
            broken = bytearray(wire.GREETING + wire.ready(draw.choice([b"", b"x", b"y" * 255])))
            broken[draw.randrange(len(broken))] = draw.randrange(256)
            data = bytes(broken)
        elif choice < 0.8:
            kind = draw.choice(
                [b"PUB", b"XPUB", b"ROUTER", b"REQ", b"REP", b"STREAM", b"", b"A" * 200]
            )
            data = wire.GREETING + wire.ready(kind=kind)
        elif choice < 0.9:
            size = draw.choice(
                [0, 1, 256 << 20, (256 << 20) + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
            )
            data = wire.GREETING + wire.ready() + b"\x02" + size.to_bytes(8, "big") + b"abc"
        else:
            data = wire.GREETING + wire.ready() + draw.randbytes(21)
        connection.sendall(data)
        return 1

    return over_tcp(endpoint, go_on, strike)


@attack
def chosen_names(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Peers that choose their routing ids, also such as look like automatic ones."""
    number = 0

    def strike(connection: socket.socket) -> int:
        nonlocal number
        number += 1
        name = b"\0" + os.urandom(4) if number % 2 else b"id%d" % number + b"z" * 200
        wire.shake_hands(connection, name)
        connection.sendall(wire.frame(b""))
        return 1

    return over_tcp(endpoint, go_on, strike)


def _headers(endpoint: str, go_on: Callable[[], bool], method: int, tail: bytes) -> int:
    count = 0
    with wire.Peer(endpoint) as peer:
        while go_on():
            for _ in range(256):
                count += 1
                header = peer.header(method, seq=count) + tail
                peer.send_frames([header, b""])
            peer.drain()
            time.sleep(0.02)
    return count


@attack
def unreadable_names(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Sessions.Create with a client_name that is not UTF-8."""
    return _headers(endpoint, go_on, envelope.METHOD_SESSIONS_CREATE, b"\x32\x01\xff")


@attack
def unreadable_worker_pings(endpoint: str, go_on: Callable[[], bool]) -> int:
    """The same, for a method that a worker answers."""
    return _headers(endpoint, go_on, envelope.METHOD_ADMIN_WORKER_PING, b"\x32\x01\xff")


@attack
def stream_names(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Each ping on a stream of its own; now and then names that are none."""
    count = 0
    with wire.Peer(endpoint) as peer:
        while go_on():
            for _ in range(256):
                count += 1
                peer.send(envelope.METHOD_ADMIN_PING, f"s{count}" if count % 4 else "a\tb\x01", 1)
            peer.drain()
            time.sleep(0.02)
    return count


@attack
def statistics_flood(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Questions for the statistics, as fast as they go."""
    return _headers(endpoint, go_on, envelope.METHOD_ADMIN_STATS, b"")


# With a session.


def with_session(
    endpoint: str, go_on: Callable[[], bool], strike: Callable[[wire.Peer], int]
) -> int:
    """Strikes within sessions of the hostile tenant; a session that is lost is made anew."""
    count = 0
    while go_on():
        with wire.Peer(endpoint) as peer:
            if not peer.open_session(KEY, seconds=5):
                time.sleep(0.2)
                continue
            count += strike(peer)
            peer.finish()
    return count


@attack
def many_attachments(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Futures.Await with more attachments than a message may have."""

    def strike(peer: wire.Peer) -> int:
        peer.create_model()
        # By hand, so that several arrive at once.
        data = b""
        for seq in range(50, 74):
            header = peer.header(envelope.METHOD_FUTURES_AWAIT, f"{peer.session}:train:0", seq)
            data += (
                wire.frame(header, more=True)
                + wire.frame(b"", more=True) * 16_386
                + wire.frame(b"")
            )
        with suppress(OSError), wire.dial(endpoint) as connection:
            wire.shake_hands(connection)
            connection.sendall(data)
            time.sleep(0.5)
        return 24

    return with_session(endpoint, go_on, strike)


@attack
def many_sessions(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Sessions without end."""
    count = 0
    with wire.Peer(endpoint) as peer:
        while go_on():
            for _ in range(256):
                count += 1
                peer.send(
                    envelope.METHOD_SESSIONS_CREATE,
                    "",
                    count,
                    sessions.CreateSessionRequest(api_key=KEY),
                )
            peer.drain()
            time.sleep(0.02)
    return count


@attack
def many_streams(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Streams without end, in several sessions."""

    def strike(peer: wire.Peer) -> int:
        for number in range(8000):
            peer.send(
                envelope.METHOD_SAMPLING_COMPUTE_LOGPROBS, f"{peer.session}:sample:{number}", 1
            )
            if number % 256 == 255:
                peer.drain()
                time.sleep(0.01)
            if not go_on():
                break
        return 8000

    return with_session(endpoint, go_on, strike)


@attack
def sparse_bombs(endpoint: str, go_on: Callable[[], bool]) -> int:
    """A few hundred bytes that stand for gigabytes."""
    bomb = training.ForwardBackwardRequest(
        data=[wire.datum([65], [(f"x{i}", wire.empty_sparse(1, 1 << 26)) for i in range(12)])],
        loss_fn="cross_entropy",
    )
    named = training.ForwardBackwardRequest(loss_fn="cross_entropy")
    for _ in range(64):
        one = training.Datum(model_input=wire.tokens([65]))
        for name in ("target_tokens", "weights"):
            one.loss_fn_inputs.add(name=name, tensor=wire.empty_sparse(1, 1 << 26))
        named.data.append(one)

    def strike(peer: wire.Peer) -> int:
        if not peer.create_model():
            return 0
        seq = 0
        while go_on() and seq < 20:
            seq += 1
            peer.call(
                envelope.METHOD_TRAINING_FORWARD,
                f"{peer.session}:train:0",
                seq,
                bomb if seq % 2 else named,
                seconds=5,
            )
        return seq

    return with_session(endpoint, go_on, strike)


@attack
def early_seqs(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Large requests that wait for one that never comes."""

    def strike(peer: wire.Peer) -> int:
        peer.create_model()
        count = 0
        for seq in range(5, 40):
            if not go_on():
                break
            peer.send(
                envelope.METHOD_TRAINING_FORWARD,
                f"{peer.session}:train:0",
                seq,
                attachments=[bytes(8 << 20)],
            )
            count += 1
            time.sleep(0.02)
        time.sleep(1)
        return count

    return with_session(endpoint, go_on, strike)


@attack
def samples_without_cost(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Long samples, hundreds at a time, that do not say what they cost."""
    request = sampling.SampleRequest(
        prompt=wire.tokens(list(range(65, 90))),
        num_samples=8,
        base_model=wire.BASE,
        sampling_params=sampling.SamplingParams(max_tokens=512, temperature=1.0),
    )

    def strike(peer: wire.Peer) -> int:
        count = 0
        while go_on():
            count += 1
            peer.send(
                envelope.METHOD_SAMPLING_SAMPLE,
                f"{peer.session}:sample:{count % 16}",
                count,
                request,
            )
            if count % 32 == 0:
                peer.drain()
                time.sleep(0.1)
        return count

    return with_session(endpoint, go_on, strike)


@attack
def stop_strings(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Sixty-four long stop strings for many samples."""
    stops = [("ab" * 30_000)[i:] for i in range(64)]
    request = sampling.SampleRequest(
        prompt=wire.tokens(list(range(65, 90))),
        num_samples=32,
        base_model=wire.BASE,
        sampling_params=sampling.SamplingParams(
            max_tokens=256, temperature=1.0, stop_strings=sampling.StopStrings(values=stops)
        ),
    )

    def strike(peer: wire.Peer) -> int:
        count = 0
        while go_on() and count < 50:
            count += 1
            peer.call(
                envelope.METHOD_SAMPLING_SAMPLE,
                f"{peer.session}:sample:0",
                count,
                request,
                seconds=5,
            )
        return count

    return with_session(endpoint, go_on, strike)


@attack
def large_models(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Adapters of the greatest rank, as many as there is room for."""

    def strike(peer: wire.Peer) -> int:
        made = 0
        for number in range(100):
            if not go_on() or not peer.create_model(number, rank=512, seconds=3):
                break
            made += 1
        return made

    return with_session(endpoint, go_on, strike)


@attack
def large_answers(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Small requests with large answers, again and again the same key."""
    ids = [65 + i % 20 for i in range(2000)]
    request = training.ForwardBackwardRequest(data=[wire.datum(ids)] * 16, loss_fn="cross_entropy")
    prompt = sampling.SampleRequest(
        prompt=wire.tokens(ids),
        num_samples=1,
        base_model=wire.BASE,
        topk_prompt_logprobs=64,
        prompt_logprobs=True,
        sampling_params=sampling.SamplingParams(max_tokens=1),
    )

    def strike(peer: wire.Peer) -> int:
        peer.create_model()
        peer.send(envelope.METHOD_TRAINING_FORWARD, f"{peer.session}:train:0", 1, request)
        count = 0
        while go_on() and count < 2000:
            count += 1
            peer.send(envelope.METHOD_TRAINING_FORWARD, f"{peer.session}:train:0", 1, request)
            peer.send(envelope.METHOD_SAMPLING_SAMPLE, f"{peer.session}:sample:0", 1, prompt)
            if count % 16 == 0:
                peer.drain()
                time.sleep(0.05)
        return count

    return with_session(endpoint, go_on, strike)


@attack
def models_made_and_left(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Models that are made, stepped once, saved for sampling without a name, and unloaded."""

    def strike(peer: wire.Peer) -> int:
        made = 0
        for number in range(100):
            if not go_on() or not peer.create_model(number, rank=64, seconds=10):
                break
            stream = f"{peer.session}:train:{number}"
            step = training.ForwardBackwardRequest(
                data=[wire.datum([65, 66, 67])], loss_fn="cross_entropy"
            )
            peer.call(envelope.METHOD_TRAINING_FORWARD_BACKWARD, stream, 1, step)
            peer.call(envelope.METHOD_TRAINING_OPTIM_STEP, stream, 2, training.OptimStepRequest())
            peer.call(
                envelope.METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER,
                stream,
                3,
                sampling.SaveWeightsForSamplerRequest(),
            )
            if number % 2:
                peer.call(envelope.METHOD_TRAINING_UNLOAD, stream, 4)
            made += 1
        return made

    return with_session(endpoint, go_on, strike)


@attack
def large_imports(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Imports whose tensor file is one endless header."""
    header = b'{"a":{"dtype":"F32","shape":[' + b"1," * (12 << 20) + b"1]}}"
    tensor_file = len(header).to_bytes(8, "little") + header

    def strike(peer: wire.Peer) -> int:
        request = checkpoints.ImportCheckpointRequest(
            name="bad", kind=checkpoints.CHECKPOINT_KIND_SAMPLER, base_model=wire.BASE
        )
        config = request.files.add(name="adapter_config.json")
        config.content.raw = b'{"peft_type":"LORA","r":8}'
        weights = request.files.add(name="adapter_model.safetensors")
        weights.content.attachment = 0
        count = 0
        while go_on() and count < 100:
            count += 1
            peer.send(
                envelope.METHOD_CHECKPOINTS_IMPORT,
                f"{peer.session}:checkpoints",
                count,
                request,
                attachments=[tensor_file],
            )
            peer.drain()
            time.sleep(0.25)
        return count

    return with_session(endpoint, go_on, strike)


@attack
def false_numbers(endpoint: str, go_on: Callable[[], bool]) -> int:
    """Headers whose numbers are as large as numbers get."""
    top = (1 << 64) - 1

    def strike(peer: wire.Peer) -> int:
        peer.create_model()
        draw = random.Random(2)
        count = 0
        while go_on() and count < 20_000:
            count += 1
            method = draw.choice([202, 203, 204, 303, 304, 501, 502, 101, 102, 401, 604, 605])
            stream = draw.choice([f"{peer.session}:train:0", f"{peer.session}:sample:1", ""])
            peer.send(
                method,
                stream,
                draw.choice([0, 1, top, top - 1, 1 << 63]),
                acked=draw.choice([0, 1, top, 1 << 62]),
                timeout_ms=draw.choice([0, 1, (1 << 32) - 1]),
                cost_prompt_tokens=draw.choice([0, top, 1 << 63]),
                cost_new_tokens=draw.choice([0, top]),
                flags=draw.choice([0, 1, 2, 1 << 30]),
            )
            if count % 128 == 0:
                peer.drain()
                time.sleep(0.02)
        return count

    return with_session(endpoint, go_on, strike)
