"""The channel against services that lose, refuse, come late and never come."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from scripted import OK, UNAVAILABLE, Reply, Request, ScriptedService

from tinsmith._rpc.call import Answer, Call, Stream
from tinsmith._rpc.channel import Channel
from tinsmith.errors import UnavailableError
from tinsmith.v1 import envelope_pb2 as pb

STEP = pb.METHOD_TRAINING_OPTIM_STEP
SAMPLE = pb.METHOD_SAMPLING_SAMPLE
PING = pb.METHOD_ADMIN_HEALTH
AWAIT = pb.METHOD_FUTURES_AWAIT

Start = Callable[[Callable[[Request, list[Request]], Reply]], ScriptedService]


@pytest.fixture
def start() -> Iterator[Start]:
    services: list[ScriptedService] = []

    def start(script: Callable[[Request, list[Request]], Reply]) -> ScriptedService:
        services.append(ScriptedService(script))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def unused() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def submit(channel: Channel, stream: Stream, method: pb.Method = STEP) -> Call:
    call = Call(method, [b"body"])
    channel.reserve(call.size)
    channel.submit(stream, [call])
    return call


def test_a_request_that_was_swallowed_is_asked_for_and_sent_again(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def script(request: Request, before: list[Request]) -> Reply:
        # The first copy vanishes, and nobody knows the key; heartbeats are answered all the time.
        if request.header.method == AWAIT:
            return UNAVAILABLE
        return OK if before else None

    service = start(script)
    channel = Channel(service.endpoint, ask_after=0.3)
    with caplog.at_level(logging.INFO, "tinsmith"):
        call = submit(channel, Stream("s:train:0"))
        assert isinstance(call.future.result(20), Answer)
    channel.close()
    assert service.methods() == [STEP, AWAIT, STEP]
    assert [request.body for request in service.requests] == [b"body", b"", b"body"]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "no answer to TRAINING_OPTIM_STEP (s:train:0, seq 0) for " in warnings[0]
    assert "the service said of it last: " in warnings[0]
    assert f"1 requests are with {service.endpoint}" in warnings[0]


def test_an_answer_that_was_lost_comes_when_it_is_asked_for(start: Start) -> None:
    service = start(lambda request, _: OK if request.header.method == AWAIT else None)
    channel = Channel(service.endpoint, ask_after=0.2)
    calls = [submit(channel, Stream("s:train:0")), submit(channel, Stream("s:sample:0"), SAMPLE)]
    for call in calls:
        assert isinstance(call.future.result(20), Answer)
    channel.close()
    assert sorted(service.methods()) == [STEP, SAMPLE, AWAIT, AWAIT]


def test_what_belongs_to_no_session_is_sent_again_instead(start: Start) -> None:
    service = start(lambda _, before: OK if before else None)
    channel = Channel(service.endpoint, ask_after=0.2)
    call = submit(channel, channel.control, PING)
    assert isinstance(call.future.result(20), Answer)
    channel.close()
    assert service.methods() == [PING, PING]


def test_a_long_call_is_asked_for_ever_less_often(start: Start) -> None:
    service = start(lambda *_: None)
    channel = Channel(service.endpoint, ask_after=0.2)
    submit(channel, Stream("s:train:0"))
    time.sleep(2.0)
    channel.close()
    # After 0.2, 0.6 and 1.4 s; a loaded machine may be late.
    assert 1 <= service.methods().count(AWAIT) <= 3


def test_a_refusal_after_a_long_wait_does_not_end_the_stream(start: Start) -> None:
    """Its patience begins with the refusal: what waited behind others has lost none of it."""

    def script(request: Request, before: list[Request]) -> Reply:
        if request.header.method == PING:
            return OK
        before = [each for each in before if each.header.method != PING]
        return (None, UNAVAILABLE, UNAVAILABLE, OK)[min(len(before), 3)]

    service = start(script)
    channel = Channel(service.endpoint, patience=1.0, ask_after=1.5)
    call = submit(channel, Stream("s:train:0"))
    while not call.future.done():
        submit(channel, channel.control, PING).future.result(20)
        time.sleep(0.05)
    assert isinstance(call.future.result(20), Answer)
    channel.close()
    assert [method for method in service.methods() if method != PING] == [STEP, AWAIT, STEP, STEP]


def test_an_address_that_never_answers_ends_with_its_name(unused: str) -> None:
    channel = Channel(unused, patience=0.5)
    stream = Stream("s:train:0")
    calls = [submit(channel, stream), submit(channel, stream)]
    calls += [submit(channel, Stream("s:sample:0"), SAMPLE), submit(channel, channel.control, PING)]
    began = time.monotonic()
    for call in calls:
        with pytest.raises(UnavailableError, match=f"nothing was heard of {unused} for . s"):
            call.future.result(20)
    assert time.monotonic() - began >= 0.3
    # A model's stream is at its end; what does not follow on anything is tried again.
    with pytest.raises(UnavailableError):
        submit(channel, stream).future.result(0.3)
    assert not submit(channel, Stream("s:sample:1"), SAMPLE).future.done()
    channel.close()


def test_a_service_that_comes_late_is_waited_for(unused: str) -> None:
    channel = Channel(unused, patience=20)
    call = submit(channel, Stream("s:train:0"))
    time.sleep(0.7)
    service = ScriptedService(lambda *_: OK, unused)
    assert isinstance(call.future.result(20), Answer)
    service.close()
    # It goes away again, and comes back within the patience.
    call = submit(channel, Stream("s:train:1"))
    time.sleep(0.7)
    assert not call.future.done()
    service = ScriptedService(lambda *_: OK, unused)
    assert isinstance(call.future.result(20), Answer)
    channel.close()
    service.close()
