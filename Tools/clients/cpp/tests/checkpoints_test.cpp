// Checkpoints through the client, against the service at TINSMITH_ENDPOINT.
#include <openssl/evp.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "tinsmith/tinsmith.hpp"

namespace {

using namespace tinsmith;

const std::string kBase = "tinsmith/mini";

ServiceClient connect(const std::string& api_key = "") {
  const char* endpoint = std::getenv("TINSMITH_ENDPOINT");
  if (!endpoint) throw std::runtime_error("TINSMITH_ENDPOINT names no service");
  ServiceOptions options;
  options.api_key = api_key;
  options.timeout_ms = 120'000;
  return ServiceClient(endpoint, options);
}

TrainingClient create_model(ServiceClient& client) {
  v1::LoraConfig lora;
  lora.set_rank(4);
  lora.set_seed(1);
  return client.create_lora_training_client(kBase, lora);
}

std::vector<v1::Datum> data() {
  return {
      datum({4088, 4094, 10, 300}, {{"target_tokens", tensor<std::int32_t>({4094, 10, 300, 65})},
                                    {"weights", tensor<float>({0, 0, 0, 1})}})};
}

void train(TrainingClient& model) {
  model.forward_backward(data(), "cross_entropy").get();
  v1::AdamParams adam;
  adam.set_learning_rate(1e-2);
  model.optim_step(adam).get();
}

double loss_of(TrainingClient& model) {
  return metric(model.forward(data(), "cross_entropy").get().metrics(), "loss:sum");
}

template <class Error, class Answer>
void check_throws(Future<Answer> future, const std::string& field = "") {
  try {
    future.get();
  } catch (const Error& error) {
    CHECK(error.field() == field);
    return;
  }
  CHECK(!"nothing was thrown");
}

// Kind and name of each checkpoint of a model.
std::set<std::string> names_of(ServiceClient& client, const TrainingClient& model) {
  std::set<std::string> names;
  const std::string scheme = "tinsmith://" + model.info().model_id() + "/";
  const auto page = client.list_checkpoints(model.info().model_id()).get();
  for (const auto& each : page.checkpoints()) {
    CHECK(each.path().compare(0, scheme.size(), scheme) == 0);
    names.insert(each.path().substr(scheme.size()));
  }
  return names;
}

std::string sha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; i++) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

void are_listed_described_and_deleted() {
  auto client = connect();
  auto model = create_model(client);
  train(model);
  const std::string state = model.save_state("one").get().path();
  check_throws<AlreadyExists>(model.save_state("one"), "name");
  SaveOptions options;
  options.overwrite = true;
  options.ttl_seconds = 3600;
  model.save_state("one", options).get();
  const std::string weights = model.save_weights_for_sampler("two").get().path();

  const std::string& id = model.info().model_id();
  const auto first = client.list_checkpoints(id, "", 1).get();
  CHECK(first.checkpoints_size() == 1 && first.checkpoints(0).path() == weights);
  const auto second = client.list_checkpoints(id, first.next_page_token(), 1).get();
  CHECK(second.checkpoints_size() == 1 && second.checkpoints(0).path() == state);
  CHECK(second.next_page_token().empty());

  const auto info = client.get_checkpoint(state).get();
  CHECK(info.kind() == v1::CHECKPOINT_KIND_TRAINING && info.step() == 1 && info.rank() == 4);
  CHECK(info.base_model() == kBase && info.expires_unix_ms() > info.created_unix_ms());
  CHECK(client.set_checkpoint_ttl(state, 0).get().expires_unix_ms() == 0);
  CHECK(client.set_checkpoint_ttl(state, 60).get().expires_unix_ms() > 0);

  client.delete_checkpoint(state).get();
  CHECK(names_of(client, model) == std::set<std::string>{"sampler_weights/two"});
  check_throws<NotFound>(client.get_checkpoint(state), "path");
}

void what_is_published_can_be_copied() {
  auto client = connect();
  auto model = create_model(client);
  const std::string path = model.save_state("shared").get().path();
  auto other = connect("another");
  check_throws<NotFound>(other.get_checkpoint(path), "path");
  CHECK(client.publish_checkpoint(path).get().published());
  CHECK(other.get_checkpoint(path).get().published());
  const auto copy = other.copy_checkpoint(path, "mine", 60).get();
  CHECK(copy.name() == "mine" && copy.kind() == v1::CHECKPOINT_KIND_TRAINING);
  CHECK(copy.expires_unix_ms() > 0 && !copy.published());
  const auto kept = other.copy_checkpoint(path).get();
  CHECK(kept.name() == "shared" && kept.expires_unix_ms() == 0);
  check_throws<PermissionDenied>(other.delete_checkpoint(path), "path");
  CHECK(!client.unpublish_checkpoint(path).get().published());
  check_throws<NotFound>(other.get_checkpoint(path), "path");
  CHECK(other.get_checkpoint(copy.path()).get().path() == copy.path());
}

