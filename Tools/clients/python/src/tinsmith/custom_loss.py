"""Losses that run in the client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from tinsmith import types
from tinsmith._arguments import number
from tinsmith._optional import optional
from tinsmith.errors import InvalidArgumentError
from tinsmith.future import then

if TYPE_CHECKING:
    import torch

CustomLossFn = Callable[
    [list[types.Datum], "list[torch.Tensor]"], "tuple[torch.Tensor, dict[str, float]]"
]
"""From the data and the log-probs of each datum's targets to (loss, metrics)."""

Output = types.ForwardBackwardOutput
Finish = Callable[[list[types.Datum] | None], "Future[Output]"]
"""Sends the backward pass over the data; None says that there can be none."""


class CustomPass:
    """The two passes that make a custom loss.

    Raises:
        InvalidArgumentError: a datum has no `target_tokens`.
        ImportError: torch is not installed.
    """

    def __init__(self, data: list[types.Datum], loss_fn: CustomLossFn) -> None:
        # Before anything is sent.
        optional("torch", "forward_backward_custom")
        for index, datum in enumerate(data):
            if "target_tokens" not in datum.loss_fn_inputs:
                raise InvalidArgumentError(
                    "a custom loss needs target_tokens", f"data[{index}].loss_fn_inputs"
                )
        # The loss is computed later: the data as they are now.
        self._data = [datum.copy() for datum in data]
        self._loss_fn = loss_fn

    @property
    def forward_data(self) -> list[types.Datum]:
        """The data of the forward pass; weights are 0 where there are none."""
        return [
            _datum(
                datum,
                datum.loss_fn_inputs.get("weights")
                or types.TensorData.from_numpy(
                    np.zeros(datum.loss_fn_inputs["target_tokens"].shape, np.float32)
                ),
            )
            for datum in self._data
        ]

    def run(self, forward: Future[Output], finish: Finish) -> Future[Output]:
        """Runs the loss when the forward pass is there, then the backward pass.

        Args:
            forward: the answer to the forward pass.
            finish: called exactly once, whatever fails.
        """
        target: Future[Output] = Future()

        def start(_: Future[Output]) -> None:
            # Not here: this is the I/O thread, and the loss may take its time.
            threading.Thread(
                target=self._work, args=(forward, finish, target), name="tinsmith-loss", daemon=True
            ).start()

        forward.add_done_callback(start)
        return target

    def _work(self, forward: Future[Output], finish: Finish, target: Future[Output]) -> None:
        try:
            loss, metrics, weighted = self._loss(forward.result())
        except BaseException as error:
            finish(None)
            target.set_exception(error)
            return

        def report(output: Output) -> Output:
            surrogate = output.metrics["loss:sum"]
            output.metrics.clear()
            output.metrics.update(metrics)
            output.metrics.update({"loss:sum": loss, "surrogate_loss:sum": surrogate})
            return output

        def copy(done: Future[Output]) -> None:
            error = done.exception()
            if error is None:
                target.set_result(done.result())
            else:
                target.set_exception(error)

        try:
            then(finish(weighted), report).add_done_callback(copy)
        except BaseException as error:
            target.set_exception(error)

    def _loss(self, output: Output) -> tuple[float, dict[str, float], list[types.Datum]]:
        """Loss, metrics, and the data weighted by -dloss/dlogprob."""
        import torch

        leaves = [
            out["logprobs"].to_torch().clone().requires_grad_() for out in output.loss_fn_outputs
        ]
        # Copies of the data: what the loss changes in them is not what is sent.
        loss, metrics = _pair(self._loss_fn([datum.copy() for datum in self._data], leaves))
        for leaf in leaves:
            leaf.grad = None  # Of this loss alone, whatever its function has differentiated.
        # Not `autograd.grad`: parameters of the caller's own learn from this loss, too.
        torch.autograd.backward(loss)
        if all(leaf.grad is None for leaf in leaves):
            raise _no_loss(loss)
        weighted = []
        for datum, leaf in zip(self._data, leaves, strict=True):
            weights = torch.zeros_like(leaf) if leaf.grad is None else -leaf.grad
            weighted.append(_datum(datum, types.TensorData.from_torch(weights)))
        return float(loss.detach()), metrics, weighted


def _pair(result: Any) -> tuple[torch.Tensor, dict[str, float]]:
    """What a loss function returned, if that is what it should.

    Raises:
        InvalidArgumentError: it is something else.
    """
    import torch

    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
        raise InvalidArgumentError(
            "a custom loss returns a pair, the loss and a dictionary of metrics (it may be empty); "
            f"this one returned {type(result).__name__}",
            "loss_fn",
        )
    loss, metrics = result
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.requires_grad:
        raise _no_loss(loss)
    return loss, {name: number(value, f"metrics[{name}]") for name, value in metrics.items()}


def _no_loss(loss: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        "a custom loss is one number as a torch tensor that depends on the log-probs; this one is "
        f"{loss!r}",
        "loss_fn",
    )


def _datum(datum: types.Datum, weights: types.TensorData) -> types.Datum:
    """What the service gets of a datum: targets and weights."""
    return types.Datum(
        datum.model_input,
        {"target_tokens": datum.loss_fn_inputs["target_tokens"], "weights": weights},
    )
