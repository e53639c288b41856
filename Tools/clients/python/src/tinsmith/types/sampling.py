"""What sampling calls answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tinsmith.types.tensor_data import TensorData
from tinsmith.types.value import Value

StopReason = Literal["length", "stop"]
EMPTY_CELL = -99999.0
"""Log-prob of a cell without a token."""


class TopkLogprobs(NamedTuple):
    """The k most probable tokens at each of n positions, best first; empty cells have id 0."""

    token_ids: npt.NDArray[np.int32]
    """(n, k)"""
    logprobs: npt.NDArray[np.float32]
    """(n, k)"""

    def to_lists(self) -> list[list[tuple[int, float]] | None]:
        """For each position its (token, log-prob) pairs; None where there are none."""
        rows = []
        for ids, logprobs in zip(self.token_ids.tolist(), self.logprobs.tolist(), strict=True):
            cells = [(i, p) for i, p in zip(ids, logprobs, strict=True) if p != EMPTY_CELL]
            rows.append(cells or None)
        return rows


@dataclass(frozen=True, eq=False)
class SampledSequence(Value):
    """One sampled sequence.

    Attributes:
        stop_reason: `stop` at what `SamplingParams.stop` says, else `length`.
        sequence_id: tells the sequences of a session apart.
        tokens_np: the tokens, int32 (n).
        logprobs_np: their log-probs, float32 (n), at the temperature they were drawn at: in
            softmax(logits / temperature) over the whole vocabulary; top_k and top_p do not enter.
            At temperature 1, and at 0, the model's own, which `forward` gives.
        topk_logprobs_np: the most probable tokens at each position, in the same distribution; if
            asked for.
        model_logprobs_np: their log-probs in the model's own distribution, whatever the
            temperature; if asked for.
    """

    stop_reason: StopReason
    sequence_id: str
    tokens_np: npt.NDArray[np.int32]
    logprobs_np: npt.NDArray[np.float32]
    topk_logprobs_np: TopkLogprobs | None = None
    model_logprobs_np: npt.NDArray[np.float32] | None = None

    @cached_property
    def tokens(self) -> list[int]:
        """The tokens."""
        result: list[int] = self.tokens_np.tolist()
        return result

    @cached_property
    def logprobs(self) -> list[float]:
        """The log-prob of each token."""
        result: list[float] = self.logprobs_np.tolist()
        return result

    @cached_property
    def model_logprobs(self) -> list[float] | None:
        """Their log-probs in the model's own distribution; None if they were not asked for."""
        return None if self.model_logprobs_np is None else self.model_logprobs_np.tolist()

    @cached_property
    def topk_logprobs(self) -> list[list[tuple[int, float]] | None] | None:
        """For each position (token, log-prob) pairs, best first."""
        return self.topk_logprobs_np.to_lists() if self.topk_logprobs_np else None


@dataclass(frozen=True, eq=False)
class SampleResponse(Value):
    """The answer to `sample`.

    Attributes:
        sequences: as many as were asked for.
        prompt_logprobs_np: float32 (prompt length), NaN where there is none; if asked for.
        topk_prompt_logprobs_np: the most probable tokens at each prompt position; if asked for.
        target_prompt_logprobs: the log-probs of the tokens to score, in their shape and cells; 0
            where there was none; if asked for.
        prompt_cache_hit_tokens: prompt tokens that were found in the prefix cache.
        seed: the seed that was used.
    """

    sequences: Sequence[SampledSequence]
    prompt_logprobs_np: npt.NDArray[np.float32] | None = None
    topk_prompt_logprobs_np: TopkLogprobs | None = None
    target_prompt_logprobs: TensorData | None = None
    prompt_cache_hit_tokens: int = 0
    seed: int = field(default=0, kw_only=True)

    @cached_property
    def prompt_logprobs(self) -> list[float | None] | None:
        """The log-prob of each prompt token; None for the first, which follows nothing."""
        array = self.prompt_logprobs_np
        return None if array is None else optional_floats(array)

    @cached_property
    def topk_prompt_logprobs(self) -> list[list[tuple[int, float]] | None] | None:
        """For each prompt position (token, log-prob) pairs, best first."""
        return self.topk_prompt_logprobs_np.to_lists() if self.topk_prompt_logprobs_np else None


class SampledPiece(NamedTuple):
    """Tokens that one step of decoding added to one sequence."""

    sequence: int
    """Which of the sequences, from 0."""
    tokens: list[int]
    logprobs: list[float]


def optional_floats(array: npt.NDArray[Any]) -> list[float | None]:
    """The numbers, None for NaN."""
    return [None if np.isnan(number) else float(number) for number in array]
