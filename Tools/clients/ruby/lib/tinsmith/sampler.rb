# frozen_string_literal: true

module Tinsmith
  # One sampled text: token ids, their log-probs at the request's temperature, :stop, :length or nil
  # (not ended), and, if asked for, the log-probs in the model's own distribution.
  Sequence = Struct.new(:index, :tokens, :logprobs, :stop_reason, :model_logprobs)

  # What Sampler#sample gives.
  Sample = Struct.new(:sequences, :seed) do
    def self.from(answer)
      body = V1::SampleResponse.decode(answer.raw)
      sequences = body.sequences.map do |one|
        reason = { STOP_REASON_STOP: :stop, STOP_REASON_LENGTH: :length }[one.stop_reason]
        Sequence.new(one.index, Codec.values(one.tokens, answer.attachments) || [],
                     Codec.values(one.logprobs, answer.attachments) || [], reason,
                     Codec.values(one.model_logprobs, answer.attachments))
      end
      new(sequences, body.seed)
    end
  end

  # Puts pieces together. Each token comes out once and in order, whatever was lost or repeated.
  class Assembly
    def initialize
      @have = Hash.new(0)
    end

    # The new part of a piece that begins at offset, nil if there is none or one before it is
    # missing (the final answer brings it then).
    def add(sequence, offset)
      have = @have[sequence.index]
      known = have - offset
      return nil if known.negative? || known >= sequence.tokens.size

      @have[sequence.index] = offset + sequence.tokens.size
      Sequence.new(sequence.index, sequence.tokens.drop(known), sequence.logprobs.drop(known),
                   sequence.stop_reason)
    end
  end

  # The future of a sample whose tokens can be read while they come.
  class StreamedSample < Future
    include Enumerable

    def initialize
      super { |answer| Sample.from(answer) }
      @pieces = Queue.new
    end

    # Yields a Sequence with the new tokens of one text, until all are there. Once only.
    def each
      return enum_for(:each) unless block_given?

      assembly = Assembly.new
      while (answer, offset = @pieces.pop)
        Sample.from(answer).sequences.each do |sequence|
          fresh = assembly.add(sequence, offset)
          yield fresh if fresh
        end
      end
      value.sequences.each do |sequence|
        rest = assembly.add(sequence, 0)
        yield rest if rest
      end
    end

    def piece(answer, offset)
      @pieces << [answer, offset]
    end

    def resolve(answer)
      super
      @pieces.close
    end

    def refuse(error)
      super
      @pieces.close
    end
  end

  # Samples from one source. Requests are independent of each other.
  class Sampler
    # The future of the creation: a V1::CreateSamplingSessionResponse.
    attr_reader :created

    def initialize(session, stream, source)
      @session = session
      @stream = stream
      @source = source.start_with?("tinsmith://") ? { model_path: source } : { base_model: source }
      request = V1::CreateSamplingSessionRequest.new(**@source)
      @created = session.call(stream, :METHOD_SAMPLING_CREATE_SAMPLING_SESSION, request,
                              V1::CreateSamplingSessionResponse)
    end

    # params: max_tokens, seed, temperature, top_k, top_p. The future of a Sample, with model_logprobs
    # also of the log-probs in the model's own distribution.
    def sample(tokens, num_samples: 1, stop: nil, model_logprobs: false, **params)
      submit(Future.new { |answer| Sample.from(answer) }, 0, tokens, num_samples, stop, params,
             model_logprobs: model_logprobs)
    end

    # Likewise, with pieces: sampler.stream(prompt).each { |piece| ... }
    def stream(tokens, num_samples: 1, stop: nil, **params)
      submit(StreamedSample.new, V1::RequestFlag::REQUEST_FLAG_STREAM, tokens, num_samples, stop, params)
    end

    # Log-probs of each token given those before it, in the model's own distribution; the first is
    # NaN, and so are those before the last last_n tokens, unless that is 0.
    def logprobs(tokens, last_n: 0)
      request = V1::ComputeLogprobsRequest.new(prompt: Codec.input(tokens),
                                               prompt_logprobs_last_n: last_n, **@source)
      @session.call(@stream, :METHOD_SAMPLING_COMPUTE_LOGPROBS, request, V1::ComputeLogprobsResponse,
                    cost_prompt_tokens: tokens.size) do |body, frames|
        Codec.values(body.logprobs, frames)
      end
    end

    private

    # The source is named each time: any worker may run it.
    def submit(future, flags, tokens, num_samples, stop, params, **more)
      sampling = V1::SamplingParams.new(**params)
      case stop&.first
      when String then sampling.stop_strings = V1::StopStrings.new(values: stop)
      when Integer then sampling.stop_tokens = V1::StopTokens.new(ids: stop)
      end
      request = V1::SampleRequest.new(prompt: Codec.input(tokens), num_samples: num_samples,
                                      sampling_params: sampling, **more, **@source)
      @session.call(@stream, :METHOD_SAMPLING_SAMPLE, request, V1::SampleResponse,
                    future: future, flags: flags, cost_prompt_tokens: tokens.size,
                    cost_new_tokens: num_samples * params.fetch(:max_tokens, 0))
    end
  end
end
