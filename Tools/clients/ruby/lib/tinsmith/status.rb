# frozen_string_literal: true

module Tinsmith
  # What went wrong with a call: code (:NOT_FOUND ...), field (path of what was wrong) and message.
  class Error < StandardError
    attr_reader :code, :field

    def initialize(message = nil, code: self.class.code, field: "")
      @code = code
      @field = field.to_s
      text = message.to_s.empty? ? code.to_s : "#{code}: #{message}"
      super(@field.empty? ? text : "#{text} (field #{@field})")
    end

    def self.code
      :UNKNOWN
    end
  end

  # The client stopped waiting; the request itself goes on.
  class WaitTimeout < Error
    def self.code
      :WAIT_TIMEOUT
    end
  end

  # The session or its I/O thread is closed.
  class Closed < Error
    def self.code
      :CLOSED
    end
  end

  # The canonical codes and what a client does about each.
  module Status
    CODES = %i[
      OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS
      PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED
      INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED
    ].freeze

    RETRYABLE = %i[RESOURCE_EXHAUSTED ABORTED UNAVAILABLE].freeze
    # Codes after which an ordered stream is of no more use.
    END_OF_STREAM = %i[PERMISSION_DENIED DATA_LOSS].freeze

    module_function

    # The code of a header's `code`: a symbol such as :STATUS_CODE_OK, or a number without a name.
    def code(value)
      name = value.is_a?(Symbol) ? value.to_s.delete_prefix("STATUS_CODE_").to_sym : CODES[value]
      CODES.include?(name) ? name : :UNKNOWN
    end

    # :resolve, :retry, :fail (this call), :fail_stream or :fail_session.
    def action(code, field: "", ordered: true)
      return :resolve if code == :OK
      return :retry if RETRYABLE.include?(code)
      return :fail_session if code == :UNAUTHENTICATED
      return :fail unless ordered
      return :fail_stream if END_OF_STREAM.include?(code)
      # The key was used for another request: somebody else writes to this stream.
      return :fail_stream if code == :FAILED_PRECONDITION && field == "seq"

      :fail
    end

    def error(code, message, field = "")
      ERRORS.fetch(code, Error).new(message, code: code, field: field)
    end
  end

  # Tinsmith::NotFound, Tinsmith::DataLoss ..., one class for each code but OK.
  Status::ERRORS = (Status::CODES - [:OK]).to_h do |code|
    klass = Class.new(Error) { define_singleton_method(:code) { code } }
    const_set(code.to_s.split("_").map(&:capitalize).join, klass)
    [code, klass]
  end.freeze

  # Waiting times between attempts: what the service says, else 10 ms doubling to 1 s; a little at
  # random on top.
  class Backoff
    FIRST = 0.010
    LAST = 1.0

    def initialize(random: Random.new)
      @random = random
    end

    def delay(attempt, retry_after_ms = 0)
      seconds = retry_after_ms.positive? ? retry_after_ms / 1000.0 : [FIRST * 2**[attempt, 10].min, LAST].min
      seconds * (1 + 0.25 * @random.rand)
    end
  end
end
