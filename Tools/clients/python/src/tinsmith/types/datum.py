"""One training example."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinsmith.types.model_input import EncodedTextChunk, ModelInput
from tinsmith.types.tensor_data import TensorData, TensorDtype
from tinsmith.types.value import Value

LossFnInputs = dict[str, TensorData]

_DTYPE_OF_LIST: dict[str, TensorDtype] = {
    "target_tokens": "int64",
    "weights": "float32",
    "advantages": "float32",
    "logprobs": "float32",
    "sequence_ratio_mask": "float32",
}
_MAY_BE_SPARSE = ("target_tokens", "weights")


@dataclass(frozen=True)
class Datum(Value):
    """What the model reads, and the inputs of the loss at each position.

    `loss_fn_inputs` may be given as tensors, numpy arrays, torch tensors or lists; they become
    `TensorData`. `target_tokens` has the token that should follow each position: the caller shifts.

    Raises:
        ValueError: an input cannot be made a tensor.
    """

    model_input: ModelInput
    loss_fn_inputs: LossFnInputs = field(default_factory=dict)

    def __init__(self, model_input: ModelInput, loss_fn_inputs: Mapping[str, Any]) -> None:
        object.__setattr__(self, "model_input", model_input)
        inputs = {name: _tensor(name, value) for name, value in loss_fn_inputs.items()}
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
        raise ValueError(f"loss_fn_inputs[{name}]: give a TensorData, to say of which dtype it is")
    dtype = _DTYPE_OF_LIST[name]
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"loss_fn_inputs[{name}]: {error}") from error
    if array.size and array.dtype.kind not in "fiub":
        raise ValueError(f"loss_fn_inputs[{name}]: not numbers")
    return TensorData(array.astype(dtype), dtype)
