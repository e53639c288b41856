# frozen_string_literal: true

require "minitest/autorun"
require "tinsmith"

# The pure part: order, window, retries, acknowledgement. No socket, no clock.
class OutboxTest < Minitest::Test
  # Records what the outbox does to a future.
  class Probe
    attr_reader :outcome, :pieces

    def initialize
      @pieces = []
    end

    def resolve(answer)
      @outcome = answer
    end

    def refuse(error)
      @outcome = error
    end

    def piece(_answer, offset)
      @pieces << offset
    end
  end

  def setup
    @stream = Tinsmith::Stream.new("s:train:0", ordered: true)
    @window = Tinsmith::Window.new(requests: 4, bytes: 1000)
    @backoff = Tinsmith::Backoff.new(random: Struct.new(:rand).new(0.0))
    @outbox = Tinsmith::Outbox.new(window: @window, backoff: @backoff, give_up: 5)
  end

  def submit(stream = @stream, size: 10)
    call = Tinsmith::Call.new(stream, stream.take_seq, :METHOD_TRAINING_GET_INFO, "", Probe.new, size: size)
    @outbox.submit(call)
    call
  end

  def seqs(now = 0)
    @outbox.take(now).map(&:seq)
  end

  def answer(call, code = :OK, now: 0, event: :EVENT_FINAL, **fields)
    header = Tinsmith::V1::ResponseHeader.new(
      stream: call.stream.name, seq: call.seq, code: :"STATUS_CODE_#{code}", event: event, **fields
    )
    @outbox.receive(Tinsmith::Answer.new(header, "", []), now).last
  end

  def test_sends_oldest_first_within_the_window
    calls = Array.new(6) { submit }
    assert_equal [0, 1, 2, 3], seqs
    assert_empty seqs
    assert_equal :resolve, answer(calls[0])
    assert_equal [4], seqs
  end

  def test_counts_bytes_but_lets_one_large_request_through
    large = submit(size: 5000)
    submit
    assert_equal [0], seqs
    answer(large)
    assert_equal [1], seqs
  end

  def test_window_of_a_header_holds_from_then_on
    calls = Array.new(6) { submit }
    seqs
    answer(calls[0], window_requests: 5)
    assert_equal [4, 5], seqs
    answer(calls[1])
    assert_equal [5, 1000], [@window.requests, @window.bytes]
  end

  def test_refused_call_keeps_its_place
    calls = Array.new(6) { submit }
    seqs
    assert_equal :retry, answer(calls[1], :RESOURCE_EXHAUSTED, retry_after_ms: 50)
    assert_empty seqs(0.049)
    assert_in_delta 0.05, @outbox.next_time
    assert_empty @outbox.questions(0.049)
    assert_equal [1], seqs(0.05)
    assert_nil calls[1].future.outcome
    assert_equal 4, @window.used_requests
  end

  def test_backoff_doubles_to_a_second
    delays = (0..8).map { |attempt| @backoff.delay(attempt) }
    assert_equal [0.01, 0.02, 0.04], delays.first(3)
    assert_in_delta 1.0, delays.last
    assert_in_delta 0.2, @backoff.delay(3, 200)
  end

  def test_gives_the_stream_up_with_the_request
    calls = Array.new(2) { submit }
    seqs
    answer(calls[0], :UNAVAILABLE, now: 0)
    assert_equal :give_up, answer(calls[0], :UNAVAILABLE, now: 5)
    calls.each { |call| assert_kind_of Tinsmith::Unavailable, call.future.outcome }
    assert_kind_of Tinsmith::Unavailable, submit.future.outcome
    assert_predicate @outbox, :empty?
  end

  def test_patience_counts_from_the_first_refusal
    call = submit
    seqs
    [1000, 2000, 3000].each do |now| # It waited behind others for long each time.
      assert_equal :retry, answer(call, :UNAVAILABLE, now: now)
      assert_equal [0], seqs(now + 2)
    end
    assert_equal :retry, answer(call, :UNAVAILABLE, now: 3004)
    assert_equal :accepted, answer(call, event: :EVENT_ACCEPTED, now: 3004.5)
    assert_equal :retry, answer(call, :UNAVAILABLE, now: 3006)
    refute call.accepted
    assert_equal [0], seqs(3008)
    assert_equal :give_up, answer(call, :UNAVAILABLE, now: 3011)
  end

  def test_asks_for_what_nothing_is_heard_of
    call = submit
    sample = submit(Tinsmith::Stream.new("s:sample:0", ordered: false))
    seqs
    answer(sample, now: 10, event: :EVENT_PARTIAL)
    asked = (1..1000).flat_map { |now| @outbox.questions(now).map { |each| [now, each] } }
    assert_equal [30, 90, 210, 450, 750], asked.select { |_, each| each.equal?(call) }.map(&:first)
    assert_equal [40, 100, 220, 460, 760], asked.select { |_, each| each.equal?(sample) }.map(&:first)
    answer(call, :UNAVAILABLE, now: 1000)
    assert_equal [0], seqs(1002)
    assert_empty @outbox.questions(1031) - [sample]
    assert_includes @outbox.questions(1032), call
  end

  def test_reports_once_what_stays_the_oldest
    first = submit
    behind = submit
    seqs
    assert_nil @outbox.report(0)
    answer(first)
    assert_nil @outbox.report(31)
    answer(behind, :UNAVAILABLE, now: 40, message: "later")
    assert_equal "no answer to METHOD_TRAINING_GET_INFO (s:train:0, seq 1) for 61 s; the service said of it " \
                 "last: UNAVAILABLE: later", @outbox.report(61)
    assert_nil @outbox.report(1000)
  end

  def test_silence_ends_what_is_older
    sampler = Tinsmith::Stream.new("s:sample:0", ordered: false)
    old = [submit, submit(sampler)]
    seqs
    young = [@stream, sampler].map do |stream|
      Tinsmith::Call.new(stream, stream.take_seq, :METHOD_TRAINING_GET_INFO, "", Probe.new, size: 10)
    end
    young.each { |call| @outbox.submit(call, 3) }
    error = Tinsmith::Unavailable.new("nobody there")
    @outbox.fail_older(0, error)
    (old + young.first(1)).each { |call| assert_same error, call.future.outcome }
    assert_nil young.last.future.outcome
    assert_equal [1], seqs
    assert_equal 1, @window.used_requests
  end

  def test_acked_stops_at_the_first_gap
    calls = Array.new(4) { submit }
    seqs
    answer(calls[0])
    answer(calls[2], :INVALID_ARGUMENT)
    assert_equal 0, @stream.acked
    answer(calls[1], :RESOURCE_EXHAUSTED)
    assert_equal 0, @stream.acked
    answer(calls[1])
    assert_equal 2, @stream.acked
  end

  def test_never_more_than_256_unacknowledged
    @outbox = Tinsmith::Outbox.new(window: Tinsmith::Window.new(requests: 1000))
    calls = Array.new(300) { submit }
    assert_equal 256, seqs.size
    calls[1..255].each { |call| answer(call) }
    assert_empty seqs
    answer(calls[0])
    assert_equal 44, seqs.size
  end

  def test_new_connection_sends_all_without_final_in_order
    calls = Array.new(5) { submit }
    seqs
    answer(calls[1])
    answer(calls[2], :UNAVAILABLE, retry_after_ms: 10_000)
    @outbox.send_again(1)
    assert_equal [0, 2, 3, 4], seqs(1)
  end

  def test_ignores_repeats_strangers_and_old_epochs
    call = submit
    stranger = Tinsmith::Call.new(@stream, 77, :METHOD_TRAINING_GET_INFO, "", Probe.new)
    seqs
    assert_equal :ignore, answer(stranger)
    assert_equal :accepted, answer(call, event: :EVENT_ACCEPTED, epoch: 3)
    assert_equal :ignore, answer(call, epoch: 2)
    assert_equal :retry, answer(call, :UNAVAILABLE, epoch: 0)
    assert_equal :resolve, answer(call, epoch: 3)
    assert_equal :ignore, answer(call, epoch: 3)
  end

  def test_table_of_codes
    { OK: :resolve, CANCELLED: :fail, INVALID_ARGUMENT: :fail, RESOURCE_EXHAUSTED: :retry, ABORTED: :retry,
      UNAVAILABLE: :retry, PERMISSION_DENIED: :fail_stream, DATA_LOSS: :fail_stream,
      UNAUTHENTICATED: :fail_session, INTERNAL: :fail, UNKNOWN: :fail }.each do |code, action|
      assert_equal action, Tinsmith::Status.action(code), code
    end
    assert_equal :fail_stream, Tinsmith::Status.action(:FAILED_PRECONDITION, field: "seq")
    assert_equal :fail, Tinsmith::Status.action(:DATA_LOSS, ordered: false)
    assert_equal :UNKNOWN, Tinsmith::Status.code(99)
  end

  def test_end_of_a_stream_and_of_a_session
    other = Tinsmith::Stream.new("s:train:1", ordered: true)
    lost = submit
    behind = submit
    safe = submit(other)
    seqs
    answer(lost, :DATA_LOSS)
    assert_kind_of Tinsmith::DataLoss, behind.future.outcome
    assert_nil safe.future.outcome
    answer(safe, :UNAUTHENTICATED)
    assert_kind_of Tinsmith::Unauthenticated, safe.future.outcome
    assert_equal 0, @window.used_requests
  end
end
