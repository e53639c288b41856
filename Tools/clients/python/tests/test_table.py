"""The channel's decisions, without a socket."""

from __future__ import annotations

import pytest

from tinsmith._rpc.call import Answer, Call, Phase, Stream
from tinsmith._rpc.rules import KEPT_ANSWERS, KEPT_UNTAKEN, MAX_STREAMS, Limits
from tinsmith._rpc.table import CallTable
from tinsmith.errors import (
    InvalidArgumentError,
    PermissionDeniedError,
    RequestCancelledError,
    TinsmithError,
    UnavailableError,
)
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import status_pb2 as status

STEP = pb.METHOD_TRAINING_OPTIM_STEP
SAMPLE = pb.METHOD_SAMPLING_SAMPLE


def submit(
    table: CallTable,
    stream: Stream,
    method: pb.Method = STEP,
    size: int = 10,
    timeout: float | None = None,
    now: float = 0.0,
) -> Call:
    call = Call(method, [b"x" * size], timeout=timeout)
    call.stream = stream
    table.submit(call, now)
    return call


def send_all(table: CallTable, now: float = 0.0) -> list[int]:
    seqs = []
    while (call := table.next_call()) is not None:
        table.sent(call, now)
        seqs.append(call.seq)
    return seqs


def header(call: Call, event: pb.Event = pb.EVENT_FINAL, **fields: object) -> pb.ResponseHeader:
    return pb.ResponseHeader(
        stream=call.stream.name,
        seq=call.seq,
        event=event,
        **fields,  # type: ignore[arg-type]
    )


def answer(table: CallTable, call: Call, now: float = 0.0, **fields: object) -> None:
    table.answered(header(call, **fields), [b"body"], now)  # type: ignore[arg-type]


def refuse(table: CallTable, call: Call, code: int, now: float = 0.0, wait_ms: int = 0) -> None:
    answer(table, call, now, code=code, message="no", retry_after_ms=wait_ms)


def outcome(table: CallTable, call: Call) -> Answer | TinsmithError | None:
    return dict(table.ended).get(call)


def test_seqs_count_up_in_each_stream() -> None:
    table = CallTable()
    one, other = Stream("s:train:0"), Stream("s:train:1", first_seq=5)
    assert [submit(table, s).seq for s in (one, one, other, one, other)] == [0, 1, 5, 2, 6]
    assert send_all(table) == [0, 1, 5, 2, 6]


def test_the_window_bounds_requests_and_grows_by_what_headers_grant() -> None:
    table = CallTable(Limits(window_requests=2))
    calls = [submit(table, Stream("s")) for _ in range(1)]
    stream = calls[0].stream
    calls += [submit(table, stream) for _ in range(4)]
    assert send_all(table) == [0, 1]
    answer(table, calls[0], window_requests=3)
    assert send_all(table) == [2, 3]


def test_the_window_bounds_bytes_but_one_request_always_fits() -> None:
    table = CallTable(Limits(window_bytes=25))
    stream = Stream("s")
    calls = [submit(table, stream, size=n) for n in (10, 10, 10, 100)]
    assert send_all(table) == [0, 1]
    answer(table, calls[0])
    assert send_all(table) == [2]
    answer(table, calls[1])
    answer(table, calls[2])
    assert send_all(table) == [3]


def test_an_answer_ends_its_call_once() -> None:
    table = CallTable()
    call = submit(table, Stream("s"))
    send_all(table)
    answer(table, call)
    answer(table, call)
    assert [c for c, _ in table.ended] == [call]
    assert table.outstanding_requests == 0 and table.outstanding_bytes == 0


@pytest.mark.parametrize(
    ("code", "is_sent_again"),
    [
        (status.STATUS_CODE_RESOURCE_EXHAUSTED, True),
        (status.STATUS_CODE_UNAVAILABLE, True),
        (status.STATUS_CODE_ABORTED, True),
        (status.STATUS_CODE_INVALID_ARGUMENT, False),
        (status.STATUS_CODE_FAILED_PRECONDITION, False),
        (status.STATUS_CODE_NOT_FOUND, False),
        (status.STATUS_CODE_INTERNAL, False),
        (status.STATUS_CODE_DATA_LOSS, False),
    ],
)
def test_which_codes_are_sent_again(code: int, is_sent_again: bool) -> None:
    table = CallTable()
    stream = Stream("s")
    call, behind = submit(table, stream), submit(table, stream)
    send_all(table)
    refuse(table, call, code)
    assert (call.phase is Phase.RESTING) == is_sent_again
    assert (outcome(table, call) is None) == is_sent_again
    assert behind.phase is Phase.SENT
    if is_sent_again:
        table.tick(10.0)
        assert send_all(table) == [0]


