#include "tinsmith/service_client.hpp"

#include <utility>

#include "session.hpp"

namespace tinsmith {
namespace {

v1::CheckpointRequest checkpoint(const std::string& path) {
  v1::CheckpointRequest request;
  request.set_path(path);
  return request;
}

std::string checkpoints_stream(const Session& session) { return session.id() + ":checkpoints"; }

}  // namespace

ServiceClient::ServiceClient(const std::string& endpoint, ServiceOptions options)
    : session_(Session::open(endpoint, options.api_key, options.timeout_ms, options.channel)) {}

const std::string& ServiceClient::session_id() const { return session_->id(); }

TrainingClient ServiceClient::create_lora_training_client(const std::string& base_model,
                                                          v1::LoraConfig lora) {
  v1::CreateModelRequest request;
  request.set_base_model(base_model);
  *request.mutable_lora() = std::move(lora);
  return TrainingClient(session_, std::move(request));
}

TrainingClient ServiceClient::create_training_client_from_state(const std::string& path,
                                                                bool optimizer) {
  v1::CreateModelRequest request;
  request.set_from_path(path);
  request.set_from_optimizer(optimizer);
  return TrainingClient(session_, std::move(request));
}

SamplingClient ServiceClient::create_sampling_client(const std::string& base_model) {
  v1::CreateSamplingSessionRequest source;
  source.set_base_model(base_model);
  return SamplingClient(session_, std::move(source));
}

SamplingClient ServiceClient::create_sampling_client_from_path(const std::string& model_path) {
  v1::CreateSamplingSessionRequest source;
  source.set_model_path(model_path);
  return SamplingClient(session_, std::move(source));
}

Future<v1::CapabilitiesResponse> ServiceClient::get_server_capabilities() {
  return session_->call<v1::CapabilitiesResponse>(v1::METHOD_ADMIN_CAPABILITIES, "",
                                                  v1::CapabilitiesRequest());
}

Future<v1::ListSessionsResponse> ServiceClient::list_sessions(const std::string& page_token,
                                                              std::uint32_t limit) {
  v1::ListSessionsRequest request;
  request.set_page_token(page_token);
  request.set_limit(limit);
  return session_->call<v1::ListSessionsResponse>(
      v1::METHOD_SESSIONS_LIST, checkpoints_stream(*session_), std::move(request));
}

Future<v1::SessionInfo> ServiceClient::get_session(const std::string& session_id) {
  v1::SessionInfoRequest request;
  request.set_session_id(session_id);
  return session_->call<v1::SessionInfo>(v1::METHOD_SESSIONS_INFO, checkpoints_stream(*session_),
                                         std::move(request));
}

Future<v1::SamplerInfo> ServiceClient::get_sampler(const std::string& sampling_session_id) {
  v1::SamplerRequest request;
  request.set_sampling_session_id(sampling_session_id);
  return session_->call<v1::SamplerInfo>(v1::METHOD_SESSIONS_SAMPLER,
                                         checkpoints_stream(*session_), std::move(request));
}

Future<v1::ListRunsResponse> ServiceClient::list_training_runs(const std::string& page_token,
                                                               std::uint32_t limit) {
  v1::ListRunsRequest request;
  request.set_page_token(page_token);
  request.set_limit(limit);
  return session_->call<v1::ListRunsResponse>(v1::METHOD_SESSIONS_LIST_RUNS,
                                              checkpoints_stream(*session_), std::move(request));
}

Future<v1::RunInfo> ServiceClient::get_training_run(const std::string& model_id) {
  v1::RunRequest request;
  request.set_model_id(model_id);
  return session_->call<v1::RunInfo>(v1::METHOD_SESSIONS_RUN, checkpoints_stream(*session_),
                                         std::move(request));
}

Future<v1::ListCheckpointsResponse> ServiceClient::list_checkpoints(const std::string& model_id,
                                                                    const std::string& page_token,
                                                                    std::uint32_t limit) {
  v1::ListCheckpointsRequest request;
  request.set_model_id(model_id);
  request.set_page_token(page_token);
  request.set_limit(limit);
  return session_->call<v1::ListCheckpointsResponse>(
      v1::METHOD_CHECKPOINTS_LIST, checkpoints_stream(*session_), std::move(request));
}

Future<v1::Checkpoint> ServiceClient::get_checkpoint(const std::string& path) {
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_INFO, checkpoints_stream(*session_),
                                        checkpoint(path));
}

Future<v1::DeleteCheckpointResponse> ServiceClient::delete_checkpoint(const std::string& path) {
  return session_->call<v1::DeleteCheckpointResponse>(
      v1::METHOD_CHECKPOINTS_DELETE, checkpoints_stream(*session_), checkpoint(path));
}

Future<v1::Checkpoint> ServiceClient::set_checkpoint_ttl(const std::string& path,
                                                         std::uint64_t ttl_seconds) {
  v1::SetCheckpointTtlRequest request;
  request.set_path(path);
  if (ttl_seconds > 0) request.set_ttl_seconds(ttl_seconds);
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_SET_TTL,
                                        checkpoints_stream(*session_), std::move(request));
}

Future<v1::Checkpoint> ServiceClient::publish_checkpoint(const std::string& path) {
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_PUBLISH,
                                        checkpoints_stream(*session_), checkpoint(path));
}

Future<v1::Checkpoint> ServiceClient::unpublish_checkpoint(const std::string& path) {
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_UNPUBLISH,
                                        checkpoints_stream(*session_), checkpoint(path));
}

Future<v1::Checkpoint> ServiceClient::copy_checkpoint(const std::string& path,
                                                      const std::string& name,
                                                      std::uint64_t ttl_seconds) {
  v1::CopyCheckpointRequest request;
  request.set_path(path);
  request.set_name(name);
  if (ttl_seconds > 0) request.set_ttl_seconds(ttl_seconds);
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_COPY, checkpoints_stream(*session_),
                                        std::move(request));
}

Future<v1::ExportCheckpointResponse> ServiceClient::export_checkpoint(const std::string& path) {
  return session_->call<v1::ExportCheckpointResponse>(
      v1::METHOD_CHECKPOINTS_EXPORT, checkpoints_stream(*session_), checkpoint(path));
}

Future<v1::Checkpoint> ServiceClient::import_checkpoint(v1::ImportCheckpointRequest request) {
  return session_->call<v1::Checkpoint>(v1::METHOD_CHECKPOINTS_IMPORT,
                                        checkpoints_stream(*session_), std::move(request));
}

Future<v1::ExportMergedResponse> ServiceClient::export_merged_model(const std::string& path) {
  return session_->call<v1::ExportMergedResponse>(v1::METHOD_CHECKPOINTS_EXPORT_MERGED,
                                                  checkpoints_stream(*session_), checkpoint(path));
}

Future<v1::ReadExportResponse> ServiceClient::read_export(const std::string& export_id,
                                                          const std::string& file,
                                                          std::uint64_t offset,
                                                          std::uint32_t length) {
  v1::ReadExportRequest request;
  request.set_export_id(export_id);
  request.set_file(file);
  request.set_offset(offset);
  request.set_length(length);
  return session_->call<v1::ReadExportResponse>(v1::METHOD_CHECKPOINTS_READ_EXPORT,
                                                checkpoints_stream(*session_), std::move(request));
}

void ServiceClient::wait_until_ready() { session_->channel().wait_until_ready(); }

}  // namespace tinsmith
