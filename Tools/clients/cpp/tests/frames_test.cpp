// The golden frames of Tests/Conformance: what is valid decodes to the value that is given with it
// and encodes to the same bytes; what is no protobuf is refused.
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>

#include "tinsmith/codec.hpp"
#include "tinsmith/v1/admin.pb.h"
#include "tinsmith/v1/checkpoints.pb.h"
#include "tinsmith/v1/envelope.pb.h"
#include "tinsmith/v1/futures.pb.h"
#include "tinsmith/v1/sampling.pb.h"
#include "tinsmith/v1/sessions.pb.h"
#include "tinsmith/v1/training.pb.h"

namespace {

namespace pb = google::protobuf;
namespace v1 = tinsmith::v1;
using nlohmann::json;

std::unique_ptr<pb::Message> make_message(const std::string& name) {
  // By way of one message of each file: what nothing refers to is not linked.
  static const pb::FileDescriptor* const files[] = {v1::CapabilitiesRequest::descriptor()->file(),
                                                    v1::Checkpoint::descriptor()->file(),
                                                    v1::RequestHeader::descriptor()->file(),
                                                    v1::AwaitFutureRequest::descriptor()->file(),
                                                    v1::SampleRequest::descriptor()->file(),
                                                    v1::CreateSessionRequest::descriptor()->file(),
                                                    v1::Datum::descriptor()->file()};
  for (const auto* file : files) {
    const auto* kind = file->FindMessageTypeByName(name);
    if (!kind) continue;
    auto* factory = pb::MessageFactory::generated_factory();
    return std::unique_ptr<pb::Message>(factory->GetPrototype(kind)->New());
  }
  throw std::runtime_error("no message " + name);
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

tinsmith::Frames frames_of(const json& test) {
  tinsmith::Frames frames;
  for (const json& frame : test.at("frames")) frames.push_back(unhex(frame));
  return frames;
}

// Whether body and attachments belong together.
bool is_whole(const json& test) {
  try {
    tinsmith::decode(frames_of(test), *make_message(test.at("message")));
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

json to_json(const pb::Message& message) {
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!pb::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  return json::parse(text);
}

// What is wrong with a valid case; empty if nothing is.
std::string check_valid(const json& test) {
  const std::string frame = frames_of(test).at(0);
  if (!is_whole(test)) return "has other attachments";
  auto decoded = make_message(test.at("message"));
  if (!decoded->ParseFromString(frame)) return "is not decoded";
  if (to_json(*decoded) != test.at("json")) return "decodes to " + to_json(*decoded).dump();
  if (!test.at("canonical").get<bool>()) return "";
  if (decoded->SerializeAsString() != frame) return "is not encoded as it was decoded";

  auto built = make_message(test.at("message"));
  if (!pb::util::JsonStringToMessage(test.at("json").dump(), built.get()).ok()) {
    return "is not read from JSON";
  }
  // Unknown fields are not in the JSON.
  decoded->DiscardUnknownFields();
  if (built->SerializeAsString() != decoded->SerializeAsString()) return "is encoded otherwise";
  return "";
}

std::string check_invalid(const json& test) {
  static const std::set<std::string> kWrongAttachments = {"attachment_missing", "attachment_index",
                                                          "attachment_unnamed", "attachment_twice",
                                                          "ping_attachment_missing"};
  const bool reads = make_message(test.at("message"))->ParseFromString(frames_of(test).at(0));
  if (reads != (test.at("protobuf") == "reads")) return reads ? "is decoded" : "is not decoded";
  if (kWrongAttachments.count(test.at("name")) > 0 && is_whole(test)) return "is taken as whole";
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: frames_test <frames.json>\n";
    return 2;
  }
  std::ifstream file(argv[1]);
  const json frames = json::parse(file);
  int failures = 0;
  for (const char* kind : {"valid", "invalid"}) {
    for (const json& test : frames.at(kind)) {
      const std::string wrong =
          kind == std::string("valid") ? check_valid(test) : check_invalid(test);
      if (wrong.empty()) continue;
      std::cerr << kind << " " << test.at("name") << " " << wrong << "\n";
      failures++;
    }
  }
  std::cout << frames.at("valid").size() << " valid and " << frames.at("invalid").size()
            << " invalid frames, " << failures << " failures\n";
  return failures == 0 ? 0 : 1;
}
