#include "bodies.hpp"

#include <google/protobuf/descriptor.h>

#include <cctype>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tinsmith/tensor.hpp"
#include "tinsmith/v1/admin.pb.h"
#include "tinsmith/v1/checkpoints.pb.h"
#include "tinsmith/v1/envelope.pb.h"
#include "tinsmith/v1/sampling.pb.h"
#include "tinsmith/v1/sessions.pb.h"
#include "tinsmith/v1/training.pb.h"

namespace conformance {
namespace {

namespace v1 = tinsmith::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "ForwardBackward" -> "FORWARD_BACKWARD".
std::string upper_snake(const std::string& camel) {
  std::string text;
  for (const char c : camel) {
    if (std::isupper(static_cast<unsigned char>(c)) && !text.empty()) text += '_';
    text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

int enum_number(const google::protobuf::EnumDescriptor* kind, const std::string& name) {
  // The first value of each enum of the schema is PREFIX_UNSPECIFIED.
  std::string prefix = kind->value(0)->name();
  prefix.resize(prefix.size() - std::strlen("UNSPECIFIED"));
  const auto* value = kind->FindValueByName(prefix + upper(name));
  if (!value) throw std::runtime_error("no " + kind->name() + " called " + name);
  return value->number();
}

template <class Element>
void append(std::string& bytes, Element element) {
  bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
}

std::string elements(v1::DType dtype, const json& values) {
  std::string bytes;
  for (const json& value : values) {
    if (dtype == v1::DTYPE_INT64) {
      append(bytes, value.get<std::int64_t>());
    } else if (dtype == v1::DTYPE_INT32) {
      append(bytes, value.get<std::int32_t>());
    } else {
      const float number = value.get<float>();
      std::uint32_t bits;
      std::memcpy(&bits, &number, sizeof bits);
      if (dtype == v1::DTYPE_BFLOAT16) {
        append(bytes, static_cast<std::uint16_t>(bits >> 16));
      } else {
        append(bytes, bits);
      }
    }
  }
  return bytes;
}

v1::Tensor make_tensor(const json& form) {
  v1::Tensor tensor;
  tensor.set_dtype(static_cast<v1::DType>(enum_number(v1::DType_descriptor(), form.at("dtype"))));
  for (const json& dimension : form.at("shape")) tensor.add_shape(dimension);
  const std::string cells = elements(tensor.dtype(), form.at("values"));
  if (form.contains("crow_indices")) {
    auto* sparse = tensor.mutable_sparse();
    sparse->mutable_crow_indices()->set_raw(elements(v1::DTYPE_INT64, form.at("crow_indices")));
    sparse->mutable_col_indices()->set_raw(elements(v1::DTYPE_INT64, form.at("col_indices")));
    sparse->mutable_values()->set_raw(cells);
  } else {
    tensor.set_raw(cells);
  }
  return tensor;
}

// One pair of a list that is written as an object. nlohmann's objects are sorted by key, as asked.
void fill_pair(Message& pair, const std::string& key, const json& value) {
  if (auto* tensor = dynamic_cast<v1::NamedTensor*>(&pair)) {
    tensor->set_name(key);
    *tensor->mutable_tensor() = make_tensor(value);
  } else if (auto* text = dynamic_cast<v1::TextPair*>(&pair)) {
    text->set_key(key);
    text->set_value(value);
  } else if (auto* option = dynamic_cast<v1::LossOption*>(&pair)) {
    option->set_name(key);
    if (value.is_string()) {
      option->set_text(value);
    } else {
      option->set_number(value);
    }
  } else {
    throw std::runtime_error("a list of " + pair.GetDescriptor()->name() + " is no object");
  }
}

void set_scalar(Message& message, const FieldDescriptor* field, const json& value) {
  const auto* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(&message, field, value);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(&message, field, value);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(&message, field, value);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(&message, field, value);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(&message, field, value);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(&message, field, value);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(&message, field, value);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(&message, field, enum_number(field->enum_type(), value));
    default:
      throw std::runtime_error("cannot set " + field->full_name());
  }
}

void fill_list(Message& message, const FieldDescriptor* field, const json& value,
               const json& data) {
  const auto* reflection = message.GetReflection();
  if (value.is_object()) {
    for (const auto& [key, each] : value.items()) {
      fill_pair(*reflection->AddMessage(&message, field), key, each);
    }
    return;
  }
  for (const json& each : value.is_string() ? data.at(value.get<std::string>()) : value) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      fill(*reflection->AddMessage(&message, field), each, data);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection->AddString(&message, field, each);
    } else {
      throw std::runtime_error("cannot list " + field->full_name());
    }
  }
}

}  // namespace

Method find_method(const std::string& name) {
  const auto dot = name.find('.');
  const std::string service = name.substr(0, dot), rpc = name.substr(dot + 1);
  // By way of one message of each file: what nothing refers to is not linked.
  static const google::protobuf::FileDescriptor* const files[] = {
      v1::CapabilitiesRequest::descriptor()->file(), v1::Checkpoint::descriptor()->file(),
      v1::SampleRequest::descriptor()->file(), v1::CreateSessionRequest::descriptor()->file(),
      v1::Datum::descriptor()->file()};
  const google::protobuf::MethodDescriptor* method = nullptr;
  for (const auto* file : files) {
    const auto* found = file->FindServiceByName(service);
    if (found) method = found->FindMethodByName(rpc);
  }
  v1::Method number;
  if (!method ||
      !v1::Method_Parse("METHOD_" + upper_snake(service) + "_" + upper_snake(rpc), &number)) {
    throw std::runtime_error("no method " + name);
  }
  return {number, method->input_type(), method->output_type()};
}

std::unique_ptr<Message> make_message(const google::protobuf::Descriptor* kind) {
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  return std::unique_ptr<Message>(factory->GetPrototype(kind)->New());
}

void fill(Message& message, const json& body, const json& data) {
  if (auto* input = dynamic_cast<v1::ModelInput*>(&message)) {
    *input = tinsmith::model_input(body.get<std::vector<std::int32_t>>());
  } else if (auto* tensor = dynamic_cast<v1::Tensor*>(&message)) {
    *tensor = make_tensor(body);
  } else if (auto* blob = dynamic_cast<v1::Blob*>(&message)) {
    blob->set_raw(unhex(body));
  } else if (auto* tokens = dynamic_cast<v1::StopTokens*>(&message)) {
    for (const json& id : body) tokens->add_ids(id);
  } else if (auto* texts = dynamic_cast<v1::StopStrings*>(&message)) {
    for (const json& text : body) texts->add_values(text);
  } else {
    for (const auto& [name, value] : body.items()) {
      const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
      if (!field) throw std::runtime_error(message.GetDescriptor()->name() + " has no " + name);
      if (field->is_repeated()) {
        fill_list(message, field, value, data);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        fill(*message.GetReflection()->MutableMessage(&message, field), value, data);
      } else {
        set_scalar(message, field, value);
      }
    }
  }
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace conformance
