#include "lines.hpp"

#include <google/protobuf/descriptor.h>
#include <openssl/sha.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "tinsmith/tensor.hpp"
#include "tinsmith/v1/admin.pb.h"
#include "tinsmith/v1/checkpoints.pb.h"
#include "tinsmith/v1/sampling.pb.h"
#include "tinsmith/v1/training.pb.h"

namespace conformance {
namespace {

namespace v1 = tinsmith::v1;
using Lines = std::vector<std::string>;

std::string hex(const std::string& bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[c & 15];
  }
  return text;
}

std::string bits(double number) {
  std::uint64_t word;
  std::memcpy(&word, &number, sizeof word);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(word >> shift);
  return "0x" + hex(bytes);
}

template <class Message>
Message read(const Observation& seen) {
  Message message;
  tinsmith::decode(seen.final.frames, message);
  return message;
}

// Responses with metrics all have them in field `metrics`, whatever the method.
double metric_of(const Observation& seen, const std::string& name) {
  if (seen.kind == v1::OptimStepResponse::descriptor()) {
    return tinsmith::metric(read<v1::OptimStepResponse>(seen).metrics(), name);
  }
  return tinsmith::metric(read<v1::ForwardBackwardResponse>(seen).metrics(), name);
}

std::string logprobs_of(const Observation& seen) {
  if (seen.kind == v1::ComputeLogprobsResponse::descriptor()) {
    return read<v1::ComputeLogprobsResponse>(seen).logprobs().raw();
  }
  std::string bytes;
  const auto response = read<v1::ForwardBackwardResponse>(seen);
  for (const auto& datum : response.loss_fn_outputs()) {
    for (const auto& output : datum.outputs()) {
      if (output.name() == "logprobs") bytes += output.tensor().raw();
    }
  }
  return bytes;
}

std::string value_of(const Observation& seen, const std::string& name) {
  const auto message = make_message(seen.kind);
  tinsmith::decode(seen.final.frames, *message);
  const auto* field = message->GetDescriptor()->FindFieldByName(name);
  if (!field) throw std::runtime_error("no field " + name);
  const auto* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case google::protobuf::FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection->GetUInt32(*message, field));
    case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(reflection->GetUInt64(*message, field));
    case google::protobuf::FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(*message, field);
    default:
      throw std::runtime_error("field " + name + " is neither integer nor text");
  }
}

Lines sample_lines(const Observation& seen) {
  Lines lines;
  const auto response = read<v1::SampleResponse>(seen);
  for (const auto& sequence : response.sequences()) {
    const std::string who = seen.name + " " + std::to_string(sequence.index()) + " ";
    std::string tokens;
    for (const auto token : tinsmith::values<std::int32_t>(sequence.tokens())) {
      tokens += (tokens.empty() ? "" : ",") + std::to_string(token);
    }
    const bool stopped = sequence.stop_reason() == v1::STOP_REASON_STOP;
    lines.push_back("sample " + who + (stopped ? "stop " : "length ") +
                    (tokens.empty() ? "-" : tokens));
    lines.push_back("sample_logprobs " + who + sha256(sequence.logprobs().raw()));
  }
  return lines;
}

std::string topk_bytes(const Observation& seen) {
  const auto response = read<v1::SampleResponse>(seen);
  std::string bytes;
  const auto add = [&](const v1::TopkLogprobs& table) {
    bytes += table.token_ids().raw() + table.logprobs().raw();
  };
  add(response.topk_prompt_logprobs());
  for (const auto& sequence : response.sequences()) add(sequence.topk_logprobs());
  return bytes;
}

bool pieces_are_of_the_whole(const Observation& seen) {
  std::map<std::uint32_t, std::vector<std::int32_t>> whole;
  const auto response = read<v1::SampleResponse>(seen);
  for (const auto& sequence : response.sequences()) {
    whole[sequence.index()] = tinsmith::values<std::int32_t>(sequence.tokens());
  }
  for (const auto& partial : seen.partials) {
    v1::SampleResponse part;
    tinsmith::decode(partial.frames, part);
    const std::size_t offset = partial.header.partial_offset();
    for (const auto& piece : part.sequences()) {
      const auto tokens = tinsmith::values<std::int32_t>(piece.tokens());
      const auto& all = whole[piece.index()];
      if (tokens.empty() || offset + tokens.size() > all.size() ||
          !std::equal(tokens.begin(), tokens.end(), all.begin() + offset)) {
        return false;
      }
    }
  }
  return !seen.partials.empty();
}

std::string numerics_of(const Observation& seen, const std::string& name) {
  const auto response = read<v1::CapabilitiesResponse>(seen);
  for (const auto& base : response.models()) {
    if (base.name() == name) return base.numerics_version() + " " + base.precision();
  }
  throw std::runtime_error("no base model " + name);
}

std::string file_of(const Observation& seen, const std::string& name) {
  const auto response = read<v1::ExportCheckpointResponse>(seen);
  for (const auto& file : response.files()) {
    if (file.name() == name) return file.content().raw();
  }
  throw std::runtime_error("no file " + name);
}

}  // namespace

std::string code_name(const v1::ResponseHeader& header) {
  return v1::StatusCode_Name(header.code()).substr(std::strlen("STATUS_CODE_"));
}

std::string sha256(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return "sha256:" + hex(std::string(reinterpret_cast<char*>(digest), sizeof digest));
}

Lines lines(const Observation& seen, const std::string& show) {
  const auto colon = show.find(':');
  const std::string word = show.substr(0, colon);
  const std::string of = colon == std::string::npos ? "" : show.substr(colon + 1);
  const std::string head = word + " " + seen.name + " ";
  if (word == "status") {
    const std::string& field = seen.final.header.field();
    return {head + code_name(seen.final.header) + " " + (field.empty() ? "-" : field)};
  }
  if (word == "loss") return {head + bits(metric_of(seen, "loss:sum"))};
  if (word == "metric") return {head + of + " " + bits(metric_of(seen, of))};
  if (word == "logprobs") return {head + sha256(logprobs_of(seen))};
  if (word == "value") return {head + of + " " + value_of(seen, of)};
  if (word == "payload") return {head + hex(read<v1::PingResponse>(seen).payload().raw())};
  if (word == "numerics") return {head + of + " " + numerics_of(seen, of)};
  if (word == "samples") return sample_lines(seen);
  if (word == "model_logprobs") {
    std::string bytes;
    const auto response = read<v1::SampleResponse>(seen);
    for (const auto& sequence : response.sequences()) bytes += sequence.model_logprobs().raw();
    return {head + sha256(bytes)};
  }
  if (word == "seed") return {head + std::to_string(read<v1::SampleResponse>(seen).seed())};
  if (word == "prompt_logprobs") {
    return {head + sha256(read<v1::SampleResponse>(seen).prompt_logprobs().raw())};
  }
  if (word == "target_logprobs") {
    return {head + sha256(read<v1::SampleResponse>(seen).target_prompt_logprobs().raw())};
  }
  if (word == "topk") return {head + sha256(topk_bytes(seen))};
  if (word == "pieces") return {head + (pieces_are_of_the_whole(seen) ? "yes" : "no")};
  if (word == "file") return {head + of + " " + sha256(file_of(seen, of))};
  if (word == "list") {
    Lines lines;
    const auto response = read<v1::ListCheckpointsResponse>(seen);
    for (const auto& each : response.checkpoints()) {
      lines.push_back("checkpoint " + seen.name + " " + each.path());
    }
    return lines;
  }
  throw std::runtime_error("cannot show " + show);
}

}  // namespace conformance
