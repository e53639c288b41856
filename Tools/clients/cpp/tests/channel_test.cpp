// The clients against a service in this process that loses, refuses and disappears.
#include <future>
#include <map>
#include <memory>
#include <set>

#include "check.hpp"
#include "fake_service.hpp"
#include "tinsmith/tinsmith.hpp"
#include "tinsmith/v1/sessions.pb.h"

namespace {

using namespace tinsmith;
using namespace std::chrono_literals;
using Requests = std::vector<FakeService::Request>;

// Quick enough that a test of silence does not take seconds.
ChannelOptions impatient() { return {200ms, 50ms, 200ms, 5s}; }
ServiceOptions quick() { return {"", 0, impatient()}; }

Response final(google::protobuf::Message&& message) {
  Response response;
  response.header.set_event(v1::EVENT_FINAL);
  response.frames = encode(std::move(message));
  return response;
}

Response refusal(v1::StatusCode code, const std::string& field = "") {
  Response response;
  response.header.set_event(v1::EVENT_FINAL);
  response.header.set_code(code);
  response.header.set_field(field);
  return response;
}

// What every test's service does with the methods that the test is not about.
std::vector<Response> usual(const FakeService::Request& request) {
  const std::string& stream = request.header.stream();
  switch (request.header.method()) {
    case v1::METHOD_SESSIONS_CREATE: {
      v1::CreateSessionResponse session;
      session.set_session_id("s");
      session.set_token("token");
      session.set_heartbeat_seconds(10);
      return {final(std::move(session))};
    }
    case v1::METHOD_TRAINING_CREATE_MODEL: {
      v1::CreateModelResponse model;
      model.mutable_info()->set_model_id(stream);
      return {final(std::move(model))};
    }
    case v1::METHOD_TRAINING_OPTIM_STEP: {
      v1::OptimStepResponse step;
      auto* metric = step.add_metrics();
      metric->set_name("step:max");
      metric->set_value(static_cast<double>(request.header.seq()));
      return {final(std::move(step))};
    }
    default:
      return {final(v1::HeartbeatResponse())};
  }
}

double step_of(const v1::OptimStepResponse& response) {
  return metric(response.metrics(), "step:max");
}

v1::LoraConfig rank_8() {
  v1::LoraConfig lora;
  lora.set_rank(8);
  return lora;
}

void errors_have_types() {
  FakeService service([](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.method() != v1::METHOD_TRAINING_CREATE_MODEL) return usual(request);
    return {refusal(v1::STATUS_CODE_INVALID_ARGUMENT, "lora.rank")};
  });
  ServiceClient client(service.endpoint(), quick());
  try {
    client.create_lora_training_client("tinsmith/mini", v1::LoraConfig());
    CHECK(false);
  } catch (const InvalidArgument& error) {
    CHECK(error.field() == "lora.rank");
  }
}

void carries_large_tensors_beside_the_body() {
  std::atomic<std::size_t> frames{0};
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.method() != v1::METHOD_TRAINING_FORWARD) return usual(request);
    frames = request.frames.size();
    v1::ForwardBackwardRequest message;
    decode(request.frames, message);
    v1::ForwardBackwardResponse answer;
    auto* output = answer.add_loss_fn_outputs()->add_outputs();
    output->set_name("logprobs");
    *output->mutable_tensor() = message.data(0).loss_fn_inputs(0).tensor();
    return {final(std::move(answer))};
  });
  ServiceClient client(service.endpoint(), quick());
  auto training = client.create_lora_training_client("tinsmith/mini", rank_8());
  std::vector<float> weights(1000, 0.5f);
  const auto answer =
      training.forward({datum({1, 2}, {{"weights", tensor(weights)}})}, "cross_entropy").get();
  CHECK(frames == 2);
  CHECK(values<float>(answer.loss_fn_outputs(0).outputs(0).tensor()) == weights);
}

// The service keeps silent on the first connection after so many steps.
void opens_a_new_connection_after_silence() {
  std::set<std::string> connections;
  std::map<std::uint64_t, int> seen;
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    connections.insert(request.connection);
    if (request.header.method() == v1::METHOD_TRAINING_OPTIM_STEP) seen[request.header.seq()]++;
    if (connections.size() == 1 && seen.size() > 10) return {};
    return usual(request);
  });
  std::vector<double> steps;
  {
    ServiceClient client(service.endpoint(), quick());
    auto training = client.create_lora_training_client("tinsmith/mini", rank_8());
    std::vector<Future<v1::OptimStepResponse>> futures;
    for (int i = 0; i < 100; i++) futures.push_back(training.optim_step({}));
    for (auto& future : futures) steps.push_back(step_of(future.get()));
  }
  CHECK(connections.size() == 2);
  for (int i = 0; i < 100; i++) CHECK(steps[i] == i + 1);
  CHECK(seen[1] == 1 && seen[11] == 2);
}

// A pass that takes long is no reason for a new connection, as long as heartbeats are answered.
void keeps_a_connection_that_answers_heartbeats() {
  std::set<std::string> connections;
  int steps = 0;
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    connections.insert(request.connection);
    if (request.header.method() != v1::METHOD_TRAINING_OPTIM_STEP) return usual(request);
    steps++;
    return {};
  });
  {
    ServiceOptions options = quick();
    options.channel.silence = 1s;
    ServiceClient client(service.endpoint(), options);
    auto step = client.create_lora_training_client("tinsmith/mini", rank_8()).optim_step({});
    CHECK(step.wait_for(3s) == std::future_status::timeout);
  }
  CHECK(steps == 1 && connections.size() == 1);
}

