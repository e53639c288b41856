// Errors of requests: one class for each status code, all of them StatusError.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "tinsmith/v1/envelope.pb.h"
#include "tinsmith/v1/status.pb.h"

namespace tinsmith {

/// A request that did not end with OK. Futures throw it from get(), as the class of its code.
class StatusError : public std::runtime_error {
 public:
  StatusError(v1::StatusCode code, const std::string& message, std::string field);

  /// The status code.
  v1::StatusCode code() const noexcept { return code_; }
  /// Path of the field of the request that was wrong, e.g. "data[3].model_input"; may be empty.
  const std::string& field() const noexcept { return field_; }

 private:
  v1::StatusCode code_;
  std::string field_;
};

/// The StatusError of one code.
template <v1::StatusCode Code>
class CodedError : public StatusError {
 public:
  CodedError(const std::string& message, std::string field)
      : StatusError(Code, message, std::move(field)) {}
};

using Cancelled = CodedError<v1::STATUS_CODE_CANCELLED>;
/// Also codes that this client has no name for.
using Unknown = CodedError<v1::STATUS_CODE_UNKNOWN>;
using InvalidArgument = CodedError<v1::STATUS_CODE_INVALID_ARGUMENT>;
using DeadlineExceeded = CodedError<v1::STATUS_CODE_DEADLINE_EXCEEDED>;
using NotFound = CodedError<v1::STATUS_CODE_NOT_FOUND>;
using AlreadyExists = CodedError<v1::STATUS_CODE_ALREADY_EXISTS>;
using PermissionDenied = CodedError<v1::STATUS_CODE_PERMISSION_DENIED>;
using ResourceExhausted = CodedError<v1::STATUS_CODE_RESOURCE_EXHAUSTED>;
using FailedPrecondition = CodedError<v1::STATUS_CODE_FAILED_PRECONDITION>;
using Aborted = CodedError<v1::STATUS_CODE_ABORTED>;
using Unimplemented = CodedError<v1::STATUS_CODE_UNIMPLEMENTED>;
using Internal = CodedError<v1::STATUS_CODE_INTERNAL>;
using Unavailable = CodedError<v1::STATUS_CODE_UNAVAILABLE>;
using DataLoss = CodedError<v1::STATUS_CODE_DATA_LOSS>;
using Unauthenticated = CodedError<v1::STATUS_CODE_UNAUTHENTICATED>;

/// The error that a response header reports, as an instance of its code's class.
std::exception_ptr error_of(const v1::ResponseHeader& header);

}  // namespace tinsmith
