# frozen_string_literal: true

require "ffi-rzmq"

module Tinsmith
  # One DEALER socket and its monitor. Belongs to the thread that uses it.
  class Transport
    HIGH_WATER = 16_384
    @count = 0

    class << self
      def next_number
        @count += 1
      end
    end

    def initialize(context, endpoint, wake)
      @socket = context.socket(ZMQ::DEALER)
      [[ZMQ::SNDHWM, HIGH_WATER], [ZMQ::RCVHWM, HIGH_WATER], [ZMQ::LINGER, 0]].each do |option, value|
        check(@socket.setsockopt(option, value))
      end
      watch(context)
      check(@socket.connect(endpoint))
      @poller = ZMQ::Poller.new
      [@socket, @monitor, wake].each { |item| @poller.register_readable(item) }
    end

    def wait(seconds)
      @poller.poll([(seconds * 1000).ceil, 0].max)
    end

    # False if the socket takes nothing now.
    def send(frames)
      return true if ZMQ::Util.resultcode_ok?(@socket.send_strings(frames, ZMQ::DONTWAIT))
      return false if ZMQ::Util.errno == ZMQ::EAGAIN

      check(-1)
    end

    # The frames of the next message, nil if there is none.
    def receive
      read(@socket)
    end

    def disconnected?
      lost = false
      while (frames = read(@monitor))
        lost ||= frames.first.unpack1("S") == ZMQ::EVENT_DISCONNECTED
      end
      lost
    end

    def close
      LibZMQ.zmq_socket_monitor(@socket.socket, nil, 0)
      @monitor.close
      @socket.close
    end

    private

    def watch(context)
      address = "inproc://tinsmith-monitor-#{object_id}-#{Transport.next_number}"
      check(LibZMQ.zmq_socket_monitor(@socket.socket, address, ZMQ::EVENT_DISCONNECTED))
      @monitor = context.socket(ZMQ::PAIR)
      check(@monitor.setsockopt(ZMQ::LINGER, 0))
      check(@monitor.connect(address))
    end

    def read(socket)
      frames = []
      return frames if ZMQ::Util.resultcode_ok?(socket.recv_strings(frames, ZMQ::DONTWAIT))

      ZMQ::Util.errno == ZMQ::EAGAIN ? nil : check(-1)
    end

    def check(result)
      return true if ZMQ::Util.resultcode_ok?(result)

      raise Error.new("ZeroMQ: #{ZMQ::Util.error_string}", code: :TRANSPORT)
    end
  end
end
