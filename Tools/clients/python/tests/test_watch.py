"""When the log says what is waited for, by the clock of the test."""

from __future__ import annotations

import logging

from tinsmith._rpc.call import Call, Stream
from tinsmith._rpc.watch import Watch
from tinsmith.v1 import envelope_pb2 as pb


def call(seq: int, submitted: float = 0.0) -> Call:
    made = Call(pb.METHOD_TRAINING_FORWARD, [b"x"])
    made.stream, made.seq, made.submitted = Stream("s:train:0"), seq, submitted
    return made


def test_a_program_that_sends_far_ahead_is_left_alone() -> None:
    watch = Watch(30.0)
    calls = [call(seq) for seq in range(20)]
    # Each waits for minutes, and none is the oldest for long.
    for second in range(400):
        assert watch.look(calls[second // 20], second) is None


def test_what_stays_the_oldest_is_spoken_of_once_aloud() -> None:
    watch = Watch(30.0)
    stuck = call(7, submitted=-100.0)
    lines = []
    for second in range(100):
        if (found := watch.look(stuck, second)) is not None:
            lines.append((second, *found))
        if second == 40:
            stuck.said = "UNAVAILABLE: 100% busy"
    assert [(second, level) for second, level, _ in lines] == [
        (30, logging.WARNING),
        (60, logging.INFO),
        (90, logging.INFO),
    ]
    start = "no answer to TRAINING_FORWARD (s:train:0, seq 7) for "
    assert lines[0][2] == start + "130 s; the service said of it last: nothing"
    assert lines[1][2] % () == start + "160 s; the service said of it last: UNAVAILABLE: 100% busy"
    # Nothing is waited for, and then something else.
    assert watch.look(None, 100.0) is None
    assert watch.look(call(8), 101.0) is None and watch.look(call(9), 140.0) is None


def test_it_looks_now_and_then() -> None:
    watch = Watch(30.0)
    assert [watch.is_due(tenth / 10) for tenth in range(20)].count(True) == 2
    quick = Watch(0.4)
    assert [quick.is_due(hundredth / 100) for hundredth in range(100)].count(True) == 10