// The service goes away, and one with the same endpoint comes back.
void survives_a_restart_of_the_service() {
  const auto refuse_training = [](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.method() == v1::METHOD_TRAINING_OPTIM_STEP) return {};
    return usual(request);
  };
  auto service = std::make_unique<FakeService>(refuse_training);
  const std::string endpoint = service->endpoint();
  ServiceOptions options;  // not impatient: it is the lost connection that must be noticed
  ServiceClient client(endpoint, options);
  auto training = client.create_lora_training_client("tinsmith/mini", rank_8());
  auto future = training.optim_step({});
  CHECK(future.wait_for(50ms) == std::future_status::timeout);
  service.reset();
  service = std::make_unique<FakeService>(usual, endpoint);
  CHECK(future.wait_for(3s) == std::future_status::ready);
  CHECK(step_of(future.get()) == 1);
}

void repeats_what_is_refused_for_now() {
  std::atomic<int> times{0};
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.method() != v1::METHOD_TRAINING_OPTIM_STEP || ++times > 3) {
      return usual(request);
    }
    return {refusal(v1::STATUS_CODE_UNAVAILABLE)};
  });
  ServiceClient client(service.endpoint(), quick());
  auto training = client.create_lora_training_client("tinsmith/mini", rank_8());
  CHECK(step_of(training.optim_step({}).get()) == 1);
  CHECK(times == 4);
}

void streams_pieces_without_gaps() {
  const auto piece = [](std::uint64_t offset, std::vector<std::int32_t> tokens) {
    v1::SampleResponse message;
    *message.add_sequences()->mutable_tokens() = tensor(tokens);
    Response response = final(std::move(message));
    response.header.set_event(v1::EVENT_PARTIAL);
    response.header.set_partial_offset(offset);
    return response;
  };
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.flags() != v1::REQUEST_FLAG_STREAM) return usual(request);
    return {piece(0, {1, 2}), piece(0, {1, 2}), piece(2, {3}), piece(4, {5}),
            final(v1::SampleResponse())};
  });
  ServiceClient client(service.endpoint(), quick());
  std::vector<std::int32_t> received;
  client.create_sampling_client("tinsmith/mini")
      .sample(model_input({7}), 1, {},
              [&](const v1::SampledSequence& sequence) {
                for (const auto token : values<std::int32_t>(sequence.tokens())) {
                  received.push_back(token);
                }
              })
      .get();
  CHECK(received == (std::vector<std::int32_t>{1, 2, 3}));
}

void gives_up_when_nobody_answers() {
  ServiceOptions options = quick();
  options.channel.give_up = 500ms;
  try {
    ServiceClient client("tcp://127.0.0.1:1", options);
    CHECK(false);
  } catch (const Unavailable& error) {
    CHECK(std::string(error.what()).find("nothing was heard of tcp://127.0.0.1:1 for") !=
          std::string::npos);
  }
}

// A request vanishes while heartbeats are answered: it is asked for, and sent again.
void asks_for_what_was_swallowed() {
  std::vector<v1::Method> methods;
  FakeService service([&](const FakeService::Request& request) -> std::vector<Response> {
    const auto method = request.header.method();
    if (method != v1::METHOD_TRAINING_OPTIM_STEP && method != v1::METHOD_FUTURES_AWAIT) {
      return usual(request);
    }
    methods.push_back(method);
    if (method == v1::METHOD_FUTURES_AWAIT) return {refusal(v1::STATUS_CODE_UNAVAILABLE)};
    return methods.size() == 1 ? std::vector<Response>() : usual(request);
  });
  std::vector<std::string> lines;
  {
    ServiceOptions options = quick();
    options.channel.silence = 5s;
    options.channel.ask = 300ms;
    options.channel.log = [&](const std::string& line) { lines.push_back(line); };
    ServiceClient client(service.endpoint(), options);
    auto training = client.create_lora_training_client("tinsmith/mini", rank_8());
    CHECK(step_of(training.optim_step({}).get()) == 1);
  }
  CHECK(methods ==
        (std::vector<v1::Method>{v1::METHOD_TRAINING_OPTIM_STEP, v1::METHOD_FUTURES_AWAIT,
                                 v1::METHOD_TRAINING_OPTIM_STEP}));
  CHECK(lines.size() <= 1);
}

void closing_ends_what_is_open() {
  FakeService service([](const FakeService::Request& request) -> std::vector<Response> {
    if (request.header.method() == v1::METHOD_TRAINING_OPTIM_STEP) return {};
    return usual(request);
  });
  Future<v1::OptimStepResponse> future;
  {
    ServiceClient client(service.endpoint(), quick());
    future = client.create_lora_training_client("tinsmith/mini", rank_8()).optim_step({});
  }
  try {
    future.get();
    CHECK(false);
  } catch (const Cancelled&) {
  }
  future.cancel();  // of nothing
}

}  // namespace

int main() {
  return run_all(
      {{"errors have types", errors_have_types},
       {"carries large tensors beside the body", carries_large_tensors_beside_the_body},
       {"opens a new connection after silence", opens_a_new_connection_after_silence},
       {"keeps a connection that answers heartbeats", keeps_a_connection_that_answers_heartbeats},
       {"survives a restart of the service", survives_a_restart_of_the_service},
       {"repeats what is refused for now", repeats_what_is_refused_for_now},
       {"streams pieces without gaps", streams_pieces_without_gaps},
       {"gives up when nobody answers", gives_up_when_nobody_answers},
       {"asks for what was swallowed", asks_for_what_was_swallowed},
       {"closing ends what is open", closing_ends_what_is_open}});
}
