"""Parameters of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from tinsmith._arguments import flag, number, optional, refused, whole
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

    Raises:
        InvalidArgumentError: one is of another kind.
    """

    rank: int
    seed: int | None = None
    train_unembed: bool = True
    train_mlp: bool = True
    train_attn: bool = True
    alpha: float | None = None

    def __post_init__(self) -> None:
        _check(self, "lora", whole, "rank")
        _check(self, "lora", _maybe(whole), "seed")
        _check(self, "lora", flag, "train_unembed", "train_mlp", "train_attn")
        _check(self, "lora", _maybe(number), "alpha")


@dataclass(frozen=True)
class AdamOptimizerConfig(Value):
    """The optimizer of a model: AdamW, which is the only one of this service."""

    type: Literal["adamw"] = "adamw"


@dataclass(frozen=True)
class AdamParams(Value):
    """One step of AdamW with decoupled weight decay.

    `grad_clip_norm` is the largest L2 norm of all gradients together; 0 does not clip.

    Raises:
        InvalidArgumentError: one is no number.
    """

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "adam", number, *(field.name for field in fields(self)))


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

    Raises:
        InvalidArgumentError: one is of another kind.
    """

    max_tokens: int | None = None
    seed: int | None = None
    stop: str | Sequence[str] | Sequence[int] | None = None
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0

    def __post_init__(self) -> None:
        at = "sampling_params"
        _check(self, at, _maybe(whole), "max_tokens", "seed")
        _check(self, at, _maybe(_stop), "stop")
        _check(self, at, number, "temperature", "top_p")
        _check(self, at, whole, "top_k")


def _check(value: Any, at: str, check: Callable[[Any, str], Any], *names: str) -> None:
    """Replaces fields of a frozen value by what a check makes of them.

    When the value is made and not when it is sent: there the traceback shows who was wrong.
    """
    for name in names:
        object.__setattr__(value, name, check(getattr(value, name), f"{at}.{name}"))


def _maybe(check: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, field: optional(check, value, field)


def _stop(value: Any, field: str) -> str | list[Any]:
    """A text as it is, or a copy of a list."""
    if isinstance(value, str):
        return value
    if not isinstance(value, (bytes, bytearray)):
        try:
            return list(value)
        except TypeError:
            pass
    raise refused("a text, or a list of texts or tokens", value, field)
