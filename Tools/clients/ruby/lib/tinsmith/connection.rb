# frozen_string_literal: true

module Tinsmith
  # The thread that owns the socket. Other threads hand it calls and get futures.
  class Connection
    ASK_AGAIN = 2.0   # seconds without a word while answers are awaited: ask
    SILENCE = 6.0     # seconds without a word after something was asked: new socket
    LONGEST_TURN = 2.0 # seconds that one turn adds to the silence at most: a stopped process does not listen
    REOPEN = 0.5      # seconds between two new sockets at least
    MAX_FRAME = 256 << 20

    attr_writer :token, :heartbeat

    # log: gets a line when a request was waited for long, from the I/O thread.
    def initialize(endpoint, outbox: Outbox.new, log: ->(line) { warn "tinsmith: #{line}" })
      @endpoint = endpoint
      @outbox = outbox
      @log = log
      @silence = 0.0
      @lock = Mutex.new
      @cancels = []
      @token = ""
      @heartbeat = 10
      @beats = 0
      @incarnation = Random.new.rand(1..(2**64 - 1))
      @wake_reader, @wake_writer = IO.pipe
      @context = ZMQ::Context.new
      @thread = Thread.new { run }
    end

    # Takes the stream's next seq, in the order of the calls, and queues the request.
    def submit(stream, method, body, future, options = {})
      raise InvalidArgument, "a request of #{body.bytesize} bytes" if body.bytesize > MAX_FRAME

      @lock.synchronize do
        raise @dead if @dead

        call = Call.new(stream, stream.take_seq, method, body, future, options)
        future.canceller = -> { cancel(call) }
        @outbox.submit(call, Tinsmith.now)
      end
      wake
      future
    end

    # Gives up what has no answer yet, so that the session can be finished soon.
    def abandon
      sent = @lock.synchronize { @outbox.abandon(Closed.new("the session was closed")) }
      sent.each { |call| cancel(call) }
    end

    # Ends the thread; what has no answer yet fails.
    def close
      @closing = true
      wake
      @thread.join
      [@wake_reader, @wake_writer].each(&:close)
    end

    private

    def cancel(call)
      @lock.synchronize do
        call.cancelled = true
        @cancels << call
      end
      wake
    end

    def wake
      @wake_writer.write_nonblock("!")
    rescue IO::WaitWritable, IOError
      nil
    end

    def run
      reopen
      step until @closing
      die(Closed.new("the session was closed"))
    rescue StandardError => e
      die(Closed.new("the I/O thread failed: #{e.class}: #{e.message}"))
    ensure
      @transport&.close
      @context.terminate
    end

    def die(error)
      @lock.synchronize do
        @dead = error
        @outbox.fail_all(error)
      end
    end

    def step
      calls, cancels, waiting, next_time = @lock.synchronize do
        [@outbox.take(Tinsmith.now), @cancels.slice!(0..), @outbox.waiting?, @outbox.next_time]
      end
      calls.each { |call| transmit(call) }
      ask
      (cancels - calls).each { |call| send_cancel(call) unless call.future.done? }
      now = Tinsmith.now
      beat if beat_due?(now, waiting)
      @transport.wait([(next_time || now + 1) - now, 0.5].min)
      @wake_reader.read_nonblock(4096, exception: false)
      receive
      check_silence(Tinsmith.now)
    end

    # What belongs to no session is sent again: nobody keeps an answer for it.
    def ask
      asked, line = @lock.synchronize { [@outbox.questions(Tinsmith.now), @outbox.report(Tinsmith.now)] }
      asked.each { |call| call.stream.name.include?(":") ? send_await(call) : transmit(call) }
      @log.call("#{line}; asking #{@endpoint}") if line
    end

    def receive
      while (frames = @transport.receive)
        @heard = Tinsmith.now
        @asked = nil
        @unheard = false
        @silence = 0.0
        header = V1::ResponseHeader.decode(frames[0])
        answer = Answer.new(header, frames[1] || "".b, frames.drop(2))
        @lock.synchronize { @outbox.receive(answer, @heard) }
        beat_answered(header) if header.stream.empty? && header.seq.positive?
      end
    end

    def transmit(call)
      return send_await(call) if call.accepted

      header = header_of(call.method, call.stream.name, call.seq)
      header.acked = [call.stream.acked, 0].max
      call.options.each { |name, value| header[name.to_s] = value }
      if send_frames([V1::RequestHeader.encode(header), call.body])
        send_cancel(call) if call.cancelled
      else
        @lock.synchronize { @outbox.not_sent(call, Tinsmith.now) }
      end
    end

    def send_cancel(call)
      header = header_of(:METHOD_FUTURES_CANCEL, call.stream.name, call.seq)
      send_frames([V1::RequestHeader.encode(header)])
    end

    def send_await(call)
      header = header_of(:METHOD_FUTURES_AWAIT, call.stream.name, call.seq)
      header.acked = [call.stream.acked, 0].max
      send_frames([V1::RequestHeader.encode(header)])
    end

    def header_of(method, stream, seq)
      V1::RequestHeader.new(protocol_version: 1, method: method, stream: stream, seq: seq,
                            session_token: @token, client_name: CLIENT_NAME,
                            client_incarnation: @incarnation)
    end

    # An empty body is left out.
    def send_frames(frames)
      frames.pop if frames.size == 2 && frames.last.empty?
      sent = @transport.send(frames)
      @sent = Tinsmith.now
      @asked ||= @sent if sent
      @unheard = true
      sent
    end

    def beat_due?(now, waiting)
      return false if @token.empty?
      return true if now - @sent >= @heartbeat

      waiting && now - @heard >= ASK_AGAIN && now - @sent >= ASK_AGAIN
    end

    # Each has a seq of its own on the empty stream; 0 is that of Sessions.Create.
    def beat
      header = header_of(:METHOD_SESSIONS_HEARTBEAT, "", @beats += 1)
      send_frames([V1::RequestHeader.encode(header)])
    end

    # Any answer is a sign of life; only the end of the session is more.
    def beat_answered(header)
      return unless Status.code(header.code) == :UNAUTHENTICATED

      error = Unauthenticated.new(header.message)
      @lock.synchronize { @outbox.fail_all(@dead = error) }
    end

    def check_silence(now)
      @silence += [now - @looked, LONGEST_TURN].min if @unheard
      @looked = now
      give_up(now) if @silence >= @outbox.give_up
      silent = @asked && now - [@asked, @opened].max > SILENCE
      @lost ||= @transport.disconnected?
      reopen if silent || (@lost && now - @opened > REOPEN)
    end

    def give_up(now)
      error = Unavailable.new("nothing was heard of #{@endpoint} for #{@silence.round} s: " \
                              "is the address right, and does a service listen there?")
      @lock.synchronize { @outbox.fail_older(now - @outbox.give_up, error) }
    end

    # A new socket, and everything that has no FINAL again. Session, token and keys stay.
    def reopen
      @transport&.close
      @transport = Transport.new(@context, @endpoint, @wake_reader)
      @lost = false
      @opened = @sent = Tinsmith.now
      @heard ||= @opened
      @looked ||= @opened
      @lock.synchronize { @outbox.send_again(@opened) }
    end
  end
end
