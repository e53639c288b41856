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
    liveness.heard(6.0)  # The new connection.
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
