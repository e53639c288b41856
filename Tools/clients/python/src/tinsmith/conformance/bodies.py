"""Request messages from their readable form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tinsmith.v1 import (
    admin_pb2,
    checkpoints_pb2,
    envelope_pb2,
    futures_pb2,
    sampling_pb2,
    sessions_pb2,
    tensor_pb2,
    training_pb2,
)

MODULES = {
    "Admin": admin_pb2,
    "Checkpoints": checkpoints_pb2,
    "Futures": futures_pb2,
    "Sampling": sampling_pb2,
    "Sessions": sessions_pb2,
    "Training": training_pb2,
}


def method_number(method: str | int) -> int:
    """The number of `Service.Rpc`."""
    if isinstance(method, int):
        return method
    name = _upper(method.replace(".", ""))
    return int(envelope_pb2.Method.Value(f"METHOD_{name}"))


def message_types(method: str) -> tuple[type[Message], type[Message]]:
    """The classes of request and response of `Service.Rpc`."""
    service, rpc = method.split(".")
    described = MODULES[service].DESCRIPTOR.services_by_name[service].methods_by_name[rpc]
    return tuple(_class(kind) for kind in (described.input_type, described.output_type))


def _class(descriptor: Any) -> Any:
    """The class of a message; it may be in another module than the method."""
    for module in (*MODULES.values(), tensor_pb2):
        if module.DESCRIPTOR.name == descriptor.file.name:
            return getattr(module, descriptor.name)
    raise KeyError(descriptor.full_name)


def _upper(name: str) -> str:
    """`CheckpointKind` as `CHECKPOINT_KIND`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


class BodyBuilder:
    """Makes one request.

    Args:
        data: lists of datums by name.
        attach: put all bytes into attachments.
    """

    def __init__(self, data: Mapping[str, Any], attach: bool) -> None:
        self._data = data
        self._attach = attach
        self.attachments: list[bytes] = []

    def fill(self, message: Any, value: Any) -> None:
        """Fills a message; the fields go by their numbers, so that attachments are in order."""
        if special := _SPECIAL.get(message.DESCRIPTOR.name):
            special(self, message, value)
            return
        unknown = set(value) - set(message.DESCRIPTOR.fields_by_name)
        if unknown:
            raise KeyError(f"{message.DESCRIPTOR.name} has no {', '.join(sorted(unknown))}")
        for field in sorted(message.DESCRIPTOR.fields, key=lambda field: field.number):
            if field.name in value:
                self._field(message, field, value[field.name])

    def _field(self, message: Any, field: FieldDescriptor, value: Any) -> None:
        if field.name == "data" and isinstance(value, str):
            value = self._data[value]
        target = getattr(message, field.name)
        if hasattr(target, "add") or hasattr(target, "extend"):
            self._list(target, field, value)
        elif field.message_type is not None:
            target.SetInParent()
            self.fill(target, value)
        else:
            setattr(message, field.name, self._scalar(field, value))

    def _list(self, target: Any, field: FieldDescriptor, value: Any) -> None:
        if field.message_type is None:
            target.extend(self._scalar(field, item) for item in value)
        elif isinstance(value, dict):
            for key in sorted(value):
                self._pair(target.add(), key, value[key])
        else:
            for item in value:
                self.fill(target.add(), item)

    def _pair(self, pair: Any, key: str, value: Any) -> None:
        match pair.DESCRIPTOR.name:
            case "NamedTensor":
                pair.name = key
                self.fill(pair.tensor, value)
            case "TextPair":
                pair.key, pair.value = key, value
            case _:
                pair.name = key
                setattr(pair, "text" if isinstance(value, str) else "number", value)

    @staticmethod
    def _scalar(field: FieldDescriptor, value: Any) -> Any:
        if field.enum_type is not None and isinstance(value, str):
            prefix = _upper(field.enum_type.name)
            return field.enum_type.values_by_name[f"{prefix}_{value}"].number
        return value

    def put(self, target: Any, content: bytes) -> None:
        """Puts bytes inline or into an attachment."""
        if self._attach:
            target.attachment = len(self.attachments)
            self.attachments.append(content)
        else:
            target.raw = content

    def model_input(self, message: Any, tokens: list[int]) -> None:
        """A list of token ids."""
        self.put(message.chunks.add().encoded_text, np.asarray(tokens, "<i4").tobytes())

    def blob(self, message: Any, content: str) -> None:
        """Hex."""
        self.put(message, bytes.fromhex(content))

    def stop_tokens(self, message: Any, ids: list[int]) -> None:
        """A list."""
        message.ids.extend(ids)

    def stop_strings(self, message: Any, values: list[str]) -> None:
        """A list."""
        message.values.extend(values)

    def tensor(self, message: Any, value: dict[str, Any]) -> None:
        """Dense or sparse."""
        message.dtype = tensor_pb2.DType.Value(f"DTYPE_{value['dtype'].upper()}")
        message.shape.extend(value["shape"])
        content = _numbers(value["dtype"], value["values"])
        if "crow_indices" not in value:
            self.put(message, content)
            return
        self.put(message.sparse.crow_indices, _numbers("int64", value["crow_indices"]))
        self.put(message.sparse.col_indices, _numbers("int64", value["col_indices"]))
        self.put(message.sparse.values, content)


_SPECIAL: dict[str, Callable[[BodyBuilder, Any, Any], None]] = {
    "ModelInput": BodyBuilder.model_input,
    "Tensor": BodyBuilder.tensor,
    "Blob": BodyBuilder.blob,
    "StopTokens": BodyBuilder.stop_tokens,
    "StopStrings": BodyBuilder.stop_strings,
}


def _numbers(dtype: str, values: list[float]) -> bytes:
    if dtype == "bfloat16":
        return (np.asarray(values, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return np.asarray(values, {"float32": "<f4", "int64": "<i8", "int32": "<i4"}[dtype]).tobytes()
