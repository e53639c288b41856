"""Numbers with a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tinsmith._arguments import refused, whole
from tinsmith._optional import optional
from tinsmith.errors import InvalidArgumentError

if TYPE_CHECKING:
    import torch

TensorDtype = Literal["float32", "int64", "int32"]

_NUMPY: dict[str, npt.DTypeLike] = {"float32": np.float32, "int64": np.int64, "int32": np.int32}


def numbers(values: Any, dtype: TensorDtype, field: str) -> npt.NDArray[Any]:
    """A copy of numbers as an array; also of a torch tensor's, without their gradient.

    Raises:
        InvalidArgumentError: they are none, have no shape, or are floats or too large for integers:
            what would have to be cut is refused, as a model's input refuses it.
    """
    try:
        if hasattr(values, "detach"):
            values = _from_torch(values, field)
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidArgumentError(f"cannot be made an array: {error}", field) from error
    if array.size == 0:  # Nothing tells of what kind.
        return np.empty(array.shape, _NUMPY[dtype])
    if array.dtype.kind not in "fiubV":  # V is how numpy sees bfloat16.
        raise InvalidArgumentError("not numbers", field)
    if dtype != "float32":
        if array.dtype.kind not in "iub":
            raise refused(f"whole numbers for {dtype}", values, field)
        limits = np.iinfo(dtype)
        if not np.can_cast(array.dtype, dtype) and not (
            limits.min <= int(array.min()) and int(array.max()) <= limits.max
        ):
            raise refused(f"numbers of {dtype}", values, field)
    try:
        return array.astype(_NUMPY[dtype])
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"not numbers: {error}", field) from error


def _from_torch(tensor: torch.Tensor, field: str) -> npt.NDArray[Any]:
    if not hasattr(tensor, "detach"):
        raise refused("a torch tensor", tensor, field)
    tensor = tensor.detach().cpu()
    if str(tensor.layout) != "torch.strided":
        raise InvalidArgumentError(
            f"is stored as {tensor.layout}: give its to_dense(), which travels sparsely where that "
            "is smaller",
            field,
        )
    array: npt.NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array


def _integers(values: Sequence[int] | None, field: str) -> list[int] | None:
    if values is None:
        return None
    array = numbers(values, "int64", field)
    if array.ndim != 1:
        raise refused("a list of whole numbers", values, field)
    integers: list[int] = array.tolist()
    return integers


class TensorData:
    """An input or an output of a loss function: dense, or as compressed sparse rows.

    Args:
        data: the numbers in row-major order; of a sparse tensor only the cells that are stored.
        dtype: `float32`, `int64` or `int32`.
        shape: dimensions; a vector if absent. Needed for a sparse tensor.
        sparse_crow_indices: where each row's cells begin, and their number (rows + 1).
        sparse_col_indices: the column of each cell, increasing within a row.

    Raises:
        InvalidArgumentError: the parts are no numbers, or do not fit together.
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
        if not isinstance(dtype, str) or dtype not in _NUMPY:
            raise InvalidArgumentError(f"{dtype!r} is not one of {', '.join(_NUMPY)}", "dtype")
        # A copy: what the caller does with its array later is not the tensor's business.
        array = numbers([] if data is None else data, dtype, "data")
        dimensions = _integers(shape, "shape")
        if (sparse_crow_indices is None) != (sparse_col_indices is None):
            raise InvalidArgumentError(
                "a sparse tensor needs both sparse_crow_indices and sparse_col_indices",
                "sparse_crow_indices",
            )
        if sparse_crow_indices is None:
            if dimensions is not None and list(array.shape) != dimensions:
                try:
                    array = array.reshape(dimensions)
                except ValueError as error:
                    raise InvalidArgumentError(str(error), "shape") from error
            dimensions = list(array.shape)
        elif dimensions is None or len(dimensions) != 2:
            raise InvalidArgumentError("a sparse tensor needs two dimensions", "shape")
        self.dtype: TensorDtype = dtype
        self.shape: list[int] = dimensions
        self.sparse_crow_indices = _integers(sparse_crow_indices, "sparse_crow_indices")
        self.sparse_col_indices = _integers(sparse_col_indices, "sparse_col_indices")
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
        if not isinstance(array, (np.ndarray, np.generic)):
            raise refused("a numpy array", array, "data")
        if array.dtype.kind == "f":
            return cls(array, "float32")
        if array.dtype.kind in "iub":
            return cls(array, "int32" if array.dtype == np.int32 else "int64")
        raise InvalidArgumentError(f"no tensor can be made of an array of {array.dtype}", "data")

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> TensorData:
        """A dense tensor; other float types become float32, other integers int64."""
        return cls.from_numpy(_from_torch(tensor, "data"))

    @classmethod
    def from_torch_sparse(cls, tensor: torch.Tensor, pad_value: int = 0) -> TensorData:
        """As `from_torch`; a matrix is stored sparsely where that is smaller.

        Cells of `pad_value` are left out: 0 in loss inputs, -1 in `target_prompt_logprobs`.
        """
        pad_value = whole(pad_value, "pad_value")
        dense = cls.from_torch(tensor)
        return dense._sparse(pad_value) if len(dense.shape) == 2 else dense

    def _sparse(self, pad_value: int) -> TensorData:
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

    def to_numpy(self, pad_value: int = 0) -> npt.NDArray[Any]:
        """All elements; cells that are not stored are `pad_value`."""
        pad_value = whole(pad_value, "pad_value")
        if self.sparse_crow_indices is None or self.sparse_col_indices is None:
            return self._array
        dense = np.full(self.shape, pad_value, self._array.dtype)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.sparse_crow_indices))
        dense[rows, np.asarray(self.sparse_col_indices, dtype=np.intp)] = self._array
        return dense

    def to_torch(self, pad_value: int = 0) -> torch.Tensor:
        """All elements as a torch tensor; `pad_value` as of `to_numpy`.

        Raises:
            ImportError: torch is not installed.
        """
        from_numpy = optional("torch", "to_torch").from_numpy
        array = self.to_numpy(pad_value)
        return from_numpy(array if array.flags.writeable else array.copy())

    def tolist(self, pad_value: int = 0) -> Any:
        """All elements as nested lists; `pad_value` as of `to_numpy`."""
        return self.to_numpy(pad_value).tolist()

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
