# frozen_string_literal: true

require "minitest/autorun"
require "socket"
require "tinsmith"

# The I/O thread against a service that loses, refuses, and is not there.
class ConnectionTest < Minitest::Test
  # A ROUTER socket that answers with what a block says: a status code, or nil for silence.
  class Service
    attr_reader :endpoint, :seen

    def initialize(endpoint = "tcp://127.0.0.1:*", &script)
      @seen = []
      @script = script
      @context = ZMQ::Context.new
      @socket = @context.socket(ZMQ::ROUTER)
      @socket.setsockopt(ZMQ::LINGER, 0)
      @socket.setsockopt(ZMQ::RCVTIMEO, 10)
      @socket.bind(endpoint)
      names = []
      @socket.getsockopt(ZMQ::LAST_ENDPOINT, names)
      @endpoint = names.first.delete("\0")
      @thread = Thread.new { serve until @closing }
    end

    def close
      @closing = true
      @thread.join
      @socket.close
      @context.terminate
    end

    private

    def serve
      frames = []
      return unless ZMQ::Util.resultcode_ok?(@socket.recv_strings(frames))

      request = Tinsmith::V1::RequestHeader.decode(frames[1])
      code = :OK
      unless request.to_h[:method] == :METHOD_SESSIONS_HEARTBEAT
        code = @script.call(request.to_h[:method], @seen)
        @seen << [request.to_h[:method], frames[2]]
      end
      return if code.nil?

      answer = Tinsmith::V1::ResponseHeader.new(
        stream: request.stream, seq: request.seq, event: :EVENT_FINAL, code: :"STATUS_CODE_#{code}"
      )
      @socket.send_strings([frames[0], Tinsmith::V1::ResponseHeader.encode(answer)])
    end
  end

  STEP = :METHOD_TRAINING_OPTIM_STEP
  AWAIT = :METHOD_FUTURES_AWAIT

  def setup
    @log = []
    @stream = Tinsmith::Stream.new("s:train:0", ordered: true)
  end

  def connect(endpoint, **options)
    outbox = Tinsmith::Outbox.new(**options)
    @connection = Tinsmith::Connection.new(endpoint, outbox: outbox, log: ->(line) { @log << line })
    @connection.token = "token"
  end

  def submit(stream = @stream)
    @connection.submit(stream, STEP, "body", Tinsmith::Future.new)
  end

  def teardown
    @connection.close
    @service&.close
  end

  def unused
    server = TCPServer.new("127.0.0.1", 0)
    "tcp://127.0.0.1:#{server.addr[1]}"
  ensure
    server.close
  end

  def test_asks_for_what_was_swallowed
    @service = Service.new do |method, seen|
      next :UNAVAILABLE if method == AWAIT

      seen.empty? ? nil : :OK
    end
    connect(@service.endpoint, ask_after: 0.3)
    submit.value(timeout: 20)
    assert_equal [[STEP, "body"], [AWAIT, nil], [STEP, "body"]], @service.seen
    assert_operator @log.size, :<=, 1
  end

  def test_asks_for_an_answer_that_was_lost
    @service = Service.new { |method, _| method == AWAIT ? :OK : nil }
    connect(@service.endpoint, ask_after: 0.3)
    submit.value(timeout: 20)
  end

  def test_what_belongs_to_no_session_is_sent_again
    @service = Service.new { |_, seen| seen.empty? ? nil : :OK }
    connect(@service.endpoint, ask_after: 0.3)
    submit(Tinsmith::Stream.new("admin", ordered: false)).value(timeout: 20)
    assert_equal [[STEP, "body"], [STEP, "body"]], @service.seen
  end

  def test_an_address_that_never_answers_ends_with_its_name
    address = unused
    connect(address, give_up: 0.6)
    futures = [submit, submit, submit(Tinsmith::Stream.new("s:sample:0", ordered: false))]
    futures.each do |future|
      error = assert_raises(Tinsmith::Unavailable) { future.value(timeout: 20) }
      assert_includes error.message, "nothing was heard of #{address} for"
    end
  end

  def test_a_service_that_comes_late_is_waited_for
    address = unused
    connect(address, give_up: 20)
    future = submit
    sleep 0.7
    @service = Service.new(address) { :OK }
    future.value(timeout: 20)
  end
end
