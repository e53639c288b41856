"""Numbers with a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tinsmith._optional import optional

if TYPE_CHECKING:
    import torch

TensorDtype = Literal["float32", "int64", "int32"]

_NUMPY: dict[str, npt.DTypeLike] = {"float32": np.float32, "int64": np.int64, "int32": np.int32}


def _integers(values: Sequence[int] | None) -> list[int] | None:
    return None if values is None else [int(value) for value in values]


class TensorData:
    """An input or an output of a loss function: dense, or as compressed sparse rows.

    Args:
        data: the numbers in row-major order; of a sparse tensor only the cells that are stored.
        dtype: `float32`, `int64` or `int32`.
        shape: dimensions; a vector if absent. Needed for a sparse tensor.
        sparse_crow_indices: where each row's cells begin, and their number (rows + 1).
        sparse_col_indices: the column of each cell, increasing within a row.

    Raises:
        ValueError: the parts do not fit together.
    """

    __slots__ = ("_array", "dtype", "shape", "sparse_col_indices", "sparse_crow_indices")

    def __init__(
        self,
        data: Sequence[float] | npt.NDArray[Any] | None = None,
        dtype: TensorDtype | None = None,
        shape: Sequence[int] | None = None,
        sparse_crow_indices: Sequence[int] | None = None,
        sparse_col_indices: Sequence[int] | None = None,
    ) -> None:
        if dtype not in _NUMPY:
            raise ValueError(f"dtype {dtype!r} is not one of {', '.join(_NUMPY)}")
        # A copy: what the caller does with its array later is not the tensor's business.
        array = np.array([] if data is None else data, dtype=_NUMPY[dtype])
        if (sparse_crow_indices is None) != (sparse_col_indices is None):
            raise ValueError(
                "a sparse tensor needs both sparse_crow_indices and sparse_col_indices"
            )
        if sparse_crow_indices is None:
            if shape is not None and list(array.shape) != list(shape):
                array = array.reshape(shape)
            shape = array.shape
        elif shape is None or len(shape) != 2:
            raise ValueError("a sparse tensor needs a shape of two dimensions")
        self.dtype: TensorDtype = dtype
        self.shape: list[int] = [int(n) for n in shape]
        self.sparse_crow_indices = _integers(sparse_crow_indices)
        self.sparse_col_indices = _integers(sparse_col_indices)
        self._array = array

    def model_dump(self, *, mode: str = "python", exclude_none: bool = False) -> dict[str, Any]:
        """The parts by name; the numbers as a flat list. As `Value.model_dump`."""
        parts = {"data": self.data, "dtype": self.dtype, "shape": list(self.shape)}
        sparse = {
            "sparse_crow_indices": self.sparse_crow_indices,
            "sparse_col_indices": self.sparse_col_indices,
        }
        return parts if exclude_none and not self.is_sparse else parts | sparse

    def copy(self) -> TensorData:
        """The same numbers in memory of their own."""
        return TensorData(
            self._array, self.dtype, self.shape, self.sparse_crow_indices, self.sparse_col_indices
        )

    @classmethod
    def from_numpy(cls, array: npt.NDArray[Any]) -> TensorData:
        """A dense tensor; other float types become float32, other integers and bools int64."""
        if array.dtype.kind == "f":
            return cls(array, "float32")
        if array.dtype.kind in "iub":
            return cls(array, "int32" if array.dtype == np.int32 else "int64")
        raise ValueError(f"no tensor can be made of an array of {array.dtype}")

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> TensorData:
        """A dense tensor; other float types become float32, other integers int64."""
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.float()
        return cls.from_numpy(tensor.numpy())

    @classmethod
    def from_torch_sparse(cls, tensor: torch.Tensor, pad_value: float = 0) -> TensorData:
        """As `from_torch`; a matrix is stored sparsely where that is smaller.

        Cells of `pad_value` are left out: 0 in loss inputs, -1 in `target_prompt_logprobs`.
        """
        dense = cls.from_torch(tensor)
        return dense._sparse(pad_value) if len(dense.shape) == 2 else dense

    def _sparse(self, pad_value: float) -> TensorData:
        rows, columns = np.nonzero(self._array != pad_value)
        if 2 * len(columns) + self.shape[0] + 1 >= self._array.size:
            return self
        starts = np.searchsorted(rows, np.arange(self.shape[0] + 1))
        return TensorData(
            self._array[rows, columns], self.dtype, self.shape, starts.tolist(), columns.tolist()
        )

    def with_values(self, values: npt.NDArray[Any]) -> TensorData:
        """Other numbers in the same cells."""
        return (
            TensorData.from_numpy(values)
            if not self.is_sparse
            else TensorData(
                values,
                "float32" if values.dtype.kind == "f" else self.dtype,
                self.shape,
                self.sparse_crow_indices,
                self.sparse_col_indices,
            )
        )

    @property
    def is_sparse(self) -> bool:
        """Whether only some cells are stored."""
        return self.sparse_crow_indices is not None

    @property
    def data(self) -> list[Any]:
        """The stored numbers as a flat list."""
        return self._array.reshape(-1).tolist()

    @property
    def values(self) -> npt.NDArray[Any]:
        """The stored numbers: all of a dense tensor, the cells of a sparse one."""
        return self._array

    def to_numpy(self) -> npt.NDArray[Any]:
        """All elements; cells that are not stored are 0."""
        if self.sparse_crow_indices is None or self.sparse_col_indices is None:
            return self._array
        dense = np.zeros(self.shape, self._array.dtype)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.sparse_crow_indices))
        dense[rows, np.asarray(self.sparse_col_indices, dtype=np.intp)] = self._array
        return dense

    def to_torch(self) -> torch.Tensor:
        """All elements as a torch tensor.

        Raises:
            ImportError: torch is not installed.
        """
        from_numpy = optional("torch", "to_torch").from_numpy
        array = self.to_numpy()
        return from_numpy(array if array.flags.writeable else array.copy())

    def tolist(self) -> Any:
        """All elements as nested lists."""
        return self.to_numpy().tolist()

    @property
    def byte_count(self) -> int:
        """Bytes on the wire."""
        size = self._array.nbytes
        if self.sparse_crow_indices is not None and self.sparse_col_indices is not None:
            size += 8 * (len(self.sparse_crow_indices) + len(self.sparse_col_indices))
        return size

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 1

    def __repr__(self) -> str:
        kind = ", sparse" if self.is_sparse else ""
        return f"TensorData({self.data}, dtype={self.dtype!r}, shape={self.shape}{kind})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorData):
            return NotImplemented
        return (
            self.dtype == other.dtype
            and self.shape == other.shape
            and np.array_equal(self.to_numpy(), other.to_numpy(), equal_nan=self.dtype == "float32")
        )

    __hash__ = None  # type: ignore[assignment]
