# frozen_string_literal: true

module Tinsmith
  # What a pass gave: log-probs of the targets, one array for each datum, and the metrics.
  Pass = Struct.new(:logprobs, :metrics) do
    # Mean loss of the tokens that count.
    def mean_loss
      metrics.fetch("loss:sum") / [metrics.fetch("num_loss_tokens:sum", 0), 1].max
    end
  end

  # One training example of cross_entropy: what the model reads, and the target of each position.
  Datum = Struct.new(:tokens, :targets, :weights) do
    # To predict each token from those before it.
    def self.of(tokens)
      new(tokens[0..-2], tokens[1..], Array.new(tokens.size - 1, 1.0))
    end

    def to_proto
      V1::Datum.new(
        model_input: Codec.input(tokens),
        loss_fn_inputs: [
          Codec.named("target_tokens", Codec.tensor(:DTYPE_INT32, targets)),
          Codec.named("weights", Codec.tensor(:DTYPE_FLOAT32, weights))
        ]
      )
    end
  end

  # A model that is trained. Every method queues a request and returns a future; the service runs
  # them in the order of the calls.
  class Model
    PATH = ->(body, _frames) { body.path }
    private_constant :PATH

    # The future of the creation: a V1::CreateModelResponse.
    attr_reader :created

    def initialize(session, stream, request)
      @session = session
      @stream = stream
      @created = call(:METHOD_TRAINING_CREATE_MODEL, request, V1::CreateModelResponse)
    end

    def id
      @stream.name
    end

    def forward_backward(data, loss_fn: "cross_entropy")
      pass(:METHOD_TRAINING_FORWARD_BACKWARD, data, loss_fn)
    end

    def forward(data, loss_fn: "cross_entropy")
      pass(:METHOD_TRAINING_FORWARD, data, loss_fn)
    end

    # learning_rate, beta1, beta2, eps, weight_decay, grad_clip_norm; a Hash of metrics.
    def optim_step(apply_partial: false, **adam)
      request = V1::OptimStepRequest.new(adam: V1::AdamParams.new(**adam))
      flags = apply_partial ? V1::RequestFlag::REQUEST_FLAG_APPLY_PARTIAL : 0
      call(:METHOD_TRAINING_OPTIM_STEP, request, V1::OptimStepResponse, flags: flags) do |body|
        Codec.numbers(body.metrics)
      end
    end

    # The path of a training checkpoint.
    def save_state(name, overwrite: false)
      request = V1::SaveStateRequest.new(name: name, overwrite: overwrite)
      call(:METHOD_TRAINING_SAVE_STATE, request, V1::SaveStateResponse, &PATH)
    end

    # The path of a sampler checkpoint, for Session#sampler.
    def save_weights_for_sampler(name = "", overwrite: false)
      request = V1::SaveWeightsForSamplerRequest.new(name: name, overwrite: overwrite)
      call(:METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER, request,
           V1::SaveWeightsForSamplerResponse, &PATH)
    end

    # A V1::ModelInfo.
    def info
      call(:METHOD_TRAINING_GET_INFO, V1::GetInfoRequest.new, V1::ModelInfo)
    end

    def unload
      call(:METHOD_TRAINING_UNLOAD, V1::UnloadRequest.new, V1::UnloadResponse)
    end

    private

    def pass(method, data, loss_fn)
      request = V1::ForwardBackwardRequest.new(data: data.map(&:to_proto), loss_fn: loss_fn)
      cost = data.sum { |datum| datum.tokens.size }
      call(method, request, V1::ForwardBackwardResponse, cost_prompt_tokens: cost) do |body, frames|
        logprobs = body.loss_fn_outputs.map do |output|
          found = output.outputs.find { |named| named.name == "logprobs" }
          found && Codec.values(found.tensor, frames)
        end
        Pass.new(logprobs, Codec.numbers(body.metrics))
      end
    end

    def call(...)
      @session.call(@stream, ...)
    end
  end
end
