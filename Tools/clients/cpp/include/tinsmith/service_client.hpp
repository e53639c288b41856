// The way in: a session with a service, and the clients that it hands out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tinsmith/channel.hpp"
#include "tinsmith/future.hpp"
#include "tinsmith/sampling_client.hpp"
#include "tinsmith/training_client.hpp"
#include "tinsmith/v1/admin.pb.h"
#include "tinsmith/v1/checkpoints.pb.h"
#include "tinsmith/v1/sessions.pb.h"

namespace tinsmith {

/// How a session is opened.
struct ServiceOptions {
  /// Names the tenant: checkpoints of others are not seen. Where the service has a list of tenants
  /// it must be one of theirs.
  std::string api_key;
  /// Milliseconds from its arrival until each request is given up with DeadlineExceeded; 0: never.
  std::uint32_t timeout_ms = 0;
  ChannelOptions channel;
};

/// The most bytes that `ServiceClient::read_export` may be asked for.
constexpr std::uint32_t kMaxPieceBytes = 8 << 20;

/// A session with a service. Copies share it; it ends, and its models with it, when the last client
/// of it is gone. Requests never wait: each returns a future, whose get() throws a StatusError. A
/// request that is wrong fails alone; when a model is lost (DataLoss), all that was asked of it
/// fails, and so does everything asked later.
class ServiceClient {
 public:
  /// Opens a session at `endpoint`, e.g. "tcp://127.0.0.1:7410"; waits until it is there. Throws a
  /// StatusError if it is refused, Unavailable if nobody answers for `channel.give_up`.
  explicit ServiceClient(const std::string& endpoint, ServiceOptions options = {});

  /// The session's id.
  const std::string& session_id() const;

  /// A new adapter on a base model; waits until it is there.
  TrainingClient create_lora_training_client(const std::string& base_model, v1::LoraConfig lora);
  /// A model from a training checkpoint, with the optimizer's state if `optimizer`.
  TrainingClient create_training_client_from_state(const std::string& path, bool optimizer = false);
  /// Sampling from a base model.
  SamplingClient create_sampling_client(const std::string& base_model);
  /// Sampling from a saved adapter, "tinsmith://<model>/sampler_weights/<name>".
  SamplingClient create_sampling_client_from_path(const std::string& model_path);

  /// What the service has: base models, losses, versions.
  Future<v1::CapabilitiesResponse> get_server_capabilities();

  /// One page of the tenant's sessions that live, newest first; at most `limit` of them (0: 100).
  /// `page_token` is next_page_token() of the page before.
  Future<v1::ListSessionsResponse> list_sessions(const std::string& page_token = "",
                                                 std::uint32_t limit = 0);
  /// Describes a session and what was made in it, while it lives.
  Future<v1::SessionInfo> get_session(const std::string& session_id);
  /// What a sampling session samples from, while its session lives.
  Future<v1::SamplerInfo> get_sampler(const std::string& sampling_session_id);
  /// One page of the tenant's models, by their ids; else as `list_sessions`.
  Future<v1::ListRunsResponse> list_training_runs(const std::string& page_token = "",
                                                  std::uint32_t limit = 0);
  /// Describes a model: while its session lives or a checkpoint of it is there.
  Future<v1::RunInfo> get_training_run(const std::string& model_id);

  /// One page of the checkpoints of a model (empty: of all models), newest first; at most `limit`
  /// of them (0: 100). `page_token` is next_page_token() of the page before.
  Future<v1::ListCheckpointsResponse> list_checkpoints(const std::string& model_id = "",
                                                       const std::string& page_token = "",
                                                       std::uint32_t limit = 0);
  /// Describes a checkpoint.
  Future<v1::Checkpoint> get_checkpoint(const std::string& path);
  /// Deletes a checkpoint.
  Future<v1::DeleteCheckpointResponse> delete_checkpoint(const std::string& path);
  /// Lets a checkpoint be deleted by itself after so many seconds; 0: never.
  Future<v1::Checkpoint> set_checkpoint_ttl(const std::string& path, std::uint64_t ttl_seconds);
  /// Makes a checkpoint readable by other tenants.
  Future<v1::Checkpoint> publish_checkpoint(const std::string& path);
  /// Takes that back.
  Future<v1::Checkpoint> unpublish_checkpoint(const std::string& path);
  /// Copies a checkpoint, also one that another tenant has published; the copy is this tenant's.
  /// Without a name it has that of the original; it is deleted after so many seconds, 0: never.
  Future<v1::Checkpoint> copy_checkpoint(const std::string& path, const std::string& name = "",
                                         std::uint64_t ttl_seconds = 0);
  /// The files of an adapter as PEFT loads them.
  Future<v1::ExportCheckpointResponse> export_checkpoint(const std::string& path);
  /// Makes a checkpoint from an adapter in PEFT's layout: its files, as `raw`, and what the
  /// checkpoint is to be for. Throws InvalidArgument for damaged files and those of another model,
  /// Unimplemented for what the service cannot represent.
  Future<v1::Checkpoint> import_checkpoint(v1::ImportCheckpointRequest request);
  /// Merges an adapter into its base model. The service keeps the files for a day after they were
  /// last asked for; `read_export` fetches them.
  Future<v1::ExportMergedResponse> export_merged_model(const std::string& path);
  /// A piece of a file of a merged model: at most `length` bytes from `offset` on, fewer at the end
  /// of the file. ExportedFile has the size of the whole and its SHA-256.
  Future<v1::ReadExportResponse> read_export(const std::string& export_id, const std::string& file,
                                             std::uint64_t offset,
                                             std::uint32_t length = kMaxPieceBytes);

  /// Waits until everything that was submitted has been let in by the service's window. Call it in
  /// loops that submit far ahead, to bound what waits in memory.
  void wait_until_ready();

 private:
  std::shared_ptr<Session> session_;
};

}  // namespace tinsmith
