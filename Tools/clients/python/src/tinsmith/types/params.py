"""Parameters of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinsmith.types.value import Value


@dataclass(frozen=True)
class LoraConfig(Value):
    """The adapter of a model.

    Attributes:
        rank: rank of the factors, at least 1.
        seed: of the initial weights; None derives one from the model's id.
        train_unembed: whether the output head has an adapter.
        train_mlp: whether the MLP layers have one.
        train_attn: whether the attention layers have one.
        alpha: the adapter's product is scaled by alpha / rank; None is the service's 32.
    """

    rank: int
    seed: int | None = None
    train_unembed: bool = True
    train_mlp: bool = True
    train_attn: bool = True
    alpha: float | None = None


@dataclass(frozen=True)
class AdamParams(Value):
    """One step of AdamW with decoupled weight decay.

    `grad_clip_norm` is the largest L2 norm of all gradients together; 0 does not clip.
    """

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0


@dataclass(frozen=True)
class SamplingParams(Value):
    """How sequences are drawn.

    Attributes:
        max_tokens: most tokens of a sequence; None for as many as the context holds.
        seed: the same seed gives the same tokens; 64 bits. None derives one from the place of the
            request.
        stop: texts or tokens behind which a sequence ends. None ends it at the model's end tokens,
            an empty list nowhere. What it stopped on is part of the sequence.
        temperature: 0 takes the most probable token.
        top_k: sample among the k most probable tokens; -1 for all.
        top_p: sample among the most probable tokens that together reach p.
    """

    max_tokens: int | None = None
    seed: int | None = None
    stop: str | Sequence[str] | Sequence[int] | None = None
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.stop is not None and not isinstance(self.stop, str):
            object.__setattr__(self, "stop", list(self.stop))
