// Messages and the frames behind a header: the body, then its attachments.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <string>
#include <vector>

namespace tinsmith {

/// The encoded message and, behind it, one frame for each attachment.
using Frames = std::vector<std::string>;

/// Bytes of a tensor, token list or blob from which on it travels as an attachment.
constexpr std::size_t kAttachFrom = 1025;

/// Encodes `message`; tensors, token lists and blobs of at least `attach_from` bytes become
/// attachments, in the order in which the body names them. Consumes the message's payloads.
Frames encode(google::protobuf::Message&& message, std::size_t attach_from = kAttachFrom);

/// Decodes `frames` into `message`, with the attachments put inline, so that readers meet `raw`
/// alone. Throws std::invalid_argument if the body is no such message, or does not name each
/// attachment exactly once.
void decode(Frames frames, google::protobuf::Message& message);

}  // namespace tinsmith
