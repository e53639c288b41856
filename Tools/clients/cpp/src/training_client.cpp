#include "tinsmith/training_client.hpp"

#include <utility>

#include "session.hpp"
#include "tinsmith/tensor.hpp"

namespace tinsmith {
namespace {

template <class Request>
Request save_request(const std::string& name, const SaveOptions& options) {
  Request request;
  request.set_name(name);
  request.set_overwrite(options.overwrite);
  if (options.ttl_seconds > 0) request.set_ttl_seconds(options.ttl_seconds);
  request.set_keep_last(options.keep_last);
  return request;
}

}  // namespace

TrainingClient::TrainingClient(std::shared_ptr<Session> session, v1::CreateModelRequest request)
    : session_(std::move(session)), stream_(session_->next_model()) {
  info_ = session_
              ->call<v1::CreateModelResponse>(v1::METHOD_TRAINING_CREATE_MODEL, stream_,
                                              std::move(request))
              .get()
              .info();
}

Future<v1::ForwardBackwardResponse> TrainingClient::pass(
    v1::Method method, std::vector<v1::Datum> data, const std::string& loss_fn,
    const std::map<std::string, double>& config) {
  v1::ForwardBackwardRequest request;
  CallOptions options;
  for (auto& datum : data) {
    options.cost_prompt_tokens += token_count(datum.model_input());
    *request.add_data() = std::move(datum);
  }
  request.set_loss_fn(loss_fn);
  for (const auto& [name, number] : config) {
    auto* option = request.add_loss_fn_config();
    option->set_name(name);
    option->set_number(number);
  }
  return session_->call<v1::ForwardBackwardResponse>(method, stream_, std::move(request),
                                                     std::move(options));
}

Future<v1::ForwardBackwardResponse> TrainingClient::forward(
    std::vector<v1::Datum> data, const std::string& loss_fn,
    const std::map<std::string, double>& config) {
  return pass(v1::METHOD_TRAINING_FORWARD, std::move(data), loss_fn, config);
}

Future<v1::ForwardBackwardResponse> TrainingClient::forward_backward(
    std::vector<v1::Datum> data, const std::string& loss_fn,
    const std::map<std::string, double>& config) {
  return pass(v1::METHOD_TRAINING_FORWARD_BACKWARD, std::move(data), loss_fn, config);
}

Future<v1::OptimStepResponse> TrainingClient::optim_step(v1::AdamParams adam, bool apply_partial) {
  v1::OptimStepRequest request;
  *request.mutable_adam() = std::move(adam);
  CallOptions options;
  if (apply_partial) options.flags = v1::REQUEST_FLAG_APPLY_PARTIAL;
  return session_->call<v1::OptimStepResponse>(v1::METHOD_TRAINING_OPTIM_STEP, stream_,
                                               std::move(request), std::move(options));
}

Future<v1::SaveStateResponse> TrainingClient::save_state(const std::string& name,
                                                         SaveOptions options) {
  return session_->call<v1::SaveStateResponse>(v1::METHOD_TRAINING_SAVE_STATE, stream_,
                                               save_request<v1::SaveStateRequest>(name, options));
}

Future<v1::LoadStateResponse> TrainingClient::load_state(const std::string& path, bool optimizer) {
  v1::LoadStateRequest request;
  request.set_path(path);
  request.set_optimizer(optimizer);
  return session_->call<v1::LoadStateResponse>(v1::METHOD_TRAINING_LOAD_STATE, stream_,
                                               std::move(request));
}

Future<v1::SaveWeightsForSamplerResponse> TrainingClient::save_weights_for_sampler(
    const std::string& name, SaveOptions options) {
  return session_->call<v1::SaveWeightsForSamplerResponse>(
      v1::METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER, stream_,
      save_request<v1::SaveWeightsForSamplerRequest>(name, options));
}

SamplingClient TrainingClient::save_weights_and_get_sampling_client(const std::string& name,
                                                                    SaveOptions options) {
  v1::CreateSamplingSessionRequest source;
  source.set_model_path(save_weights_for_sampler(name, options).get().path());
  return SamplingClient(session_, std::move(source));
}

Future<v1::ModelInfo> TrainingClient::get_info() {
  return session_->call<v1::ModelInfo>(v1::METHOD_TRAINING_GET_INFO, stream_, v1::GetInfoRequest());
}

Future<v1::UnloadResponse> TrainingClient::unload() {
  return session_->call<v1::UnloadResponse>(v1::METHOD_TRAINING_UNLOAD, stream_,
                                            v1::UnloadRequest());
}

}  // namespace tinsmith
