#include "tinsmith/sampling_client.hpp"

#include <unordered_map>
#include <utility>

#include "session.hpp"
#include "tinsmith/tensor.hpp"

namespace tinsmith {
namespace {

// Hands out the pieces that continue what a sequence already has. (After a lost connection the
// request runs anew, and the same tokens come again from the first.)
class InSequence {
 public:
  explicit InSequence(OnPiece on_piece) : on_piece_(std::move(on_piece)) {}

  void receive(Response response) {
    v1::SampleResponse message;
    try {
      decode(std::move(response.frames), message);
    } catch (const std::invalid_argument&) {
      return;  // as good as lost
    }
    for (const auto& piece : message.sequences()) {
      std::uint64_t& count = counts_[piece.index()];
      if (count != response.header.partial_offset() || piece.tokens().shape_size() != 1) continue;
      count += static_cast<std::uint64_t>(piece.tokens().shape(0));
      on_piece_(piece);
    }
  }

 private:
  OnPiece on_piece_;
  std::unordered_map<std::uint32_t, std::uint64_t> counts_;
};

// Each request names its source: it may run on a worker that does not know the stream.
template <class Request>
void set_source(Request& request, const v1::CreateSamplingSessionRequest& source) {
  if (source.has_model_path()) {
    request.set_model_path(source.model_path());
  } else {
    request.set_base_model(source.base_model());
  }
}

}  // namespace

SamplingClient::SamplingClient(std::shared_ptr<Session> session,
                               v1::CreateSamplingSessionRequest source)
    : session_(std::move(session)), stream_(session_->next_sampler()), source_(source) {
  info_ = session_
              ->call<v1::CreateSamplingSessionResponse>(v1::METHOD_SAMPLING_CREATE_SAMPLING_SESSION,
                                                        stream_, std::move(source))
              .get();
}

Future<v1::SampleResponse> SamplingClient::sample(v1::ModelInput prompt, std::uint32_t num_samples,
                                                  v1::SamplingParams params, OnPiece on_piece) {
  v1::SampleRequest request;
  *request.mutable_prompt() = std::move(prompt);
  request.set_num_samples(num_samples);
  *request.mutable_sampling_params() = std::move(params);
  return sample(std::move(request), std::move(on_piece));
}

Future<v1::SampleResponse> SamplingClient::sample(v1::SampleRequest request, OnPiece on_piece) {
  set_source(request, source_);
  CallOptions options;
  options.cost_prompt_tokens = token_count(request.prompt());
  options.cost_new_tokens =
      std::uint64_t{request.num_samples()} * request.sampling_params().max_tokens();
  if (on_piece) {
    options.flags = v1::REQUEST_FLAG_STREAM;
    options.on_partial = [pieces = std::make_shared<InSequence>(std::move(on_piece))](
                             Response response) { pieces->receive(std::move(response)); };
  }
  return session_->call<v1::SampleResponse>(v1::METHOD_SAMPLING_SAMPLE, stream_, std::move(request),
                                            std::move(options));
}

Future<v1::ComputeLogprobsResponse> SamplingClient::compute_logprobs(v1::ModelInput prompt,
                                                                     std::uint32_t last_n) {
  v1::ComputeLogprobsRequest request;
  request.set_prompt_logprobs_last_n(last_n);
  set_source(request, source_);
  CallOptions options;
  options.cost_prompt_tokens = token_count(prompt);
  *request.mutable_prompt() = std::move(prompt);
  return session_->call<v1::ComputeLogprobsResponse>(v1::METHOD_SAMPLING_COMPUTE_LOGPROBS, stream_,
                                                     std::move(request), std::move(options));
}

}  // namespace tinsmith
