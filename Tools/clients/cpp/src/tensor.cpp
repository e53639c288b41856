#include "tinsmith/tensor.hpp"

#include <cstring>
#include <stdexcept>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire's numbers are little-endian");

namespace tinsmith {
namespace {

template <class Element>
constexpr v1::DType dtype_of();
template <>
constexpr v1::DType dtype_of<float>() {
  return v1::DTYPE_FLOAT32;
}
template <>
constexpr v1::DType dtype_of<std::int64_t>() {
  return v1::DTYPE_INT64;
}
template <>
constexpr v1::DType dtype_of<std::int32_t>() {
  return v1::DTYPE_INT32;
}

template <class Element>
std::string bytes_of(const std::vector<Element>& elements) {
  return std::string(reinterpret_cast<const char*>(elements.data()),
                     elements.size() * sizeof(Element));
}

// Whether `bytes` are as many elements of `size` bytes as the shape says. Dividing instead of
// multiplying cannot overflow, whatever the shape claims.
template <class Shape>
bool fits(std::size_t bytes, std::size_t size, const Shape& shape) {
  if (bytes % size != 0) return false;
  std::uint64_t elements = bytes / size;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return false;
    if (dimension == 0) return bytes == 0;
  }
  for (const std::int64_t dimension : shape) {
    if (elements % static_cast<std::uint64_t>(dimension) != 0) return false;
    elements /= static_cast<std::uint64_t>(dimension);
  }
  return elements == 1;
}

}  // namespace

template <class Element>
v1::Tensor tensor(const std::vector<Element>& elements, std::vector<std::int64_t> shape) {
  if (!fits(elements.size() * sizeof(Element), sizeof(Element), shape)) {
    throw std::invalid_argument("tensor of " + std::to_string(elements.size()) +
                                " elements has another shape");
  }
  v1::Tensor tensor;
  tensor.set_dtype(dtype_of<Element>());
  tensor.mutable_shape()->Add(shape.begin(), shape.end());
  tensor.set_raw(bytes_of(elements));
  return tensor;
}

template <class Element>
std::vector<Element> values(const v1::Tensor& tensor) {
  const std::string& bytes = tensor.raw();
  if (tensor.dtype() != dtype_of<Element>()) {
    throw std::invalid_argument("tensor is of type " + std::to_string(tensor.dtype()));
  }
  if (!fits(bytes.size(), sizeof(Element), tensor.shape())) {
    throw std::invalid_argument("tensor has other bytes than its shape says");
  }
  std::vector<Element> elements(bytes.size() / sizeof(Element));
  if (!bytes.empty()) std::memcpy(elements.data(), bytes.data(), bytes.size());
  return elements;
}

template v1::Tensor tensor(const std::vector<float>&, std::vector<std::int64_t>);
template v1::Tensor tensor(const std::vector<std::int64_t>&, std::vector<std::int64_t>);
template v1::Tensor tensor(const std::vector<std::int32_t>&, std::vector<std::int64_t>);
template std::vector<float> values(const v1::Tensor&);
template std::vector<std::int64_t> values(const v1::Tensor&);
template std::vector<std::int32_t> values(const v1::Tensor&);

v1::ModelInput model_input(const std::vector<std::int32_t>& tokens) {
  v1::ModelInput input;
  input.add_chunks()->mutable_encoded_text()->set_raw(bytes_of(tokens));
  return input;
}

std::uint64_t token_count(const v1::ModelInput& input) {
  std::uint64_t bytes = 0;
  for (const auto& chunk : input.chunks()) bytes += chunk.encoded_text().raw().size();
  return bytes / sizeof(std::int32_t);
}

v1::Datum datum(const std::vector<std::int32_t>& tokens,
                std::vector<std::pair<std::string, v1::Tensor>> loss_fn_inputs) {
  v1::Datum datum;
  *datum.mutable_model_input() = model_input(tokens);
  for (auto& [name, tensor] : loss_fn_inputs) {
    auto* input = datum.add_loss_fn_inputs();
    input->set_name(name);
    *input->mutable_tensor() = std::move(tensor);
  }
  return datum;
}

double metric(const google::protobuf::RepeatedPtrField<v1::NamedNumber>& metrics,
              const std::string& name) {
  for (const auto& each : metrics) {
    if (each.name() == name) return each.value();
  }
  throw std::out_of_range("no metric " + name);
}

}  // namespace tinsmith
