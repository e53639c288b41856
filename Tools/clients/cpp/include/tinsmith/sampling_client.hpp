// Sampling from a base model or a saved adapter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tinsmith/future.hpp"
#include "tinsmith/v1/sampling.pb.h"

namespace tinsmith {

class Session;

/// New tokens of one sequence while it is sampled. Pieces of a sequence come in order and without a
/// gap; if one was lost there are no more, and the future has everything in any case. Called on the
/// client's own thread: must neither wait nor throw.
using OnPiece = std::function<void(const v1::SampledSequence& piece)>;

/// What sequences are sampled from. Its requests run side by side. Copies share it.
class SamplingClient {
 public:
  /// The base model, the longest context, and the tokenizer's folder on the service's machine.
  const v1::CreateSamplingSessionResponse& info() const { return info_; }

  /// Samples `num_samples` sequences after `prompt`. Their `logprobs` are those of the distribution
  /// at the request's temperature; `set_model_logprobs` of a SampleRequest asks for the model's own,
  /// too.
  Future<v1::SampleResponse> sample(v1::ModelInput prompt, std::uint32_t num_samples,
                                    v1::SamplingParams params, OnPiece on_piece = {});
  /// Likewise with all options of SampleRequest, `target_prompt_logprobs` among them; its source is
  /// set here.
  Future<v1::SampleResponse> sample(v1::SampleRequest request, OnPiece on_piece = {});
  /// The log-prob of each token of `prompt` given those before it, in the model's own distribution;
  /// the first is NaN, and so are those before the last `last_n` tokens, unless that is 0.
  Future<v1::ComputeLogprobsResponse> compute_logprobs(v1::ModelInput prompt,
                                                       std::uint32_t last_n = 0);

 private:
  friend class ServiceClient;
  friend class TrainingClient;
  SamplingClient(std::shared_ptr<Session> session, v1::CreateSamplingSessionRequest source);

  std::shared_ptr<Session> session_;
  std::string stream_;
  v1::CreateSamplingSessionRequest source_;
  v1::CreateSamplingSessionResponse info_;
};

}  // namespace tinsmith
