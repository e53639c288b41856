#include "tinsmith/status.hpp"

#include <utility>

namespace tinsmith {
namespace {

std::string describe(v1::StatusCode code, const std::string& message, const std::string& field) {
  static const std::string prefix = "STATUS_CODE_";
  std::string text = v1::StatusCode_Name(code).substr(prefix.size());
  if (!field.empty()) text += " (" + field + ")";
  if (!message.empty()) text += ": " + message;
  return text;
}

template <v1::StatusCode Code>
std::exception_ptr make(const v1::ResponseHeader& header) {
  return std::make_exception_ptr(CodedError<Code>(header.message(), header.field()));
}

}  // namespace

StatusError::StatusError(v1::StatusCode code, const std::string& message, std::string field)
    : std::runtime_error(describe(code, message, field)), code_(code), field_(std::move(field)) {}

std::exception_ptr error_of(const v1::ResponseHeader& header) {
  switch (header.code()) {
    case v1::STATUS_CODE_CANCELLED:
      return make<v1::STATUS_CODE_CANCELLED>(header);
    case v1::STATUS_CODE_INVALID_ARGUMENT:
      return make<v1::STATUS_CODE_INVALID_ARGUMENT>(header);
    case v1::STATUS_CODE_DEADLINE_EXCEEDED:
      return make<v1::STATUS_CODE_DEADLINE_EXCEEDED>(header);
    case v1::STATUS_CODE_NOT_FOUND:
      return make<v1::STATUS_CODE_NOT_FOUND>(header);
    case v1::STATUS_CODE_ALREADY_EXISTS:
      return make<v1::STATUS_CODE_ALREADY_EXISTS>(header);
    case v1::STATUS_CODE_PERMISSION_DENIED:
      return make<v1::STATUS_CODE_PERMISSION_DENIED>(header);
    case v1::STATUS_CODE_RESOURCE_EXHAUSTED:
      return make<v1::STATUS_CODE_RESOURCE_EXHAUSTED>(header);
    case v1::STATUS_CODE_FAILED_PRECONDITION:
      return make<v1::STATUS_CODE_FAILED_PRECONDITION>(header);
    case v1::STATUS_CODE_ABORTED:
      return make<v1::STATUS_CODE_ABORTED>(header);
    case v1::STATUS_CODE_UNIMPLEMENTED:
      return make<v1::STATUS_CODE_UNIMPLEMENTED>(header);
    case v1::STATUS_CODE_INTERNAL:
      return make<v1::STATUS_CODE_INTERNAL>(header);
    case v1::STATUS_CODE_UNAVAILABLE:
      return make<v1::STATUS_CODE_UNAVAILABLE>(header);
    case v1::STATUS_CODE_DATA_LOSS:
      return make<v1::STATUS_CODE_DATA_LOSS>(header);
    case v1::STATUS_CODE_UNAUTHENTICATED:
      return make<v1::STATUS_CODE_UNAUTHENTICATED>(header);
    default:
      return make<v1::STATUS_CODE_UNKNOWN>(header);
  }
}

}  // namespace tinsmith
