# frozen_string_literal: true

module Tinsmith
  # One request: its key, its encoded body and what has become of it.
  class Call
    attr_reader :stream, :seq, :method, :body, :future, :options, :size
    attr_accessor :attempts, :submitted, :sent, :first_refused, :retry_at, :ask_at, :ask_after,
                  :accepted, :cancelled, :said

    # size: bytes of all frames, the header's included.
    def initialize(stream, seq, method, body, future, options = {}, size: body.bytesize + 512)
      @stream = stream
      @seq = seq
      @method = method
      @body = body
      @future = future
      @options = options
      @size = size
      @attempts = 0
      @submitted = @sent = 0
      @said = "nothing"
    end

    def key
      [stream.name, seq]
    end

    # Nothing is expected of the service for so long; then it is asked.
    def ask_later(now, seconds)
      @ask_after = seconds
      @ask_at = now + seconds
    end
  end

  # A stream as the client sees it: the next seq, what was answered, the highest epoch.
  class Stream
    attr_reader :name, :ordered, :acked
    attr_accessor :error

    def initialize(name, ordered:)
      @name = name
      @ordered = ordered
      @next_seq = 0
      @acked = -1
      @answered = {}
      @epoch = 0
    end

    def take_seq
      (@next_seq += 1) - 1
    end

    def answered(seq)
      return unless ordered

      @answered[seq] = true
      @acked += 1 while @answered.delete(@acked + 1)
    end

    # Whether a response of this epoch is to be dropped; otherwise it is the stream's epoch now.
    def stale?(epoch)
      return false if epoch.zero?
      return true if epoch < @epoch

      @epoch = epoch
      false
    end
  end

  # How many requests, and how many bytes, may be outstanding.
  class Window
    attr_reader :requests, :bytes, :used_requests, :used_bytes

    def initialize(requests: 64, bytes: 64 << 20)
      @requests = requests
      @bytes = bytes
      @used_requests = @used_bytes = 0
    end

    # What a header says; 0 changes nothing.
    def update(requests, bytes)
      @requests = requests if requests.positive?
      @bytes = bytes if bytes.positive?
    end

    def fits?(size)
      used_requests.zero? || (used_requests < requests && used_bytes + size <= bytes)
    end

    def take(size)
      @used_requests += 1
      @used_bytes += size
    end

    def give(size)
      @used_requests -= 1
      @used_bytes -= size
    end
  end

  # Everything that has no FINAL, without any I/O: what to send when, and what an answer means. Not
  # safe for threads by itself.
  class Outbox
    # Answers that the service keeps of a model without an acknowledgement.
    KEPT = 256
    # A request is asked for at least once in so many times the first wait.
    LONGEST_ASK = 10

    attr_reader :window

    # give_up: seconds of refusals of one request, or of silence of the service, that are waited out.
    # ask_after: seconds without a word of a request after which it is asked for, and then after twice
    # as long, and so on.
    def initialize(window: Window.new, backoff: Backoff.new, give_up: 300.0, ask_after: 30.0)
      @window = window
      @backoff = backoff
      @give_up = give_up
      @ask_after = ask_after
      @queue = []
      @outstanding = {}
    end

    def empty?
      @queue.empty? && @outstanding.empty?
    end

    # Whether an answer is awaited that may come at any moment.
    def waiting?
      !@outstanding.empty?
    end

    attr_reader :give_up

    def submit(call, now = 0)
      call.submitted = now
      if call.stream.error
        call.future.refuse(call.stream.error)
      else
        @queue << call
      end
    end

    # What is to be sent now: first what was refused and has waited, then what fits the window,
    # oldest first. A refused call kept its place, so it needs no new one.
    def take(now)
      again = @outstanding.each_value.select { |call| call.retry_at && call.retry_at <= now }
      again.each { |call| call.retry_at = nil }
      (again + release).each do |call|
        call.sent = now
        call.ask_later(now, @ask_after)
      end
    end

    # What nothing was heard of for long: to be asked for, also while the service answers others. A
    # request may be lost, or its answer.
    def questions(now)
      asked = @outstanding.each_value.select { |call| call.retry_at.nil? && call.ask_at <= now }
      asked.each { |call| call.ask_later(now, [2 * call.ask_after, LONGEST_ASK * @ask_after].min) }
    end

    # When take or questions should be asked again at the latest; nil: when something happens.
    def next_time
      @outstanding.each_value.map { |call| call.retry_at || call.ask_at }.compact.min
    end

    # Once, a line for people about a request that has been the oldest for long. (Of a program that
    # sends far ahead every request waits for long, and the oldest one changes all the time.)
    def report(now)
      oldest = @outstanding.each_value.first
      unless oldest.equal?(@oldest)
        @oldest = oldest
        @report_at = now + @ask_after
      end
      return if oldest.nil? || @report_at.nil? || now < @report_at

      @report_at = nil
      "no answer to #{oldest.method} (#{oldest.stream.name.empty? ? "no stream" : oldest.stream.name}, " \
        "seq #{oldest.seq}) for #{(now - oldest.submitted).round} s; the service said of it last: #{oldest.said}"
    end

    # A new connection: all that was sent is sent again, in the order of its first sending.
    def send_again(now)
      @outstanding.each_value { |call| call.retry_at = now }
    end

    # It could not be handed to the socket.
    def not_sent(call, now)
      call.retry_at = now + 0.1
    end

    # A response came. Returns the call that it belongs to, nil if it is to be ignored, and what was
    # done about it.
    def receive(answer, now)
      header = answer.header
      @window.update(header.window_requests, header.window_bytes)
      call = @outstanding[[header.stream, header.seq]]
      return [nil, :ignore] if call.nil? || call.stream.stale?(header.epoch)

      case header.event
      when :EVENT_PARTIAL
        let_in(call, "a piece of the answer", now)
        call.future.piece(answer, header.partial_offset)
        [call, :piece]
      when :EVENT_FINAL
        [call, final(call, answer, now)]
      else
        call.accepted = call.stream.ordered
        let_in(call, "accepted", now)
        [call, :accepted]
      end
    end

    # Nothing was heard of the service for long: what was submitted until then fails, and with it what
    # is behind it in a model's stream.
    def fail_older(time, error)
      old = @outstanding.each_value.to_a + @queue
      old = old.select { |call| call.submitted <= time }
      old.each { |call| call.stream.error ||= error if call.stream.ordered }
      fail_calls(error) { |call| call.submitted <= time || call.stream.error.equal?(error) }
    end

    def fail_stream(stream, error)
      stream.error ||= error
      fail_calls(error) { |call| call.stream.equal?(stream) }
    end

    def fail_all(error)
      fail_calls(error) { |call| call.stream.error ||= error }
    end

    # For the end of a session: what was never sent fails. Returns what was sent and has no FINAL.
    def abandon(error)
      unsent, @queue = @queue, []
      unsent.each { |call| call.future.refuse(error) }
      @outstanding.values
    end

    private

    def let_in(call, said, now)
      call.first_refused = nil
      call.said = said
      call.ask_later(now, @ask_after)
    end

    def release
      held = []
      released = []
      until @queue.empty?
        call = @queue.first
        if too_far?(call)
          held << @queue.shift
        elsif @window.fits?(call.size)
          @queue.shift
          @window.take(call.size)
          @outstanding[call.key] = call
          released << call
        else
          break
        end
      end
      @queue.unshift(*held)
      released
    end

    # The answers between acked and what may be asked for again must all be kept by the service.
    def too_far?(call)
      call.stream.ordered && call.seq - call.stream.acked > KEPT
    end

    def final(call, answer, now)
      code = Status.code(answer.header.code)
      action = Status.action(code, field: answer.header.field, ordered: call.stream.ordered)
      return refused(call, code, answer.header, now) if action == :retry

      error = code == :OK ? nil : Status.error(code, answer.header.message, answer.header.field)
      settle(call)
      call.stream.answered(call.seq)
      error ? call.future.refuse(error) : call.future.resolve(answer)
      fail_stream(call.stream, error) if action == :fail_stream
      fail_all(error) if action == :fail_session
      action
    end

    # Refused for now: it waits and keeps its place in the window.
    def refused(call, code, header, now)
      # What was with the service for long had been let in: the patience begins anew.
      call.first_refused = now if call.first_refused.nil? || now - call.sent >= @ask_after
      call.accepted = false # If it was only asked for: there is nothing to ask for.
      call.said = "#{code}: #{header.message}"
      if now - call.first_refused >= @give_up
        error = Status.error(code, header.message, header.field)
        settle(call)
        call.future.refuse(error)
        fail_stream(call.stream, error) if call.stream.ordered
        return :give_up
      end
      call.retry_at = now + @backoff.delay(call.attempts, header.retry_after_ms)
      call.attempts += 1
      :retry
    end

    def settle(call)
      @window.give(call.size) if @outstanding.delete(call.key)
    end

    def fail_calls(error, &block)
      lost = @outstanding.each_value.select(&block)
      lost.each { |call| settle(call) }
      unsent, @queue = @queue.partition(&block)
      (lost + unsent).each { |call| call.future.refuse(error) }
    end
  end
end