def test_a_refused_call_rests_as_long_as_it_is_told() -> None:
    table = CallTable()
    call = submit(table, Stream("s"))
    send_all(table)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=100.0, wait_ms=2000)
    assert table.questions(101.9) == []
    table.tick(101.9)
    assert table.next_call() is None
    assert 102.0 <= (table.next_time() or 0) <= 102.5
    table.tick(102.5)
    assert table.next_call() is call


def test_backoff_doubles_up_to_its_limit() -> None:
    table = CallTable(Limits(first_backoff=0.01, longest_backoff=0.05))
    call = submit(table, Stream("s"))
    now = 0.0
    for expected in (0.01, 0.02, 0.04, 0.05, 0.05):
        send_all(table)
        refuse(table, call, status.STATUS_CODE_ABORTED, now)
        assert expected <= call.rest_until - now <= expected * 1.25 + 1e-9
        now = call.rest_until
        table.tick(now)


def test_older_calls_go_first_after_a_rest() -> None:
    table = CallTable(Limits(window_requests=2))
    stream = Stream("s")
    calls = [submit(table, stream) for _ in range(4)]
    send_all(table)
    refuse(table, calls[0], status.STATUS_CODE_RESOURCE_EXHAUSTED)
    table.tick(1.0)
    assert send_all(table) == [0]
    answer(table, calls[1])
    assert send_all(table) == [2]


def test_a_refused_call_keeps_its_place_if_those_behind_it_wait_for_it() -> None:
    table = CallTable(Limits(window_requests=2))
    stream, sampler = Stream("s"), Stream("t")
    step, _behind, _later = (submit(table, stream) for _ in range(3))
    send_all(table)
    refuse(table, step, status.STATUS_CODE_UNAVAILABLE)
    assert send_all(table) == [] and table.outstanding_requests == 2
    table.tick(1.0)
    assert send_all(table) == [0] and table.outstanding_requests == 2
    # Also when the connection breaks while it rests.
    refuse(table, step, status.STATUS_CODE_UNAVAILABLE, now=1.0)
    table.connection_lost()
    assert table.outstanding_requests == 1
    assert send_all(table) == [1] and table.outstanding_requests == 2
    table.tick(2.0)
    assert send_all(table) == [0]
    # Nobody waits for a sample: another one may take its place.
    table = CallTable(Limits(window_requests=1))
    sample, _other = (submit(table, sampler, SAMPLE) for _ in range(2))
    send_all(table)
    refuse(table, sample, status.STATUS_CODE_UNAVAILABLE)
    assert send_all(table) == [1]


def test_a_stream_does_not_run_away_from_an_answer_that_is_missing() -> None:
    table = CallTable(Limits(window_requests=1000))
    stream = Stream("s")
    calls = [submit(table, stream) for _ in range(KEPT_ANSWERS + 44)]
    assert len(send_all(table)) == KEPT_ANSWERS
    for call in calls[1:KEPT_ANSWERS]:
        answer(table, call)
        call.taken = True
    assert send_all(table) == []
    answer(table, calls[0])
    assert len(send_all(table)) == 44


def test_patience_ends_and_takes_an_ordered_stream_with_it() -> None:
    table = CallTable(Limits(patience=5))
    stream = Stream("s")
    call, behind = submit(table, stream), submit(table, stream)
    send_all(table)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=1.0)
    table.tick(5.9)
    send_all(table, 5.9)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=6.0)
    assert isinstance(outcome(table, call), UnavailableError)
    assert isinstance(outcome(table, behind), UnavailableError)
    late = submit(table, stream)
    assert isinstance(outcome(table, late), UnavailableError)
    assert table.outstanding_requests == 0 and table.next_call() is None


