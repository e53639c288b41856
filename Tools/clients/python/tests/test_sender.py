"""The order of calls that cannot be sent yet."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tinsmith._rpc.call import Call, Stream
from tinsmith._sender import StreamSender
from tinsmith.errors import NotFoundError
from tinsmith.v1 import envelope_pb2 as pb


class FakeChannel:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[Call] = []
        self.reserved = 0

    def reserve(self, size: int, wait: bool = True) -> None:
        self.reserved += size

    def submit(self, stream: Stream, calls: Sequence[Call]) -> None:
        self.sent += calls


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def sender(channel: FakeChannel) -> StreamSender:
    return StreamSender(channel)  # type: ignore[arg-type]


def calls(count: int) -> list[Call]:
    return [Call(pb.METHOD_TRAINING_OPTIM_STEP, [b"x"]) for _ in range(count)]


def test_calls_wait_for_the_stream(channel: FakeChannel, sender: StreamSender) -> None:
    one, two, three = calls(3)
    sender.send([one])
    sender.send([two])
    assert channel.sent == [] and channel.reserved == 2
    sender.open(Stream("s"))
    sender.send([three])
    assert channel.sent == [one, two, three]


def test_calls_wait_while_one_holds_the_stream(channel: FakeChannel, sender: StreamSender) -> None:
    first, later, last, second_hold, end, last2 = calls(6)
    sender.open(Stream("s"))
    sender.send([first], hold=True)
    sender.send([later])
    sender.send([second_hold], hold=True)
    sender.send([end])
    assert channel.sent == [first]
    sender.release([last])
    assert channel.sent == [first, last, later, second_hold]
    sender.release([last2])
    assert channel.sent == [first, last, later, second_hold, last2, end]


def test_a_hold_made_before_the_stream_exists(channel: FakeChannel, sender: StreamSender) -> None:
    first, later, last = calls(3)
    sender.send([first], hold=True)
    sender.send([later])
    sender.open(Stream("s"))
    assert channel.sent == [first]
    sender.release([last])
    assert channel.sent == [first, last, later]


def test_each_call_is_completed_before_it_is_sent(
    channel: FakeChannel, sender: StreamSender
) -> None:
    waiting, later = calls(2)
    sender.send([waiting])
    prepared: list[Call] = []
    sender.open(Stream("s"), prepared.append)
    sender.send([later])
    assert prepared == [waiting, later] == channel.sent


def test_a_stream_that_cannot_be_opened_fails_everything(
    channel: FakeChannel, sender: StreamSender
) -> None:
    (waiting,) = calls(1)
    sender.send([waiting])
    sender.fail(NotFoundError("no such model"))
    with pytest.raises(NotFoundError):
        waiting.future.result(0)
    with pytest.raises(NotFoundError):
        sender.send(calls(1))
    assert channel.sent == [] and channel.reserved == 0
