// Request messages from the JSON form of Tests/Conformance/README.md.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace conformance {

using nlohmann::json;

/// Request and response message of a method named "Service.Rpc", and its number.
struct Method {
  int number = 0;
  const google::protobuf::Descriptor* request = nullptr;
  const google::protobuf::Descriptor* response = nullptr;
};

/// Throws std::runtime_error if there is no such method.
Method find_method(const std::string& name);

/// An empty message of this kind.
std::unique_ptr<google::protobuf::Message> make_message(const google::protobuf::Descriptor* kind);

/// Sets the fields of `message` that `body` gives. `data` has the datums that bodies refer to by
/// name. Throws std::runtime_error on what it does not know.
void fill(google::protobuf::Message& message, const json& body, const json& data);

/// The bytes that this hex text stands for.
std::string unhex(const std::string& hex);

}  // namespace conformance
