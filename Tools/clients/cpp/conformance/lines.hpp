// The lines that a client prints about what it observed.
#pragma once

#include <string>
#include <vector>

#include "bodies.hpp"
#include "tinsmith/connection.hpp"

namespace conformance {

/// A FINAL answer and the PARTIAL ones before it, under the name of their request.
struct Observation {
  std::string name;
  tinsmith::Response final;
  std::vector<tinsmith::Response> partials;
  /// Kind of the response message; null for methods that do not exist.
  const google::protobuf::Descriptor* kind = nullptr;
};

/// The lines of one word of `show`, without newlines; `same:OTHER` and `count` need more than one
/// answer and are the runner's. Throws std::runtime_error if the answer lacks what is to be shown.
std::vector<std::string> lines(const Observation& seen, const std::string& show);

/// Name of a status code without its prefix.
std::string code_name(const tinsmith::v1::ResponseHeader& header);

/// "sha256:" and 64 hex digits.
std::string sha256(const std::string& bytes);

}  // namespace conformance
