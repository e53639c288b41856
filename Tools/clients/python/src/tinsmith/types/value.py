"""What all values have in common."""

from __future__ import annotations

import base64
import copy
import dataclasses
from typing import Any, Self

import numpy as np


class Value:
    """A value that can be copied and written out, by the names of the tinker SDK's models."""

    __slots__ = ()

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with other values for some fields.

        Args:
            update: the new values by name.
            deep: whether to copy what the value consists of as well.
        """
        source: Any = copy.deepcopy(self) if deep else self
        changed: Self = dataclasses.replace(source, **(update or {}))
        return changed

    def model_dump(self, *, mode: str = "python", exclude_none: bool = False) -> dict[str, Any]:
        """The fields as dictionaries, lists, numbers and texts (bytes in base64).

        Args:
            mode: as the tinker SDK has it; every mode gives the same.
            exclude_none: leave out what is None.
        """
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return {
            name: _plain(value, exclude_none)
            for name, value in fields
            if not (exclude_none and value is None)
        }


def _plain(value: Any, exclude_none: bool) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item, exclude_none) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, exclude_none) for item in value]
    return value
