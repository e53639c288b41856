"""Values of `tinsmith.types` to messages of the wire, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tinsmith import types
from tinsmith._arguments import text_by_key, whole
from tinsmith.errors import InternalError, InvalidArgumentError, UnimplementedError
from tinsmith.types.sampling import TopkLogprobs
from tinsmith.v1 import (
    admin_pb2,
    checkpoints_pb2,
    sampling_pb2,
    sessions_pb2,
    tensor_pb2,
    training_pb2,
)

ATTACH_FROM = 1 << 16
"""Bytes from which a tensor travels in a frame of its own, without being copied."""

_DTYPES: dict[str, tuple[int, npt.DTypeLike]] = {
    "float32": (tensor_pb2.DTYPE_FLOAT32, "<f4"),
    "int64": (tensor_pb2.DTYPE_INT64, "<i8"),
    "int32": (tensor_pb2.DTYPE_INT32, "<i4"),
}
_NAMES: dict[int, types.TensorDtype] = {
    tensor_pb2.DTYPE_FLOAT32: "float32",
    tensor_pb2.DTYPE_INT64: "int64",
    tensor_pb2.DTYPE_INT32: "int32",
    tensor_pb2.DTYPE_BFLOAT16: "float32",
}


class _HasBytes(Protocol):
    raw: bytes
    attachment: int

    def WhichOneof(self, name: str) -> str | None: ...


class Writer:
    """Collects the attachments of one message."""

    def __init__(self) -> None:
        self.attachments: list[bytes] = []

    def put(self, target: Any, array: npt.NDArray[Any]) -> None:
        """Puts an array's bytes into a message with the fields `raw` and `attachment`."""
        content = array.tobytes()
        if len(content) >= ATTACH_FROM:
            target.attachment = len(self.attachments)
            self.attachments.append(content)
        else:
            target.raw = content

    def frames(self, message: Any) -> list[bytes]:
        """Body and attachments."""
        return [message.SerializeToString(), *self.attachments]

    def model_input(self, target: tensor_pb2.ModelInput, value: types.ModelInput) -> None:
        """Encodes a model input."""
        for index, chunk in enumerate(value.chunks):
            if not isinstance(chunk, types.EncodedTextChunk):
                raise UnimplementedError(
                    f"a {type(chunk).__name__}: the models of this service read text only",
                    f"chunks[{index}]",
                )
            ids = token_ids(chunk.tokens, f"chunks[{index}].tokens")
            self.put(target.chunks.add().encoded_text, ids)

    def tensor(self, target: tensor_pb2.Tensor, value: types.TensorData) -> None:
        """Encodes a tensor."""
        number, numpy = _DTYPES[value.dtype]
        target.dtype = number  # type: ignore[assignment]
        target.shape.extend(value.shape)
        values = np.ascontiguousarray(value.values, dtype=numpy)
        if value.sparse_crow_indices is None:
            self.put(target, values)
            return
        sparse = target.sparse
        self.put(sparse.crow_indices, np.asarray(value.sparse_crow_indices, dtype="<i8"))
        self.put(sparse.col_indices, np.asarray(value.sparse_col_indices, dtype="<i8"))
        self.put(sparse.values, values)

    def datum(self, target: training_pb2.Datum, value: types.Datum) -> None:
        """Encodes an example."""
        self.model_input(target.model_input, value.model_input)
        for name, tensor in value.loss_fn_inputs.items():
            pair = target.loss_fn_inputs.add(name=name)
            self.tensor(pair.tensor, tensor)


