"""Samples from a base model or a saved adapter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from tinsmith import types
from tinsmith._arguments import flag, instance, optional, refused, text, whole
from tinsmith._codec import Reader, Writer, sampling_params
from tinsmith._handle import SamplerHandle
from tinsmith._rpc.call import Answer, Call, Stream
from tinsmith._sender import StreamSender
from tinsmith._session import Established, Session, wrap
from tinsmith.errors import InvalidArgumentError, UnimplementedError
from tinsmith.future import APIFuture, flat_then, then
from tinsmith.sample_stream import PieceCollector, SampleStream
from tinsmith.tokenizer import load_tokenizer
from tinsmith.types.sampling import optional_floats
from tinsmith.types.tensor_data import numbers
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sampling_pb2

Source = sampling_pb2.CreateSamplingSessionRequest
Opened = sampling_pb2.CreateSamplingSessionResponse


class SamplingClient:
    """Samples from weights as they were when they were saved, whatever is trained meanwhile.

    A client can be used as soon as it is made: calls wait until its weights are there. `result()`
    and `await` wait for that and give the client itself, as with the tinker SDK.
    """

    def __init__(
        self, session: Session, source: Future[Source], base_model: str | None = None
    ) -> None:
        """Opens a sampling session; its number is taken now.

        Args:
            session: whose weights they are.
            source: what to sample from.
            base_model: which base model that must have, if it matters.
        """
        self._session = session
        self._source = source
        self._sender = StreamSender(session.channel)
        number = session.next_sampler()

        def create(established: Established) -> Future[Answer]:
            name = f"{established.session_id}:sample:{number}"
            return flat_then(source, lambda source: self._create(Stream(name), source))

        def check(answer: Answer) -> Opened:
            opened = answer.read(Opened)
            if base_model is not None and opened.base_model != base_model:
                raise InvalidArgumentError(
                    f"these weights are of {opened.base_model}, not of {base_model}", "base_model"
                )
            return opened

        self._opened: Future[Opened] = then(flat_then(session.established(), create), check)
        self._opened.add_done_callback(self._fail)

    @classmethod
    def of(
        cls, session: Session, model_path: str | None = None, base_model: str | None = None
    ) -> SamplingClient:
        """A client whose weights exist already."""
        optional(text, model_path, "model_path")
        optional(text, base_model, "base_model")
        source: Future[Source] = Future()
        if model_path is None:
            source.set_result(Source(base_model=base_model))
        else:
            source.set_result(Source(model_path=model_path))
        return cls(session, source, base_model)

    def _create(self, stream: Stream, source: Source) -> Future[Answer]:
        call = Call(
            pb.METHOD_SAMPLING_CREATE_SAMPLING_SESSION,
            [source.SerializeToString()],
            timeout=self._session.timeout,
        )
        call.taken = True
        self._session.channel.reserve(call.size, wait=False)
        self._session.channel.submit(stream, [call])

        # Every request names the source, so that any worker can answer it. Encoded fields that are
        # appended to a message become part of it.
        name = source.WhichOneof("source")
        ends: dict[int, bytes] = {}
        for method, message in (
            (pb.METHOD_SAMPLING_SAMPLE, sampling_pb2.SampleRequest()),
            (pb.METHOD_SAMPLING_COMPUTE_LOGPROBS, sampling_pb2.ComputeLogprobsRequest()),
        ):
            setattr(message, name, getattr(source, name))
            ends[method] = message.SerializeToString()

        def add_source(call: Call) -> None:
            call.frames[0] += ends[call.method]

        def open(done: Future[Answer]) -> None:
            if done.exception() is None:
                self._sender.open(stream, add_source)

        call.future.add_done_callback(open)
        return call.future

    def _fail(self, opened: Future[Opened]) -> None:
        error = opened.exception()
        if error is not None:
            self._sender.fail(wrap(error))

    # The client as the future of itself.

    def result(self, timeout: float | None = None) -> SamplingClient:
        """Waits until it can sample.

        Raises:
            TinsmithError: the weights could not be saved or found.
            TimeoutError: it cannot within `timeout` seconds.
        """
        self._session.channel.process.check()
        self._opened.result(timeout)
        return self

    async def result_async(self, timeout: float | None = None) -> SamplingClient:
        """As `result`, without blocking the event loop."""
        await APIFuture(self._opened, lambda opened: opened).result_async(timeout)
        return self

    def __await__(self) -> Generator[Any, None, SamplingClient]:
        return self.result_async().__await__()

    def get_base_model(self) -> str:
        """Name of the base model. Waits until the client can sample."""
        return self._opened.result().base_model

    async def get_base_model_async(self) -> str:
        """As `get_base_model`."""
        return (await self.result_async()).get_base_model()

    @property
    def model_path(self) -> str | None:
        """Path of the adapter; None if it is the base model as it is."""
        return self._source.result().model_path or None

    def get_tokenizer(self) -> Any:
        """The `transformers` tokenizer of the base model."""
        opened = self._opened.result()
        return load_tokenizer(opened.base_model, opened.tokenizer)

    # In other processes.

    def __reduce__(self) -> tuple[Callable[[str], SamplingClient], tuple[str]]:
        """Pickles to a client of the same weights in the same session. Waits until they exist.

        What is pickled holds the session's token: keep it as secret as a password.
        """
        established = self._session.established().result()
        handle = dataclasses.replace(self._handle(), **dataclasses.asdict(established))
        return SamplingClient.from_sampler_handle, (handle.text(),)

    def get_sampler_handle(self) -> str:
        """A text for `from_sampler_handle` in another process. Waits until the weights exist.

        It holds no secret; weights that were saved without a name live no longer than this session.
        """
        return self._handle().text()

    def _handle(self) -> SamplerHandle:
        opened = self.result()._opened.result()
        path = self.model_path
        base_model = None if path else opened.base_model
        return SamplerHandle(self._session.channel.endpoint, path, base_model)

    @staticmethod
    def from_sampler_handle(handle: str, *, api_key: str | None = None) -> SamplingClient:
        """A client of the same weights, in a session of this process.

        Args:
            handle: what `get_sampler_handle` gave.
            api_key: the user's key; else `TINSMITH_API_KEY`.

        Raises:
            InvalidArgumentError: it is no such handle.
        """
        known = SamplerHandle.of(handle)
        return SamplingClient.of(known.session(api_key), known.model_path, known.base_model)

    # Sampling.

    def sample(
        self,
        prompt: types.ModelInput,
        num_samples: int,
        sampling_params: types.SamplingParams,
        include_prompt_logprobs: bool = False,
        topk_prompt_logprobs: int = 0,
        topk_sample_logprobs: int = 0,
        target_prompt_logprobs: types.TensorData | Sequence[Sequence[int]] | None = None,
        prompt_alt_tokens_k: int = 0,
        prompt_logprobs_last_n: int | None = None,
        *,
        include_model_logprobs: bool = False,
    ) -> APIFuture[types.SampleResponse]:
        """Draws sequences that continue a prompt.

        Args:
            prompt: what comes before.
            num_samples: how many sequences.
            sampling_params: how they are drawn.
            include_prompt_logprobs: return the log-prob of each prompt token as well.
            topk_prompt_logprobs: the k most probable tokens at each prompt position; 0 for none.
            topk_sample_logprobs: the k most probable tokens at each sampled position; 0 for none.
            target_prompt_logprobs: tokens to score in place of the prompt's, int64 (prompt length
                - 1, k), dense or sparse, or a list of token ids for each row: row i in place of
                prompt token i + 1. -1 asks for nothing, nor does a cell that is not stored.
            prompt_alt_tokens_k: as the tinker SDK has it; this service draws no alternatives to a
                prompt's tokens.
            prompt_logprobs_last_n: with `include_prompt_logprobs` only those of the last n tokens,
                and of `topk_prompt_logprobs`; None for all.
            include_model_logprobs: return the log-probs of sampled tokens in the model's own
                distribution, too, where the temperature is not 1.

        Raises:
            InvalidArgumentError: the request cannot be sent.
            UnimplementedError: it asks for what the service does not do.
        """
        targets = None if target_prompt_logprobs is None else _targets(target_prompt_logprobs)
        if prompt_logprobs_last_n is not None:
            if not include_prompt_logprobs:
                raise InvalidArgumentError(
                    "needs include_prompt_logprobs", "prompt_logprobs_last_n"
                )
            prompt_logprobs_last_n = _last_n(prompt_logprobs_last_n, prompt)
        if whole(prompt_alt_tokens_k, "prompt_alt_tokens_k", 0):
            raise UnimplementedError(
                "this service draws no alternatives to a prompt's tokens", "prompt_alt_tokens_k"
            )
        call = self._sample_call(
            prompt,
            num_samples,
            sampling_params,
            prompt_logprobs=flag(include_prompt_logprobs, "include_prompt_logprobs"),
            topk_prompt_logprobs=whole(topk_prompt_logprobs, "topk_prompt_logprobs", 0, bits=32),
            topk_sample_logprobs=whole(topk_sample_logprobs, "topk_sample_logprobs", 0, bits=32),
            targets=targets,
            prompt_logprobs_last_n=prompt_logprobs_last_n or 0,
            model_logprobs=flag(include_model_logprobs, "include_model_logprobs"),
        )
        self._sender.send([call])
        return APIFuture(
            call.future,
            lambda answer: _response(answer, targets),
            [call],
            lambda: self._sender.cancel([call]),
            cancel_with_waiter=True,
        )

    async def sample_async(
        self,
        prompt: types.ModelInput,
        num_samples: int,
        sampling_params: types.SamplingParams,
        include_prompt_logprobs: bool = False,
        topk_prompt_logprobs: int = 0,
        topk_sample_logprobs: int = 0,
        target_prompt_logprobs: types.TensorData | Sequence[Sequence[int]] | None = None,
        prompt_alt_tokens_k: int = 0,
        prompt_logprobs_last_n: int | None = None,
        *,
        include_model_logprobs: bool = False,
    ) -> types.SampleResponse:
        """As `sample`; cancelling the task that waits gives up the request."""
        return await self.sample(
            prompt,
            num_samples,
            sampling_params,
            include_prompt_logprobs,
            topk_prompt_logprobs,
            topk_sample_logprobs,
            target_prompt_logprobs,
            prompt_alt_tokens_k,
            prompt_logprobs_last_n,
            include_model_logprobs=include_model_logprobs,
        )

    def sample_stream(
        self,
        prompt: types.ModelInput,
        num_samples: int,
        sampling_params: types.SamplingParams,
    ) -> SampleStream:
        """Draws the sequences that `sample` draws and hands out their tokens as they come.

        Use it as `for piece in client.sample_stream(prompt, 1, params)` or with `async for`; the
        whole answer is in its `response`.
        """
        collector = PieceCollector()
        call = self._sample_call(prompt, num_samples, sampling_params)
        call.flags = pb.REQUEST_FLAG_STREAM
        call.on_partial = collector.partial
        call.future.add_done_callback(lambda done: collector.finish(then(done, _response)))
        self._sender.send([call])
        response = APIFuture(call.future, _response, [call], lambda: self._sender.cancel([call]))
        return SampleStream(response, collector)

    def compute_logprobs(
        self, prompt: types.ModelInput, prompt_logprobs_last_n: int | None = None
    ) -> APIFuture[list[float | None]]:
        """The log-prob of each token of a text; None for the first, which follows nothing.

        Args:
            prompt: the text.
            prompt_logprobs_last_n: give only those of the last n tokens, and None before them.

        Raises:
            InvalidArgumentError: n is not between 1 and the number of tokens less 1.
        """
        if prompt_logprobs_last_n is not None:
            prompt_logprobs_last_n = _last_n(prompt_logprobs_last_n, prompt)
        writer = Writer()
        request = sampling_pb2.ComputeLogprobsRequest(
            prompt_logprobs_last_n=prompt_logprobs_last_n or 0
        )
        writer.model_input(request.prompt, instance(prompt, types.ModelInput, "prompt"))
        call = Call(
            pb.METHOD_SAMPLING_COMPUTE_LOGPROBS,
            writer.frames(request),
            prompt.length,
            timeout=self._session.timeout,
        )
        self._sender.send([call])
        return APIFuture(
            call.future,
            _logprobs,
            [call],
            lambda: self._sender.cancel([call]),
            cancel_with_waiter=True,
        )

    async def compute_logprobs_async(
        self, prompt: types.ModelInput, prompt_logprobs_last_n: int | None = None
    ) -> list[float | None]:
        """As `compute_logprobs`."""
        return await self.compute_logprobs(prompt, prompt_logprobs_last_n)

    def _sample_call(
        self,
        prompt: types.ModelInput,
        num_samples: int,
        params: types.SamplingParams,
        targets: types.TensorData | None = None,
        **fields: Any,
    ) -> Call:
        instance(params, types.SamplingParams, "sampling_params")
        num_samples = whole(num_samples, "num_samples", 1, bits=31)
        writer = Writer()
        request = sampling_pb2.SampleRequest(
            num_samples=num_samples,
            sampling_params=sampling_params(params),
            **fields,
        )
        writer.model_input(request.prompt, instance(prompt, types.ModelInput, "prompt"))
        if targets is not None:
            writer.tensor(request.target_prompt_logprobs, targets)
        return Call(
            pb.METHOD_SAMPLING_SAMPLE,
            writer.frames(request),
            prompt.length,
            num_samples * (params.max_tokens or 0),
            timeout=self._session.timeout,
        )


def _targets(value: types.TensorData | Sequence[Sequence[int]]) -> types.TensorData:
    """Tokens to score, as a matrix; shorter lists are filled up with -1.

    Raises:
        InvalidArgumentError: they are none.
    """
    field = "target_prompt_logprobs"
    if isinstance(value, types.TensorData):
        if value.dtype == "float32" or len(value.shape) != 2:
            raise InvalidArgumentError(
                f"must be int64 (prompt length - 1, k), not {value.dtype} {value.shape}", field
            )
        return value.copy()
    if not isinstance(value, Iterable):
        raise refused("a tensor, or a list of token ids for each row", value, field)
    rows = [numbers(row, "int64", f"{field}[{index}]") for index, row in enumerate(value)]
    if any(row.ndim != 1 for row in rows):
        raise InvalidArgumentError("must have a list of token ids for each row", field)
    matrix = np.full((len(rows), max((len(row) for row in rows), default=0)), -1, np.int64)
    for row, tokens in zip(matrix, rows, strict=True):
        row[: len(tokens)] = tokens
    return types.TensorData.from_numpy(matrix)


def _last_n(last: int, prompt: types.ModelInput) -> int:
    instance(prompt, types.ModelInput, "prompt")
    last = whole(last, "prompt_logprobs_last_n")
    if not 0 < last < max(2, prompt.length):
        raise InvalidArgumentError(
            "must be between 1 and the number of tokens less 1", "prompt_logprobs_last_n"
        )
    return last


def _response(answer: Answer, targets: types.TensorData | None = None) -> types.SampleResponse:
    message = answer.read(sampling_pb2.SampleResponse)
    reader = Reader(answer.attachments)
    key = f"{answer.header.stream}:{answer.header.seq}"
    return types.SampleResponse(
        [reader.sequence(sequence, key) for sequence in message.sequences],
        reader.array(message.prompt_logprobs) if message.HasField("prompt_logprobs") else None,
        reader.topk(message.topk_prompt_logprobs)
        if message.HasField("topk_prompt_logprobs")
        else None,
        targets.with_values(reader.array(message.target_prompt_logprobs))
        if targets is not None
        else None,
        answer.header.cache_hit_tokens,
        seed=message.seed,
    )


def _logprobs(answer: Answer) -> list[float | None]:
    message = answer.read(sampling_pb2.ComputeLogprobsResponse)
    return optional_floats(Reader(answer.attachments).array(message.logprobs))
