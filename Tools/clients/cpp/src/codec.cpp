#include "tinsmith/codec.hpp"

#include <google/protobuf/descriptor.h>

#include <stdexcept>
#include <utility>

namespace tinsmith {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Calls visit(message, raw, attachment) for each message inside of `message` that holds bytes
// here or in an attachment, in the order of the encoding. Tensor, EncodedText and Blob are those
// that have these two fields.
template <class Visit>
void for_each_payload(Message& message, const Visit& visit) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  const FieldDescriptor* raw = descriptor->FindFieldByName("raw");
  const FieldDescriptor* attachment = descriptor->FindFieldByName("attachment");
  if (raw && attachment) visit(message, raw, attachment);

  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      for_each_payload(*reflection->MutableMessage(&message, field), visit);
      continue;
    }
    const int count = reflection->FieldSize(message, field);
    for (int i = 0; i < count; i++) {
      for_each_payload(*reflection->MutableRepeatedMessage(&message, field, i), visit);
    }
  }
}

}  // namespace

Frames encode(Message&& message, std::size_t attach_from) {
  Frames frames(1);
  for_each_payload(message, [&](Message& holder, const auto* raw, const auto* attachment) {
    const auto* reflection = holder.GetReflection();
    if (!reflection->HasField(holder, raw)) return;
    std::string scratch;
    const std::string& bytes = reflection->GetStringReference(holder, raw, &scratch);
    if (bytes.size() < attach_from) return;
    const auto index = static_cast<std::uint32_t>(frames.size() - 1);
    frames.push_back(bytes);
    reflection->SetUInt32(&holder, attachment, index);
  });
  message.SerializeToString(&frames[0]);
  return frames;
}

void decode(Frames frames, Message& message) {
  const std::string name = message.GetDescriptor()->name();
  // An empty body may be left out.
  if (frames.empty()) frames.emplace_back();
  if (!message.ParseFromString(frames[0])) throw std::invalid_argument("body is no " + name);

  std::vector<bool> named(frames.size() - 1);
  for_each_payload(message, [&](Message& holder, const auto* raw, const auto* attachment) {
    const auto* reflection = holder.GetReflection();
    if (!reflection->HasField(holder, attachment)) return;
    const std::size_t index = reflection->GetUInt32(holder, attachment);
    if (index >= named.size() || named[index]) {
      throw std::invalid_argument(name + " names attachment " + std::to_string(index) +
                                  (index < named.size() ? " twice" : ", which is not there"));
    }
    named[index] = true;
    reflection->SetString(&holder, raw, std::move(frames[index + 1]));
  });
  for (std::size_t index = 0; index < named.size(); index++) {
    if (!named[index]) {
      throw std::invalid_argument(name + " does not name attachment " + std::to_string(index));
    }
  }
}

}  // namespace tinsmith
