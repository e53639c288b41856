"""One model that is being trained."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Literal

from tinsmith import types
from tinsmith._arguments import filled, flag, instance, mapping, number, only, refused, text
from tinsmith._codec import Reader, Writer, model_info, numbers
from tinsmith._combine import combine, split
from tinsmith._model_state import ModelState
from tinsmith._rpc.call import Answer, Call
from tinsmith.custom_loss import CustomLossFn, CustomPass
from tinsmith.errors import InvalidArgumentError, TinsmithError
from tinsmith.future import APIFuture, gather, then
from tinsmith.tokenizer import load_tokenizer
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import training_pb2


class TrainingClient(ModelState):
    """A model that is being trained: an adapter, its gradients and its optimizer.

    Calls return futures at once, and the service runs them in the order in which they were made.
    All losses are sums over tokens and data; gradients add up until `optim_step` uses them.

    A client can be used as soon as it is made: calls queue behind the model's creation. `result()`
    and `await` wait until it exists and give the client itself, as with the tinker SDK.
    """

    # The client as the future of itself.

    def result(self, timeout: float | None = None) -> TrainingClient:
        """Waits until the model exists.

        Raises:
            TinsmithError: it could not be made.
            TimeoutError: it is not there within `timeout` seconds.
        """
        self._session.channel.process.check()
        self._info.result(timeout)
        return self

    async def result_async(self, timeout: float | None = None) -> TrainingClient:
        """As `result`, without blocking the event loop."""
        await APIFuture(self._info, lambda info: info).result_async(timeout)
        return self

    def __await__(self) -> Generator[Any, None, TrainingClient]:
        return self.result_async().__await__()

    @property
    def model_id(self) -> str:
        """`<session>:train:<n>`. Waits until the model exists."""
        return self._info.result().model_id

    def get_info(self) -> types.GetInfoResponse:
        """What the model was when it was made. Waits until it exists."""
        return self._info.result()

    async def get_info_async(self) -> types.GetInfoResponse:
        """As `get_info`."""
        return await APIFuture(self._info, lambda info: info)

    def fetch_info(self) -> APIFuture[types.GetInfoResponse]:
        """What the model is once the calls before this one have run, e.g. its number of steps."""
        return self._ask(
            pb.METHOD_TRAINING_GET_INFO,
            training_pb2.GetInfoRequest(),
            lambda answer: model_info(answer.read(training_pb2.ModelInfo)),
        )

    def get_tokenizer(self) -> Any:
        """The tokenizer of the base model; needs `transformers`."""
        data = self.get_info().model_data
        return load_tokenizer(data.model_name, data.tokenizer_id)

    # Training.

    def forward(
        self,
        data: list[types.Datum],
        loss_fn: types.LossFnType,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """Computes a loss and its log-probs, without gradients. As `forward_backward`."""
        return self._pass(pb.METHOD_TRAINING_FORWARD, data, loss_fn, loss_fn_config)

    async def forward_async(
        self,
        data: list[types.Datum],
        loss_fn: types.LossFnType,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """As `forward`."""
        return self.forward(data, loss_fn, loss_fn_config)

    def forward_backward(
        self,
        data: list[types.Datum],
        loss_fn: types.LossFnType,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """Computes a loss and adds its gradients to those since the last `optim_step`.

        If it fails, the next `optim_step` fails as well and drops all gradients, also those of
        passes after it, unless it is told to `apply_partial`.

        Args:
            data: at least one datum. Many are sent as several requests.
            loss_fn: name of the loss function; its inputs are in the data.
            loss_fn_config: its options by name.

        Raises:
            InvalidArgumentError: there are no data, or they cannot be sent.
        """
        return self._pass(pb.METHOD_TRAINING_FORWARD_BACKWARD, data, loss_fn, loss_fn_config)

    async def forward_backward_async(
        self,
        data: list[types.Datum],
        loss_fn: types.LossFnType,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """As `forward_backward`."""
        return self.forward_backward(data, loss_fn, loss_fn_config)

    def forward_backward_custom(
        self,
        data: list[types.Datum],
        loss_fn: CustomLossFn,
        *,
        loss_type_input: Literal["logprobs"] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """`forward_backward` with any differentiable function of the log-probs, run here by torch.

        A forward pass gives the log-probs of `target_tokens`; `loss_fn(data, logprobs)` gets them
        as one tensor for each datum and returns (loss, metrics); a backward pass of
        `cross_entropy` weighted by -dloss/dlogprob gives exactly the gradient of that loss. Calls
        made meanwhile run behind it, in their order. `loss_fn` runs on a thread of its own. Torch
        parameters of the caller's own that the loss depends on get their gradients added to
        `.grad`, as by `loss.backward()`, before the answer is there.

        Data, also what is inside, may be changed as soon as the call returns, also by `loss_fn`.
        The metrics are those of `loss_fn`, `loss:sum` (its loss) and `surrogate_loss:sum` (what
        the service computed).

        Args:
            data: at least one datum, with `target_tokens`.
            loss_fn: the loss.
            loss_type_input: as the tinker SDK has it; log-probs are what there is.

        Raises:
            InvalidArgumentError: there are no data, or they cannot be sent.
            ImportError: torch is not installed.
        """
        if loss_type_input is not None:
            only("logprobs", loss_type_input, "loss_type_input", "a loss gets log-probs")
        if not callable(loss_fn):
            raise refused("a function", loss_fn, "loss_fn")
        data = _datums(data)
        custom = CustomPass(data, loss_fn)
        forward = self._pass_calls(pb.METHOD_TRAINING_FORWARD, custom.forward_data, "cross_entropy")
        answers = then(gather([call.future for call in forward]), _outputs)
        output = custom.run(answers, self._finish_custom)
        # Last, so that whatever holds the stream is sure to let it go.
        self._sender.send(forward, hold=True)
        return APIFuture(output, lambda output: output, forward)

    def _finish_custom(self, data: list[types.Datum] | None) -> Future[types.ForwardBackwardOutput]:
        method = pb.METHOD_TRAINING_FORWARD_BACKWARD
        if data is None:
            # A pass without data, which the service refuses, tells it that gradients are missing,
            # so that the next optim_step does not apply the others alone.
            empty = training_pb2.ForwardBackwardRequest(loss_fn="cross_entropy")
            calls = [Call(method, [empty.SerializeToString()], timeout=self._session.timeout)]
        else:
            calls = self._pass_calls(method, data, "cross_entropy")
        self._sender.release(calls)
        for call in calls:
            call.taken = True
        return then(gather([call.future for call in calls]), _outputs)

    async def forward_backward_custom_async(
        self,
        data: list[types.Datum],
        loss_fn: CustomLossFn,
        *,
        loss_type_input: Literal["logprobs"] | None = None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        """As `forward_backward_custom`."""
        return self.forward_backward_custom(data, loss_fn, loss_type_input=loss_type_input)

    def optim_step(
        self,
        optim_params: types.AdamParams | None = None,
        *,
        adam_params: types.AdamParams | None = None,
        apply_partial: bool = False,
    ) -> APIFuture[types.OptimStepResponse]:
        """Applies the gradients with AdamW and clears them.

        Args:
            optim_params: of the step.
            adam_params: the same, by its old name.
            apply_partial: apply what there is also after a `forward_backward` that failed or was
                cancelled; otherwise the step fails then and drops all gradients.

        Raises:
            InvalidArgumentError: the parameters are given twice, or are those of another optimizer.
        """
        field = "optim_params" if adam_params is None else "adam_params"
        if optim_params is not None and adam_params is not None:
            raise InvalidArgumentError("is optim_params by its old name: give one of them", field)
        params = optim_params if adam_params is None else adam_params
        params = types.AdamParams() if params is None else instance(params, types.AdamParams, field)
        request = training_pb2.OptimStepRequest(
            adam=training_pb2.AdamParams(
                learning_rate=params.learning_rate,
                beta1=params.beta1,
                beta2=params.beta2,
                eps=params.eps,
                weight_decay=params.weight_decay,
                grad_clip_norm=params.grad_clip_norm,
            )
        )
        flags = pb.REQUEST_FLAG_APPLY_PARTIAL if flag(apply_partial, "apply_partial") else 0
        return self._ask(pb.METHOD_TRAINING_OPTIM_STEP, request, _optim_step, flags)

    async def optim_step_async(
        self,
        optim_params: types.AdamParams | None = None,
        *,
        adam_params: types.AdamParams | None = None,
        apply_partial: bool = False,
    ) -> APIFuture[types.OptimStepResponse]:
        """As `optim_step`."""
        return self.optim_step(optim_params, adam_params=adam_params, apply_partial=apply_partial)

    def _pass(
        self,
        method: pb.Method,
        data: list[types.Datum],
        loss_fn: str,
        config: Mapping[str, float | str] | None,
    ) -> APIFuture[types.ForwardBackwardOutput]:
        calls = self._pass_calls(method, data, loss_fn, config)
        self._sender.send(calls)
        answers = gather([call.future for call in calls])
        return APIFuture(answers, _outputs, calls, lambda: self._sender.cancel(calls))

    def _pass_calls(
        self,
        method: pb.Method,
        data: list[types.Datum],
        loss_fn: str,
        config: Mapping[str, float | str] | None = None,
    ) -> list[Call]:
        """The requests of one pass over the data."""
        data = _datums(data)
        filled(loss_fn, "loss_fn")
        options = {} if config is None else mapping(config, "loss_fn_config")
        calls = []
        index = 0
        for part in split(data):
            writer = Writer()
            request = training_pb2.ForwardBackwardRequest(loss_fn=loss_fn)
            for name, value in options.items():
                option = request.loss_fn_config.add(name=text(name, "loss_fn_config"))
                if isinstance(value, str):
                    option.text = value
                else:
                    option.number = number(value, f"loss_fn_config[{name}]")
            tokens = 0
            for datum in part:
                try:
                    writer.datum(request.data.add(), datum)
                except TinsmithError as error:
                    field = f"data[{index}].{error.field}"
                    raise type(error)(error.message, field) from error
                tokens += datum.model_input.length
                index += 1
            calls.append(
                Call(method, writer.frames(request), tokens, timeout=self._session.timeout)
            )
        return calls


def _datums(data: Any) -> list[types.Datum]:
    """The data of a pass.

    Raises:
        InvalidArgumentError: there are none.
    """
    if not isinstance(data, Iterable):
        raise refused("a list of Datum", data, "data")
    datums = [instance(datum, types.Datum, f"data[{i}]") for i, datum in enumerate(data)]
    if not datums:
        raise InvalidArgumentError("needs at least one datum", "data")
    return datums


def _outputs(answers: list[Answer]) -> types.ForwardBackwardOutput:
    parts = []
    for answer in answers:
        message = answer.read(training_pb2.ForwardBackwardResponse)
        reader = Reader(answer.attachments)
        outputs = [
            {pair.name: reader.tensor(pair.tensor) for pair in output.outputs}
            for output in message.loss_fn_outputs
        ]
        parts.append(types.ForwardBackwardOutput("ArrayRecord", outputs, numbers(message.metrics)))
    return combine(parts)


def _optim_step(answer: Answer) -> types.OptimStepResponse:
    message = answer.read(training_pb2.OptimStepResponse)
    return types.OptimStepResponse(numbers(message.metrics))
