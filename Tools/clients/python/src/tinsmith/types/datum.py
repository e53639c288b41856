"""One training example."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinsmith._arguments import instance, mapping, only
from tinsmith.errors import InvalidArgumentError
from tinsmith.types.model_input import EncodedTextChunk, ModelInput
from tinsmith.types.tensor_data import TensorData, TensorDtype
from tinsmith.types.value import Value

LossFnInputs = dict[str, TensorData]

_DTYPE_OF_LIST: dict[str, TensorDtype] = {
    "target_tokens": "int64",
    "weights": "float32",
    "advantages": "float32",
    "logprobs": "float32",
    "clip_low_threshold": "float32",
    "clip_high_threshold": "float32",
    "sequence_ratio_mask": "float32",
}
_MAY_BE_SPARSE = ("target_tokens", "weights")
_NO_SPANS = "no loss of this service reads where tokens come from"


@dataclass(frozen=True)
class Datum(Value):
    """What the model reads, and the inputs of the loss at each position.

    `loss_fn_inputs` may be given as tensors, numpy arrays, torch tensors or lists; they become
    `TensorData`. `target_tokens` has the token that should follow each position: the caller shifts.

    Raises:
        InvalidArgumentError: an input cannot be made a tensor, or has provenance
            (`model_input_spans`, `loss_fn_input_spans`), which no loss of this service reads.
    """

    model_input: ModelInput
    loss_fn_inputs: LossFnInputs = field(default_factory=dict)

    def __init__(
        self,
        model_input: ModelInput,
        loss_fn_inputs: Mapping[str, Any] | None = None,
        model_input_spans: None = None,
        loss_fn_input_spans: None = None,
    ) -> None:
        only(None, model_input_spans, "model_input_spans", _NO_SPANS)
        only(None, loss_fn_input_spans, "loss_fn_input_spans", _NO_SPANS)
        object.__setattr__(self, "model_input", instance(model_input, ModelInput, "model_input"))
        given = {} if loss_fn_inputs is None else mapping(loss_fn_inputs, "loss_fn_inputs")
        inputs = {name: _tensor(name, value) for name, value in given.items()}
        object.__setattr__(self, "loss_fn_inputs", inputs)

    @property
    def byte_count(self) -> int:
        """Bytes on the wire, estimated: four for each token, and those of the tensors."""
        chunks = self.model_input.chunks
        tokens = sum(chunk.length for chunk in chunks if isinstance(chunk, EncodedTextChunk))
        return 4 * tokens + sum(tensor.byte_count for tensor in self.loss_fn_inputs.values())

    def copy(self) -> Datum:
        """The same example in memory of its own: nothing that is changed later changes it."""
        return Datum(
            ModelInput([chunk.model_copy() for chunk in self.model_input.chunks]),
            {name: tensor.copy() for name, tensor in self.loss_fn_inputs.items()},
        )


def _tensor(name: str, value: Any) -> TensorData:
    """An input of a loss; a list is of the type that its name says.

    Raises:
        InvalidArgumentError: it cannot be made one, or has floats for tokens.
    """
    field = f"loss_fn_inputs[{name}]"
    try:
        tensor = _convert(name, value)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(error.message, field) from error
    if name == "target_tokens" and tensor.dtype == "float32" and tensor.values.size:
        raise InvalidArgumentError("token ids are whole numbers from 0, not floats", field)
    return tensor


def _convert(name: str, value: Any) -> TensorData:
    if isinstance(value, TensorData):
        return value
    torch = sys.modules.get("torch")  # Whoever has a torch tensor has imported it.
    if torch is not None and isinstance(value, torch.Tensor):
        return (
            TensorData.from_torch_sparse(value)
            if name in _MAY_BE_SPARSE
            else TensorData.from_torch(value)
        )
    if isinstance(value, np.ndarray):
        return TensorData.from_numpy(value)
    if name not in _DTYPE_OF_LIST:
        raise InvalidArgumentError("give a TensorData, to say of which dtype it is", "data")
    if value is None:
        raise InvalidArgumentError("must not be None", "data")
    return TensorData(value, _DTYPE_OF_LIST[name])
