// Making and reading the values of messages: tensors, model inputs, datums, metrics.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tinsmith/v1/tensor.pb.h"
#include "tinsmith/v1/training.pb.h"

namespace tinsmith {

/// A tensor of these elements, row-major: float32, int64 or int32 by their type. Without a shape it
/// has one dimension. Throws std::invalid_argument if the shape has another number of elements.
template <class Element>
v1::Tensor tensor(const std::vector<Element>& elements, std::vector<std::int64_t> shape);
template <class Element>
v1::Tensor tensor(const std::vector<Element>& elements) {
  return tensor(elements, {static_cast<std::int64_t>(elements.size())});
}

/// The elements of a tensor of the service, row-major. Throws std::invalid_argument if it is of
/// another type than `Element` (float, std::int64_t or std::int32_t), or does not have the bytes
/// that its shape says.
template <class Element>
std::vector<Element> values(const v1::Tensor& tensor);

/// Token ids as the input of a model.
v1::ModelInput model_input(const std::vector<std::int32_t>& tokens);

/// How many tokens an input has.
std::uint64_t token_count(const v1::ModelInput& input);

/// A training example: the tokens that the model reads, and the inputs of the loss by name, e.g.
/// {{"target_tokens", tensor(targets)}, {"weights", tensor(weights)}}.
v1::Datum datum(const std::vector<std::int32_t>& tokens,
                std::vector<std::pair<std::string, v1::Tensor>> loss_fn_inputs);

/// The metric of this name, e.g. "loss:sum". Throws std::out_of_range if there is none.
double metric(const google::protobuf::RepeatedPtrField<v1::NamedNumber>& metrics,
              const std::string& name);

}  // namespace tinsmith