void the_oldest_make_room() {
  auto client = connect();
  auto model = create_model(client);
  for (int number = 0; number < 3; number++) {
    SaveOptions options;
    options.keep_last = 2;
    model.save_state("state-" + std::to_string(number), options).get();
    options.keep_last = 1;
    model.save_weights_for_sampler("weights-" + std::to_string(number), options).get();
  }
  CHECK(names_of(client, model) ==
        (std::set<std::string>{"weights/state-1", "weights/state-2", "sampler_weights/weights-2"}));
}

void adapters_leave_and_come_back() {
  auto client = connect();
  auto model = create_model(client);
  train(model);
  const double loss = loss_of(model);
  const std::string path = model.save_weights_for_sampler("out").get().path();
  const auto exported = client.export_checkpoint(path).get();

  v1::ImportCheckpointRequest request;
  request.set_name("in");
  request.set_kind(v1::CHECKPOINT_KIND_TRAINING);
  request.set_base_model(kBase);
  *request.mutable_files() = exported.files();
  auto* note = request.add_user_metadata();
  note->set_key("from");
  note->set_value("a test");
  const auto made = client.import_checkpoint(request).get();
  CHECK(made.name() == "in" && made.user_metadata(0).value() == "a test");
  auto again = client.create_training_client_from_state(made.path());
  CHECK(loss_of(again) == loss);

  for (auto& file : *request.mutable_files()) {
    if (file.name() == "adapter_model.safetensors") file.mutable_content()->set_raw("nothing");
  }
  try {
    client.import_checkpoint(request).get();
    CHECK(false);
  } catch (const InvalidArgument& error) {
    const std::string message = error.what();
    CHECK(message.find("adapter_model.safetensors") != std::string::npos);
  }
}

void merged_models_are_fetched_in_pieces() {
  auto client = connect();
  auto model = create_model(client);
  train(model);
  const std::string path = model.save_weights_for_sampler("merged").get().path();
  const auto exported = client.export_merged_model(path).get();
  std::map<std::string, std::string> files;
  for (const auto& file : exported.files()) {
    std::string& content = files[file.name()];
    while (content.size() < file.size_bytes()) {
      const auto piece =
          client.read_export(exported.export_id(), file.name(), content.size()).get();
      CHECK(!piece.content().raw().empty());
      content += piece.content().raw();
    }
    CHECK(content.size() == file.size_bytes() && sha256(content) == file.sha256());
  }
  CHECK(files.count("config.json") && files.count("tokenizer.json"));
  const std::string& weights = files.at("model.safetensors");
  const auto few = client.read_export(exported.export_id(), "model.safetensors", 7, 9).get();
  CHECK(few.content().raw() == weights.substr(7, 9));
  check_throws<NotFound>(client.read_export(exported.export_id(), "nothing", 0), "file");
}

void sessions_and_models_are_listed_while_they_live() {
  std::string session, sampler, model_id, state;
  {
    auto client = connect("lister");
    auto model = create_model(client);
    auto sampling = client.create_sampling_client(kBase);
    session = client.session_id();
    model_id = model.info().model_id();
    const auto info = client.get_session(session).get();
    CHECK(info.model_ids_size() == 1 && info.model_ids(0) == model_id);
    CHECK(info.sampling_session_ids_size() == 1);
    sampler = info.sampling_session_ids(0);
    const auto source = client.get_sampler(sampler).get();
    CHECK(source.base_model() == kBase && source.model_path().empty());
    const auto sessions = client.list_sessions("", 1).get();
    CHECK(sessions.sessions_size() == 1 && sessions.sessions(0).session_id() == session);
    CHECK(!client.get_training_run(model_id).get().has_last_checkpoint());
    state = model.save_state("kept").get().path();
    auto other = connect("another");
    check_throws<NotFound>(other.get_session(session), "session_id");
    check_throws<NotFound>(other.get_sampler(sampler), "sampling_session_id");
    check_throws<NotFound>(other.get_training_run(model_id), "model_id");
  }
  auto later = connect("lister");
  check_throws<NotFound>(later.get_session(session), "session_id");
  const auto run = later.get_training_run(model_id).get();
  CHECK(run.rank() == 4 && run.last_checkpoint().path() == state);
  CHECK(later.list_training_runs().get().runs_size() == 1);
  later.delete_checkpoint(state).get();
  check_throws<NotFound>(later.get_training_run(model_id), "model_id");
}

}  // namespace

int main() {
  return run_all({{"are listed, described and deleted", are_listed_described_and_deleted},
                  {"what is published can be copied", what_is_published_can_be_copied},
                  {"the oldest make room", the_oldest_make_room},
                  {"adapters leave and come back", adapters_leave_and_come_back},
                  {"merged models are fetched in pieces", merged_models_are_fetched_in_pieces},
                  {"sessions and models are listed while they live",
                   sessions_and_models_are_listed_while_they_live}});
}
