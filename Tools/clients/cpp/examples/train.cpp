// Teaches the embedded base model some capitals, with all steps sent ahead of their answers.
//   train [ENDPOINT]        default tcp://127.0.0.1:7410
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "tinsmith/tinsmith.hpp"

namespace {

using Tokens = std::vector<std::int32_t>;

// The first 256 tokens of tinsmith/mini are the bytes, so plain text needs no tokenizer here.
Tokens tokens_of(const std::string& text) {
  Tokens tokens;
  for (const unsigned char byte : text) tokens.push_back(byte);
  return tokens;
}

std::string text_of(const Tokens& tokens) {
  std::string text;
  for (const auto token : tokens) text += token < 256 ? static_cast<char>(token) : '?';
  return text;
}

// Question and answer; the loss is on the answer alone. Targets are the input moved by one.
tinsmith::v1::Datum example(const std::string& question, const std::string& answer) {
  const Tokens all = tokens_of(question + answer);
  const Tokens input(all.begin(), all.end() - 1), targets(all.begin() + 1, all.end());
  std::vector<float> weights(targets.size(), 0);
  for (std::size_t i = question.size() - 1; i < weights.size(); i++) weights[i] = 1;
  return tinsmith::datum(input, {{"target_tokens", tinsmith::tensor(targets)},
                                 {"weights", tinsmith::tensor(weights)}});
}

std::string ask(tinsmith::SamplingClient client, const std::string& question) {
  tinsmith::v1::SamplingParams params;
  params.set_max_tokens(12);
  params.set_temperature(0);
  params.mutable_stop_tokens()->add_ids('\n');
  const auto answer = client.sample(tinsmith::model_input(tokens_of(question)), 1, params).get();
  return text_of(tinsmith::values<std::int32_t>(answer.sequences(0).tokens()));
}

}  // namespace

int main(int argc, char** argv) try {
  tinsmith::ServiceClient service(argc > 1 ? argv[1] : "tcp://127.0.0.1:7410");
  tinsmith::v1::LoraConfig lora;
  lora.set_rank(16);
  lora.set_seed(1);
  auto training = service.create_lora_training_client("tinsmith/mini", lora);

  std::vector<tinsmith::v1::Datum> data;
  double answer_tokens = 0;
  for (const auto& [country, capital] : std::vector<std::pair<std::string, std::string>>{
           {"France", "Paris"}, {"Italy", "Rome"}, {"Spain", "Madrid"}, {"Peru", "Lima"}}) {
    data.push_back(example("capital of " + country + ": ", capital + "\n"));
    answer_tokens += static_cast<double>(capital.size() + 1);
  }
  const std::string question = "capital of Peru: ";
  std::cout << "before: " << question
            << ask(service.create_sampling_client("tinsmith/mini"), question) << "\n";

  constexpr int kSteps = 40;
  tinsmith::v1::AdamParams adam;
  adam.set_learning_rate(3e-3);
  std::vector<tinsmith::Future<tinsmith::v1::ForwardBackwardResponse>> passes;
  std::vector<tinsmith::Future<tinsmith::v1::OptimStepResponse>> steps;
  for (int step = 0; step < kSteps; step++) {
    passes.push_back(training.forward_backward(data, "cross_entropy"));
    steps.push_back(training.optim_step(adam));
  }
  for (int step = 0; step < kSteps; step++) {
    const auto pass = passes[step].get();
    steps[step].get();
    const double loss = tinsmith::metric(pass.metrics(), "loss:sum") / answer_tokens;
    std::printf("step %2d/%d  loss %.4f per token\n", step + 1, kSteps, loss);
  }

  const auto trained = training.save_weights_and_get_sampling_client("capitals", {3600, true});
  std::cout << "after: " << question << ask(trained, question) << "\n";
} catch (const std::exception& error) {
  std::cerr << "train: " << error.what() << "\n";
  return 1;
}