class Reader:
    """Looks up the attachments of one message."""

    def __init__(self, attachments: Sequence[bytes] = ()) -> None:
        self._attachments = attachments

    def content(self, source: _HasBytes, oneof: str) -> bytes:
        """The bytes of a message with the fields `raw` and `attachment`."""
        if source.WhichOneof(oneof) != "attachment":
            return source.raw
        if source.attachment >= len(self._attachments):
            raise InternalError(f"the answer lacks attachment {source.attachment}")
        return self._attachments[source.attachment]

    def array(self, tensor: tensor_pb2.Tensor) -> npt.NDArray[Any]:
        """A dense tensor; bfloat16 is widened to float32.

        Raises:
            InternalError: the answer's bytes do not fit its shape.
        """
        content = self.content(tensor, "data")
        shape = tuple(tensor.shape)
        try:
            if tensor.dtype == tensor_pb2.DTYPE_BFLOAT16:
                wide = np.frombuffer(content, dtype="<u2").astype("<u4") << 16
                return wide.view("<f4").reshape(shape)
            return np.frombuffer(content, dtype=_DTYPES[_NAMES[tensor.dtype]][1]).reshape(shape)
        except (KeyError, ValueError) as error:
            raise InternalError(f"the answer has a tensor that cannot be read: {error}") from error

    def tensor(self, tensor: tensor_pb2.Tensor) -> types.TensorData:
        """A tensor as a value."""
        if tensor.WhichOneof("data") != "sparse":
            return types.TensorData(self.array(tensor), _NAMES[tensor.dtype])
        sparse = tensor.sparse
        starts, columns, cells = (
            np.frombuffer(self.content(part, "place"), dtype=dtype)
            for part, dtype in (
                (sparse.crow_indices, "<i8"),
                (sparse.col_indices, "<i8"),
                (sparse.values, _DTYPES[_NAMES[tensor.dtype]][1]),
            )
        )
        return types.TensorData(
            cells, _NAMES[tensor.dtype], list(tensor.shape), starts.tolist(), columns.tolist()
        )

    def topk(self, message: sampling_pb2.TopkLogprobs) -> TopkLogprobs:
        """Top-k matrices."""
        return TopkLogprobs(self.array(message.token_ids), self.array(message.logprobs))

    def sequence(self, message: sampling_pb2.SampledSequence, key: str) -> types.SampledSequence:
        """A sampled sequence; `key` is that of the request."""
        return types.SampledSequence(
            "stop" if message.stop_reason == sampling_pb2.STOP_REASON_STOP else "length",
            f"{key}:{message.index}",
            self.array(message.tokens),
            self.array(message.logprobs),
            self.topk(message.topk_logprobs) if message.HasField("topk_logprobs") else None,
            self.array(message.model_logprobs) if message.HasField("model_logprobs") else None,
        )


def token_ids(tokens: npt.ArrayLike, field: str) -> npt.NDArray[np.int32]:
    """Token ids as the wire has them.

    Raises:
        InvalidArgumentError: they are none.
    """
    try:
        ids = np.asarray(tokens)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"token ids are whole numbers from 0: {error}", field) from error
    is_whole = ids.ndim == 1 and (ids.size == 0 or ids.dtype.kind in "iu")
    if not is_whole or (ids.size and (ids.min() < 0 or ids.max() >= 1 << 31)):
        raise InvalidArgumentError("token ids are whole numbers from 0", field)
    return ids.astype("<i4")


def text_pairs(target: Any, pairs: Mapping[str, str] | None, field: str = "user_metadata") -> None:
    """Encodes text by key.

    Raises:
        InvalidArgumentError: it is something else.
    """
    for key, value in text_by_key(pairs, field).items():
        target.add(key=key, value=value)


def texts(pairs: Iterable[tensor_pb2.TextPair]) -> dict[str, str]:
    """Text by key."""
    return {pair.key: pair.value for pair in pairs}


def numbers(pairs: Iterable[tensor_pb2.NamedNumber]) -> dict[str, float]:
    """Numbers by name."""
    return {pair.name: pair.value for pair in pairs}


def seed_bits(seed: int, field: str) -> int:
    """A seed as 64 bits; negative ones as two's complement.

    Raises:
        InvalidArgumentError: it is no whole number, or has more bits, so that others would mean
            the same.
    """
    seed = whole(seed, field)
    if not -(1 << 63) <= seed < 1 << 64:
        raise InvalidArgumentError(f"must be a number of 64 bits, not {seed}", field)
    return seed % (1 << 64)


