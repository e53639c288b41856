# frozen_string_literal: true

module Tinsmith
  # One client process at the service: it owns models and samplers.
  #
  #   Tinsmith::Session.open("tcp://127.0.0.1:7410") { |session| ... }
  class Session
    attr_reader :id, :lease_seconds

    # Without a block: returns the session, to be closed. With one: closes it behind the block.
    def self.open(endpoint, **options)
      session = new(endpoint, **options)
      return session unless block_given?

      reason = :FINISH_REASON_INTERRUPTED
      begin
        result = yield session
        reason = :FINISH_REASON_SUCCESS
        result
      rescue StandardError
        reason = :FINISH_REASON_ERRORED
        raise
      ensure
        session.close(reason: reason)
      end
    end

    def initialize(endpoint, api_key: "", display_name: "", timeout: 60)
      @connection = Connection.new(endpoint)
      @counts = Hash.new(0)
      @lock = Mutex.new
      create(V1::CreateSessionRequest.new(api_key: api_key, display_name: display_name,
                                          sdk_version: CLIENT_NAME), timeout)
    rescue StandardError
      @connection&.close
      raise
    end

    # Queues the creation of a LoRA model and returns it at once; model.created is its future.
    def create_lora_model(base_model, rank: 8, **lora)
      config = V1::LoraConfig.new(rank: rank, **lora)
      Model.new(self, new_stream("train", ordered: true),
                V1::CreateModelRequest.new(base_model: base_model, lora: config))
    end

    # A model that starts from a training checkpoint.
    def load_model(path, optimizer: true)
      Model.new(self, new_stream("train", ordered: true),
                V1::CreateModelRequest.new(from_path: path, from_optimizer: optimizer))
    end

    # Samples from a base model's name or a "tinsmith://..." path.
    def sampler(source)
      Sampler.new(self, new_stream("sample", ordered: false), source)
    end

    # What the service can do; a V1::CapabilitiesResponse.
    def capabilities
      @admin ||= Stream.new("admin", ordered: false)
      call(@admin, :METHOD_ADMIN_CAPABILITIES, V1::CapabilitiesRequest.new, V1::CapabilitiesResponse)
    end

    # Finishes the session and ends the I/O thread. What has no answer yet is given up.
    def close(reason: :FINISH_REASON_SUCCESS)
      @connection.abandon
      request = V1::FinishSessionRequest.new(reason: reason)
      call(Stream.new(id, ordered: false), :METHOD_SESSIONS_FINISH, request, V1::FinishSessionResponse)
        .wait(5)
    rescue Error
      nil # it ended already
    ensure
      @connection.close
    end

    # For models and samplers: encodes and queues a request; its future's value is the response,
    # or what the block makes of it and the attachments behind it.
    def call(stream, method, request, response, future: nil, **options)
      future ||= Future.new do |answer|
        body = response.decode(answer.raw)
        block_given? ? yield(body, answer.attachments) : body
      end
      @connection.submit(stream, method, request.class.encode(request), future, options)
    end

    private

    def create(request, timeout)
      answer = call(Stream.new("", ordered: false), :METHOD_SESSIONS_CREATE, request,
                    V1::CreateSessionResponse).value(timeout: timeout)
      @id = answer.session_id
      @lease_seconds = answer.lease_seconds
      warn(answer.warning_message) unless answer.warning_message.empty?
      @connection.heartbeat = [answer.heartbeat_seconds, 1].max
      @connection.token = answer.token
    end

    def new_stream(kind, ordered:)
      number = @lock.synchronize { (@counts[kind] += 1) - 1 }
      Stream.new("#{id}:#{kind}:#{number}", ordered: ordered)
    end
  end
end
