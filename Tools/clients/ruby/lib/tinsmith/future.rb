# frozen_string_literal: true

module Tinsmith
  # The answer of a call, sooner or later. Submitting never waits; value does.
  class Future
    def initialize(canceller: nil, &convert)
      @lock = Mutex.new
      @done = ConditionVariable.new
      @convert = convert
      @canceller = canceller
      @state = :pending
      @on_piece = nil
    end

    attr_writer :canceller

    # Waits for the answer and returns it, or raises the error of its status code.
    def value(timeout: nil)
      settle(timeout)
      raise @error if @error

      @value
    end

    # Waits; true if there is an answer, false if the time passed first.
    def wait(timeout = nil)
      settle(timeout)
      true
    rescue WaitTimeout
      false
    end

    def done?
      @lock.synchronize { @state != :pending }
    end

    # Asks the service to give the request up. Its own answer says what became of it.
    def cancel
      @canceller&.call
      self
    end

    # For the I/O thread: the answer came. What converts it runs in the thread that asks for it.
    def resolve(answer)
      finish { @answer = answer }
    end

    # For the I/O thread: it failed.
    def refuse(error)
      finish { @error = error }
    end

    # For the I/O thread: a piece of the answer. Only a StreamedSample keeps them.
    def piece(_answer, _offset); end

    private

    def finish
      @lock.synchronize do
        return if @state != :pending

        yield
        @state = :done
        @done.broadcast
      end
    end

    def settle(timeout)
      deadline = timeout && Tinsmith.now + timeout
      @lock.synchronize do
        while @state == :pending
          left = deadline && deadline - Tinsmith.now
          raise WaitTimeout, "no answer within #{timeout} s" if left && left <= 0

          @done.wait(@lock, left)
        end
        return if @error || defined?(@value)

        @value = @convert ? @convert.call(@answer) : @answer
        @answer = nil
      end
    end
  end

  # A whole response message: its header, the encoded body and the frames behind it.
  Answer = Struct.new(:header, :raw, :attachments)
end