def sampling_params(value: types.SamplingParams) -> sampling_pb2.SamplingParams:
    """Encodes sampling parameters."""
    message = sampling_pb2.SamplingParams(
        temperature=value.temperature,
        top_k=whole(max(value.top_k, 0), "sampling_params.top_k", bits=32),
        top_p=value.top_p,
    )
    if value.max_tokens is not None:
        message.max_tokens = whole(value.max_tokens, "sampling_params.max_tokens", 1, bits=32)
    if value.seed is not None:
        message.seed = seed_bits(value.seed, "sampling_params.seed")
    stop = [value.stop] if isinstance(value.stop, str) else value.stop
    if stop is None:
        return message
    strings = [item for item in stop if isinstance(item, str)]
    tokens: list[Any] = [item for item in stop if not isinstance(item, str)]
    if strings and tokens:
        raise InvalidArgumentError("texts or tokens, not both", "sampling_params.stop")
    if strings:
        message.stop_strings.values.extend(strings)
    else:
        message.stop_tokens.SetInParent()  # An empty list says: nowhere.
        message.stop_tokens.ids.extend(token_ids(tokens, "sampling_params.stop").tolist())
    return message


def model_info(message: training_pb2.ModelInfo) -> types.GetInfoResponse:
    """What a model is."""
    return types.GetInfoResponse(
        model_data=types.ModelData(message.architecture, message.base_model, message.tokenizer),
        model_id=message.model_id,
        is_lora=True,
        lora_rank=message.rank,
        lora_alpha=message.alpha,
        model_name=message.base_model,
        max_sequence_length=message.max_sequence_length,
        step=message.step,
        user_metadata=texts(message.user_metadata),
    )


def capabilities(
    message: admin_pb2.CapabilitiesResponse,
) -> types.GetServerCapabilitiesResponse:
    """What the service offers."""
    return types.GetServerCapabilitiesResponse(
        [
            types.SupportedModel(
                model.name,
                model.max_context_length,
                model.trainable,
                model.sampleable,
                model.tokenizer,
                model.architecture,
                model.parameters,
                model.vocabulary_size,
                model.precision,
                model.numerics_version,
                tuple(model.warnings),
            )
            for model in message.models
        ],
        list(message.loss_fns),
        message.service_version,
    )


def checkpoint(message: checkpoints_pb2.Checkpoint) -> types.Checkpoint:
    """A checkpoint."""
    parsed = types.ParsedCheckpointTinkerPath.from_tinker_path(message.path)
    return types.Checkpoint(
        checkpoint_id=parsed.checkpoint_id,
        checkpoint_type=parsed.checkpoint_type,
        time=_time(message.created_unix_ms),
        tinker_path=message.path,
        size_bytes=message.size_bytes,
        public=message.published,
        user_metadata=texts(message.user_metadata) or None,
        expires_at=_time(message.expires_unix_ms) if message.expires_unix_ms else None,
        base_model=message.base_model,
        lora_rank=message.rank,
        lora_alpha=message.alpha,
        step=message.step,
        model_user_metadata=texts(message.model_user_metadata) or None,
    )


def training_run(message: sessions_pb2.RunInfo) -> types.TrainingRun:
    """A model."""
    return types.TrainingRun(
        training_run_id=message.model_id,
        base_model=message.base_model,
        model_owner="",
        is_lora=True,
        last_request_time=_time(message.changed_unix_ms),
        lora_rank=message.rank,
        last_checkpoint=(
            checkpoint(message.last_checkpoint) if message.HasField("last_checkpoint") else None
        ),
        last_sampler_checkpoint=(
            checkpoint(message.last_sampler_checkpoint)
            if message.HasField("last_sampler_checkpoint")
            else None
        ),
        user_metadata=texts(message.user_metadata) or None,
    )


def session(message: sessions_pb2.SessionInfo) -> types.GetSessionResponse:
    """A session."""
    return types.GetSessionResponse(
        training_run_ids=list(message.model_ids),
        sampler_ids=list(message.sampling_session_ids),
        user_metadata=texts(message.user_metadata) or None,
        display_name=message.display_name or None,
        tags=list(message.tags),
        created_at=_time(message.created_unix_ms),
    )


def sampler(message: sessions_pb2.SamplerInfo) -> types.GetSamplerResponse:
    """A sampling session."""
    return types.GetSamplerResponse(
        message.sampling_session_id, message.base_model, message.model_path or None
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