def test_patience_ends_for_one_sample_only() -> None:
    table = CallTable(Limits(patience=5))
    stream = Stream("s")
    call, other = submit(table, stream, SAMPLE), submit(table, stream, SAMPLE)
    send_all(table)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=1.0)
    table.tick(5.9)
    send_all(table, 5.9)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=6.0)
    assert isinstance(outcome(table, call), UnavailableError)
    answer(table, other, now=6.0)
    assert isinstance(outcome(table, other), Answer)


@pytest.mark.parametrize("method", [STEP, SAMPLE])
def test_patience_counts_from_the_first_refusal(method: pb.Method) -> None:
    table = CallTable(Limits(patience=5, ask_after=3))
    call = submit(table, Stream("s"), method)
    send_all(table)
    # It has waited behind others for very long, and so it does after each of these.
    for now in (1000.0, 1003.0, 1006.0, 1009.0, 1012.0):
        refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now)
        table.tick(now + 1.25)
        assert send_all(table, now) == [0]
    # From here on it is turned away at the door.
    for now in (1013.0, 1015.0, 1016.9):
        refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now)
        table.tick(now + 1.25)
        assert send_all(table, now) == [0]
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, 1017.0)
    assert isinstance(outcome(table, call), UnavailableError)


@pytest.mark.parametrize("event", [pb.EVENT_ACCEPTED, pb.EVENT_PARTIAL])
def test_patience_begins_anew_with_what_was_let_in(event: pb.Event) -> None:
    table = CallTable(Limits(patience=5))
    call = submit(table, Stream("s"))
    send_all(table)
    for now in (0.0, 4.0, 8.0):
        refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now)
        table.tick(now + 2)
        send_all(table, now + 2)
        answer(table, call, now + 2, event=event)
    assert call.phase is Phase.SENT


def test_a_time_out_does_not_lengthen_the_patience() -> None:
    table = CallTable(Limits(patience=5))
    call = submit(table, Stream("s"), SAMPLE, timeout=100)
    send_all(table)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=0.0)
    table.tick(4.0)
    send_all(table, 4.0)
    refuse(table, call, status.STATUS_CODE_UNAVAILABLE, now=5.0)
    assert isinstance(outcome(table, call), UnavailableError)


def test_what_is_not_heard_of_is_asked_for_less_and_less_often() -> None:
    table = CallTable(Limits(ask_after=30, longest_ask=100))
    step, sample = submit(table, Stream("s")), submit(table, Stream("t"), SAMPLE)
    submit(table, Stream("u"))
    send_all(table)
    answer(table, sample, 10.0, event=pb.EVENT_PARTIAL)
    asked = []
    for now in range(1, 400):
        if (next_time := table.next_time()) is not None and next_time <= now:
            asked += [(now, call) for call in table.questions(now)]
    assert [now for now, call in asked if call is step] == [30, 90, 190, 290, 390]
    assert [now for now, call in asked if call is sample] == [40, 100, 200, 300]
    # Neither what rests nor what is answered is asked for, and a word begins it anew.
    refuse(table, step, status.STATUS_CODE_UNAVAILABLE, 400.0)
    answer(table, sample, 400.0)
    assert step not in table.questions(500.0)
    table.tick(500.0)
    send_all(table, 500.0)
    assert step not in table.questions(529.9) and step in table.questions(530.0)


def test_silence_ends_what_is_older_than_the_patience() -> None:
    table = CallTable(Limits(patience=5, window_requests=3))
    stream, sampler = Stream("s"), Stream("t")
    step, old = submit(table, stream), submit(table, sampler, SAMPLE)
    behind, young = submit(table, stream, now=3.0), submit(table, sampler, SAMPLE, now=3.0)
    send_all(table)
    refuse(table, old, status.STATUS_CODE_UNAVAILABLE, 4.9)
    silent = UnavailableError("nobody there")
    table.give_up_silent(4.9, silent)
    assert not table.ended
    table.give_up_silent(5.0, silent)
    assert {call for call, error in table.ended if error is silent} == {step, old, behind}
    assert table.outstanding_requests == 0 and send_all(table) == [young.seq]
    table.tick(10.0)
    assert send_all(table) == []


