"""Heartbeats and silence, by the clock of the test."""

from __future__ import annotations

from tinsmith._rpc.liveness import Due, Liveness


def test_a_talkative_connection_sends_only_what_keeps_the_session() -> None:
    liveness = Liveness(0.0)
    beats = []
    for tenth in range(1, 400):
        now = tenth / 10
        liveness.heard(now)
        due = liveness.due(now, is_waiting=True)
        assert due is not Due.RECONNECT
        if due is Due.HEARTBEAT:
            beats.append(now)
    assert beats == [10.0, 20.0, 30.0]


def test_silence_is_broken_by_a_heartbeat_and_then_by_a_new_connection() -> None:
    liveness = Liveness(0.0)
    expected = {2.0: Due.HEARTBEAT, 4.0: Due.HEARTBEAT, 6.0: Due.RECONNECT}
    for tenth in range(1, 61):
        now = tenth / 10
        assert liveness.due(now, is_waiting=True) is expected.get(now, Due.NOTHING)
    liveness.connected(6.0)
    assert liveness.due(7.9, is_waiting=True) is Due.NOTHING
    assert liveness.due(8.0, is_waiting=True) is Due.HEARTBEAT
    liveness.heard(8.1)
    assert liveness.due(8.2, is_waiting=True) is Due.NOTHING


def test_an_unanswered_heartbeat_is_enough_to_connect_again() -> None:
    liveness = Liveness(0.0)
    assert liveness.due(2.0, is_waiting=False) is Due.HEARTBEAT
    liveness.heard(2.1)
    assert liveness.due(4.2, is_waiting=False) is Due.HEARTBEAT
    assert liveness.due(8.0, is_waiting=False) is Due.HEARTBEAT
    assert liveness.due(8.2, is_waiting=False) is Due.RECONNECT


def test_silence_is_counted_over_connections_and_ends_with_a_word() -> None:
    liveness = Liveness(0.0)
    for second in range(1, 21):
        if liveness.due(float(second), is_waiting=True) is Due.RECONNECT:
            liveness.connected(float(second))
    assert liveness.silence == 20
    liveness.heard(20.5)
    liveness.due(21.0, is_waiting=False)
    # Nobody has asked anything: that is no silence.
    assert liveness.silence == 0


def test_a_stopped_process_has_not_listened() -> None:
    liveness = Liveness(0.0)
    liveness.due(1.0, is_waiting=True)
    liveness.due(3601.0, is_waiting=True)
    assert liveness.silence == 3
