"""What a model reads."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tinsmith._arguments import refused
from tinsmith.types.value import Value

ImageFormat = Literal["png", "jpeg"]


@dataclass(frozen=True)
class EncodedTextChunk(Value):
    """Token ids of the model's tokenizer. The caller's list is copied."""

    tokens: Sequence[int]
    type: str = field(default="encoded_text", repr=False)

    def __post_init__(self) -> None:
        tokens = self.tokens
        if isinstance(tokens, np.ndarray):
            tokens = tokens.copy()
        else:
            try:
                tokens = tokens.tolist() if hasattr(tokens, "tolist") else list(tokens)
            except TypeError:
                raise refused("a list of token ids", tokens, "tokens") from None
        object.__setattr__(self, "tokens", tokens)

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.tokens)


@dataclass(frozen=True)
class ImageChunk(Value):
    """An image. No model of this service reads images: a call with one is refused.

    Attributes:
        data: the file's bytes (or those in base64).
        format: of the file.
        expected_tokens: how many tokens it is to take.
    """

    data: bytes = field(repr=False)
    format: ImageFormat
    expected_tokens: int | None = None
    type: str = field(default="image", repr=False)

    def __post_init__(self) -> None:
        data: bytes | str = self.data
        if not isinstance(data, (bytes, bytearray, memoryview, str)):
            raise refused("bytes, or those in base64", data, "data")
        try:
            data = base64.b64decode(data) if isinstance(data, str) else bytes(data)
        except ValueError:
            raise refused("bytes, or those in base64", data, "data") from None
        object.__setattr__(self, "data", data)

    @property
    def length(self) -> int:
        """Number of tokens.

        Raises:
            ValueError: it was not said.
        """
        return _expected(self.expected_tokens)


@dataclass(frozen=True)
class ImageAssetPointerChunk(Value):
    """The place of an image. As `ImageChunk`: refused until a model reads images."""

    format: ImageFormat
    location: str
    expected_tokens: int | None = None
    type: str = field(default="image_asset_pointer", repr=False)

    @property
    def length(self) -> int:
        """Number of tokens.

        Raises:
            ValueError: it was not said.
        """
        return _expected(self.expected_tokens)


def _expected(tokens: int | None) -> int:
    if tokens is None:
        raise ValueError("the length of an image is known only with expected_tokens")
    return tokens


ModelInputChunk = EncodedTextChunk | ImageChunk | ImageAssetPointerChunk
"""The kinds of chunks. The service takes text."""


@dataclass(frozen=True)
class ModelInput(Value):
    """The input of a model: chunks, one after the other.

    Raises:
        InvalidArgumentError: there is something else among them.
    """

    chunks: list[ModelInputChunk]

    def __post_init__(self) -> None:
        try:
            chunks = list(self.chunks)
        except TypeError:
            raise refused("a list of chunks", self.chunks, "chunks") from None
        for index, chunk in enumerate(chunks):
            if not isinstance(chunk, ModelInputChunk):
                raise refused("a chunk of text or an image", chunk, f"chunks[{index}]")
        object.__setattr__(self, "chunks", chunks)

    @classmethod
    def from_ints(cls, tokens: Sequence[int]) -> ModelInput:
        """An input of one chunk of tokens."""
        return cls(chunks=[EncodedTextChunk(tokens=tokens)])

    @classmethod
    def empty(cls) -> ModelInput:
        """An input without chunks, to append to."""
        return cls(chunks=[])

    def append(self, chunk: ModelInputChunk) -> ModelInput:
        """A new input with one more chunk."""
        return ModelInput(chunks=[*self.chunks, chunk])

    def append_int(self, token: int) -> ModelInput:
        """A new input with one more token."""
        return self.append(EncodedTextChunk(tokens=[token]))

    def to_ints(self) -> list[int]:
        """All tokens.

        Raises:
            ValueError: not everything is text.
        """
        tokens: list[int] = []
        for index, chunk in enumerate(self.chunks):
            if not isinstance(chunk, EncodedTextChunk):
                raise ValueError(f"chunks[{index}] is no text: {type(chunk).__name__}")
            tokens.extend(int(token) for token in chunk.tokens)
        return tokens

    @property
    def length(self) -> int:
        """Number of tokens."""
        return sum(chunk.length for chunk in self.chunks)