def test_a_code_that_uses_up_no_seq_ends_the_stream() -> None:
    table = CallTable()
    call = submit(table, Stream("s"))
    send_all(table)
    refuse(table, call, status.STATUS_CODE_PERMISSION_DENIED)
    assert isinstance(call.stream.failure, PermissionDeniedError)


def test_calls_of_a_model_that_was_not_made_say_why() -> None:
    table = CallTable()
    stream = Stream("s:train:0")
    creation = submit(table, stream, pb.METHOD_TRAINING_CREATE_MODEL)
    step = submit(table, stream)
    send_all(table)
    refuse(table, creation, status.STATUS_CODE_INVALID_ARGUMENT)
    # What the service says of them is that there is no such model.
    refuse(table, step, status.STATUS_CODE_NOT_FOUND)
    late = submit(table, stream)
    for call in (creation, step, late):
        assert isinstance(outcome(table, call), InvalidArgumentError)
    assert table.outstanding_requests == 0 and table.next_call() is None


def test_a_model_lives_on_when_it_is_to_be_made_again() -> None:
    table = CallTable()
    stream = Stream("s:train:0")
    first, again = (submit(table, stream, pb.METHOD_TRAINING_CREATE_MODEL) for _ in range(2))
    send_all(table)
    answer(table, first)
    refuse(table, again, status.STATUS_CODE_ALREADY_EXISTS)
    assert stream.failure is None


def test_after_a_lost_connection_everything_without_an_answer_is_sent_again_in_order() -> None:
    table = CallTable(Limits(window_requests=10))
    one, other = Stream("s:train:0"), Stream("s:sample:0")
    calls = [
        submit(table, one),
        submit(table, other, SAMPLE),
        submit(table, one),
        submit(table, one),
    ]
    send_all(table)
    answer(table, calls[1])
    answer(table, calls[2], event=pb.EVENT_ACCEPTED)
    table.connection_lost()
    assert table.outstanding_requests == 0
    again = []
    while (call := table.next_call()) is not None:
        table.sent(call, 0.0)
        again.append((call.seq, call.is_accepted, bool(call.frames)))
    # What was accepted is asked for by its key alone.
    assert again == [(0, False, True), (1, True, True), (2, False, True)]


def test_bytes_are_kept_until_the_answer_is_there() -> None:
    table = CallTable()
    step, sample = submit(table, Stream("a")), submit(table, Stream("b"), SAMPLE)
    send_all(table)
    for call in (step, sample):
        answer(table, call, event=pb.EVENT_ACCEPTED)
    assert step.is_accepted and not sample.is_accepted
    # A service that knows nothing of it any more gets it again.
    refuse(table, step, status.STATUS_CODE_UNAVAILABLE)
    table.tick(1.0)
    again = table.next_call()
    assert again is step and again.frames and not again.is_accepted
    send_all(table)
    assert table.freed_bytes == 0
    answer(table, sample)
    answer(table, step)
    assert table.freed_bytes == 20


def test_acked_follows_what_the_program_took() -> None:
    table = CallTable(Limits(window_requests=1000))
    stream = Stream("s")
    calls = [submit(table, stream) for _ in range(KEPT_UNTAKEN + 3)]
    send_all(table)
    for call in calls[:3]:
        answer(table, call)
    assert table.acked(calls[10]) == 0
    calls[0].taken = calls[2].taken = True
    assert table.acked(calls[10]) == 0  # seq 0 is covered by the creation
    calls[1].taken = True
    assert table.acked(calls[10]) == 2
    answer(table, calls[3])
    assert table.acked(calls[10]) == 2
    # Far behind, an answer nobody took is given up.
    last = calls[-1]
    answer(table, calls[4])
    assert last.seq - calls[3].seq < KEPT_UNTAKEN and table.acked(last) == 2
    far = submit(table, stream)
    assert table.acked(far) == 3


def test_a_service_that_has_no_room_for_answers_gets_them_acknowledged() -> None:
    table = CallTable()
    calls = [submit(table, Stream("s"))]
    calls += [submit(table, calls[0].stream) for _ in range(3)]
    send_all(table)
    for call in calls[:3]:
        answer(table, call)
    assert table.acked(calls[3]) == 0
    answer(table, calls[3], code=status.STATUS_CODE_RESOURCE_EXHAUSTED, field="acked")
    table.tick(2.0)
    assert send_all(table) == [3] and table.acked(calls[3]) == 2
    answer(table, calls[3])
    assert table.acked(submit(table, calls[0].stream)) == 2


