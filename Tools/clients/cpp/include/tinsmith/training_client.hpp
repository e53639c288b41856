// Training one model.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tinsmith/future.hpp"
#include "tinsmith/sampling_client.hpp"
#include "tinsmith/v1/envelope.pb.h"
#include "tinsmith/v1/sampling.pb.h"
#include "tinsmith/v1/training.pb.h"

namespace tinsmith {

class Session;

/// How a checkpoint is saved.
struct SaveOptions {
  /// Seconds until it is deleted by itself; 0: never.
  std::uint64_t ttl_seconds = 0;
  /// Replace a checkpoint of the same name instead of failing with AlreadyExists.
  bool overwrite = false;
  /// Delete the oldest checkpoints of the model and of this kind beyond so many, this one counted
  /// and published ones not; 0: keep all.
  std::uint32_t keep_last = 0;
};

/// A model that is being trained. Its requests run in the order of the calls, each exactly once,
/// whatever happens to the connection; call ahead of the answers to keep the service busy. Copies
/// share the model. Call from one thread, or order the calls otherwise.
class TrainingClient {
 public:
  /// What the model was when it was created; its id is `info().model_id()`.
  const v1::ModelInfo& info() const { return info_; }

  /// Loss and log-probs of the data without gradients. Losses, their inputs and options:
  /// ForwardBackwardRequest and Datum in training.proto.
  Future<v1::ForwardBackwardResponse> forward(std::vector<v1::Datum> data,
                                              const std::string& loss_fn,
                                              const std::map<std::string, double>& config = {});
  /// Likewise, and the gradients are added to those that the next optim_step uses.
  Future<v1::ForwardBackwardResponse> forward_backward(
      std::vector<v1::Datum> data, const std::string& loss_fn,
      const std::map<std::string, double>& config = {});
  /// One AdamW step. After a forward_backward that failed it throws FailedPrecondition and drops
  /// the gradients, unless `apply_partial`.
  Future<v1::OptimStepResponse> optim_step(v1::AdamParams adam, bool apply_partial = false);

  /// Writes a training checkpoint: adapter and optimizer state.
  Future<v1::SaveStateResponse> save_state(const std::string& name, SaveOptions options = {});
  /// Goes back to a training checkpoint, with the optimizer's state if `optimizer`.
  Future<v1::LoadStateResponse> load_state(const std::string& path, bool optimizer = false);
  /// Writes a checkpoint to sample from. Without a name the weights are gone with the session.
  Future<v1::SaveWeightsForSamplerResponse> save_weights_for_sampler(const std::string& name = "",
                                                                     SaveOptions options = {});
  /// The same, then a client that samples from it; waits until it is there.
  SamplingClient save_weights_and_get_sampling_client(const std::string& name = "",
                                                      SaveOptions options = {});
  /// What the model is, and how many steps it has taken.
  Future<v1::ModelInfo> get_info();
  /// Ends the model; its checkpoints stay.
  Future<v1::UnloadResponse> unload();

 private:
  friend class ServiceClient;
  TrainingClient(std::shared_ptr<Session> session, v1::CreateModelRequest request);
  Future<v1::ForwardBackwardResponse> pass(v1::Method method, std::vector<v1::Datum> data,
                                           const std::string& loss_fn,
                                           const std::map<std::string, double>& config);

  std::shared_ptr<Session> session_;
  std::string stream_;
  v1::ModelInfo info_;
};

}  // namespace tinsmith
