"""What training calls answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tinsmith.types.tensor_data import TensorData
from tinsmith.types.value import Value

LossFnType = Literal["cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo"]
LossFnOutput = dict[str, TensorData]


@dataclass(frozen=True)
class ForwardBackwardOutput(Value):
    """What the loss gave.

    Attributes:
        loss_fn_output_type: as the tinker SDK has it; always "ArrayRecord".
        loss_fn_outputs: for each datum `logprobs`, of the shape of its `target_tokens`.
        metrics: numbers by `name:reduction`; `loss:sum` is the sum over all tokens and data.
    """

    loss_fn_output_type: str
    loss_fn_outputs: list[LossFnOutput]
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """The loss, summed over all tokens and data."""
        return self.metrics["loss:sum"]


@dataclass(frozen=True)
class OptimStepResponse(Value):
    """What a step of the optimizer reports, e.g. the norm of the gradients before clipping."""

    metrics: dict[str, float] = field(default_factory=dict)
