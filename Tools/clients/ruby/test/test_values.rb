# frozen_string_literal: true

require "minitest/autorun"
require "tinsmith"

# Errors, futures, tensors and the assembly of streamed pieces.
class ValuesTest < Minitest::Test
  def piece(offset, *tokens)
    [Tinsmith::Sequence.new(0, tokens, tokens.map(&:to_f), nil), offset]
  end

  def test_pieces_come_once_and_in_order
    assembly = Tinsmith::Assembly.new
    assert_equal [1, 2], assembly.add(*piece(0, 1, 2)).tokens
    assert_nil assembly.add(*piece(3, 4)), "a piece is missing"
    assert_nil assembly.add(*piece(0, 1, 2)), "a repeat"
    assert_equal [3], assembly.add(*piece(1, 2, 3)).tokens
    assert_equal [4, 5], assembly.add(*piece(0, 1, 2, 3, 4, 5)).tokens
  end

  def test_future_times_out_and_goes_on
    future = Tinsmith::Future.new { |answer| answer * 2 }
    assert_raises(Tinsmith::WaitTimeout) { future.value(timeout: 0.01) }
    refute future.wait(0.01)
    Thread.new { future.resolve(21) }
    assert_equal 42, future.value(timeout: 5)
    future.refuse(Tinsmith::Internal.new("late"))
    assert_equal 42, future.value
  end

  def test_errors_are_typed
    error = Tinsmith::Status.error(:INVALID_ARGUMENT, "no", "data[3]")
    assert_kind_of Tinsmith::InvalidArgument, error
    assert_equal [:INVALID_ARGUMENT, "data[3]"], [error.code, error.field]
    assert_equal :UNKNOWN, Tinsmith::Status.error(:UNKNOWN, "?").code
  end

  def test_reads_tensors_inline_and_behind_the_body
    inline = Tinsmith::Codec.tensor(:DTYPE_FLOAT32, [1.5, -2.0])
    assert_equal [1.5, -2.0], Tinsmith::Codec.values(inline, [])
    behind = Tinsmith::V1::Tensor.new(dtype: :DTYPE_INT32, shape: [2], attachment: 1)
    assert_equal [7, -1], Tinsmith::Codec.values(behind, ["", [7, -1].pack("l<*")])
    assert_raises(Tinsmith::Error) { Tinsmith::Codec.values(behind, []) }
    half = Tinsmith::V1::Tensor.new(dtype: :DTYPE_BFLOAT16, shape: [1], raw: [0x3FC0].pack("S<"))
    assert_equal [1.5], Tinsmith::Codec.values(half, [])
    empty = Tinsmith::V1::Tensor.new(dtype: :DTYPE_INT32, shape: [0])
    assert_empty Tinsmith::Codec.values(empty, [])
  end

  def test_datum_moves_targets_by_one
    datum = Tinsmith::Datum.of([1, 2, 3])
    assert_equal [[1, 2], [2, 3], [1.0, 1.0]], datum.to_a
  end
end