def test_answers_of_a_replaced_owner_are_dropped() -> None:
    table = CallTable()
    stream = Stream("s")
    calls = [submit(table, stream) for _ in range(2)]
    send_all(table)
    answer(table, calls[0], epoch=2)
    answer(table, calls[1], epoch=1)
    assert outcome(table, calls[1]) is None
    answer(table, calls[1], epoch=2)
    assert isinstance(outcome(table, calls[1]), Answer)


def test_cancelling() -> None:
    table = CallTable(Limits(window_requests=1))
    stream = Stream("s")
    sent, queued = submit(table, stream, SAMPLE), submit(table, stream, SAMPLE)
    send_all(table)
    assert table.cancel(sent)
    assert not table.cancel(queued)
    assert isinstance(outcome(table, queued), RequestCancelledError)
    answer(table, sent)
    ordered = submit(table, stream)
    # Its seq must be used up: it is sent, and cancelled then.
    assert not table.cancel(ordered) and ordered.is_cancelled
    send_all(table)
    assert table.cancel(ordered)
    answer(table, ordered)
    assert not table.cancel(ordered)


def test_cancelling_what_is_not_here_yet() -> None:
    table = CallTable()
    stream = Stream("s")
    sample, step = Call(SAMPLE, [b"x"]), Call(STEP, [b"x"])
    for call in (sample, step):
        call.stream = stream
        assert not table.cancel(call)
        table.submit(call, 0.0)
    assert isinstance(outcome(table, sample), RequestCancelledError)
    assert send_all(table) == [0]
    assert step.is_cancelled and table.cancel(step)


def test_a_time_out_ends_the_wait_and_not_the_call() -> None:
    table = CallTable()
    call = submit(table, Stream("s"), timeout=1.0)
    send_all(table)
    table.tick(0.5)
    assert not table.ended
    assert table.next_time() == 1.0
    table.tick(1.0)
    assert isinstance(outcome(table, call), TimeoutError)
    assert call.phase is Phase.SENT
    refuse(table, call, status.STATUS_CODE_DEADLINE_EXCEEDED)
    assert table.outstanding_requests == 0


def test_partial_answers_are_passed_on() -> None:
    table = CallTable()
    call = submit(table, Stream("s"), SAMPLE)
    pieces: list[int] = []
    call.on_partial = lambda piece: pieces.append(piece.header.partial_offset)
    send_all(table)
    for offset in (0, 1):
        answer(table, call, event=pb.EVENT_PARTIAL, partial_offset=offset)
    assert pieces == [0, 1]


def test_answers_to_unknown_keys_are_passed_over() -> None:
    table = CallTable()
    table.answered(pb.ResponseHeader(stream="x", seq=3, event=pb.EVENT_FINAL), [], 0.0)
    call = submit(table, Stream("s"))
    table.answered(pb.ResponseHeader(stream="s", seq=9, event=pb.EVENT_FINAL), [], 0.0)
    answer(table, call)  # before it was sent
    assert not table.ended


def test_idle_streams_are_dropped_and_come_back() -> None:
    table = CallTable()
    busy, idle = Stream("busy"), Stream("idle")
    waiting, answered = submit(table, busy), submit(table, idle)
    send_all(table)
    answer(table, answered)
    for number in range(MAX_STREAMS):
        answered = submit(table, Stream(str(number)), SAMPLE)
        send_all(table)
        answer(table, answered)
    assert len(table._streams) < MAX_STREAMS
    again = submit(table, idle)
    send_all(table)
    for call in (waiting, again):
        answer(table, call)
        assert isinstance(outcome(table, call), Answer)


def test_the_error_names_its_field() -> None:
    table = CallTable()
    call = submit(table, Stream("s"))
    send_all(table)
    answer(table, call, code=status.STATUS_CODE_INVALID_ARGUMENT, message="no", field="data[0]")
    error = outcome(table, call)
    assert isinstance(error, InvalidArgumentError) and error.field == "data[0]"
    assert str(error) == "INVALID_ARGUMENT: data[0]: no"
