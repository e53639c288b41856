"""Saving and loading what a model has learned."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

from tinsmith import types
from tinsmith._arguments import filled, flag, no_access_token, only, optional, text, whole
from tinsmith._codec import text_pairs
from tinsmith._resume import ResumePoint, first_untaken
from tinsmith._rpc.call import Answer, Call
from tinsmith._sender import StreamSender
from tinsmith._session import Session
from tinsmith.future import APIFuture, then
from tinsmith.sampling_client import SamplingClient, Source
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sampling_pb2, training_pb2

T = TypeVar("T")


class ModelState:
    """The calls of a training client that write and read checkpoints."""

    def __init__(
        self, session: Session, sender: StreamSender, info: Future[types.GetInfoResponse]
    ) -> None:
        self._session = session
        self._sender = sender
        self._info = info

    def save_state(
        self,
        name: str,
        ttl_seconds: int | None = None,
        overwrite: bool = False,
        user_metadata: dict[str, str] | None = None,
        keep_last: int | None = None,
    ) -> APIFuture[types.SaveWeightsResponse]:
        """Writes a checkpoint from which training can go on: adapter and optimizer.

        Args:
            name: 1 to 128 letters, digits and `. _ -`.
            ttl_seconds: when it is deleted; None for never.
            overwrite: replace a checkpoint of that name, which is an error otherwise.
            user_metadata: free text, kept with the checkpoint.
            keep_last: delete the oldest of the model's training checkpoints beyond so many, this
                one counted and published ones not; None keeps all.
        """
        request = training_pb2.SaveStateRequest(
            name=text(name, "name"),
            overwrite=flag(overwrite, "overwrite"),
            ttl_seconds=seconds(ttl_seconds),
            keep_last=_count(keep_last),
        )
        text_pairs(request.user_metadata, user_metadata)
        return self._ask(pb.METHOD_TRAINING_SAVE_STATE, request, _saved_state)

    async def save_state_async(
        self,
        name: str,
        ttl_seconds: int | None = None,
        overwrite: bool = False,
        user_metadata: dict[str, str] | None = None,
        keep_last: int | None = None,
    ) -> APIFuture[types.SaveWeightsResponse]:
        """As `save_state`."""
        return self.save_state(name, ttl_seconds, overwrite, user_metadata, keep_last)

    def load_state(
        self, path: str, weights_access_token: None = None
    ) -> APIFuture[types.LoadWeightsResponse]:
        """Replaces the adapter by that of a checkpoint; the optimizer starts afresh.

        Args:
            path: of the checkpoint.
            weights_access_token: as the tinker SDK has it; here what is published needs none.
        """
        return self._load(path, weights_access_token, optimizer=False)

    async def load_state_async(
        self, path: str, weights_access_token: None = None
    ) -> APIFuture[types.LoadWeightsResponse]:
        """As `load_state`."""
        return self.load_state(path, weights_access_token)

    def load_state_with_optimizer(
        self, path: str, weights_access_token: None = None
    ) -> APIFuture[types.LoadWeightsResponse]:
        """Replaces adapter and optimizer state by those of a checkpoint. As `load_state`."""
        return self._load(path, weights_access_token, optimizer=True)

    async def load_state_with_optimizer_async(
        self, path: str, weights_access_token: None = None
    ) -> APIFuture[types.LoadWeightsResponse]:
        """As `load_state_with_optimizer`."""
        return self.load_state_with_optimizer(path, weights_access_token)

    def _load(
        self, path: str, weights_access_token: None, *, optimizer: bool
    ) -> APIFuture[types.LoadWeightsResponse]:
        no_access_token(weights_access_token)
        text(path, "path")
        return self._ask(
            pb.METHOD_TRAINING_LOAD_STATE,
            training_pb2.LoadStateRequest(path=path, optimizer=optimizer),
            lambda _: types.LoadWeightsResponse(path),
        )

    def save_weights_for_sampler(
        self,
        name: str,
        ttl_seconds: int | None = None,
        user_metadata: dict[str, str] | None = None,
        overwrite: bool = False,
        keep_last: int | None = None,
    ) -> APIFuture[types.SaveWeightsForSamplerResponse]:
        """Writes a checkpoint to sample from: the adapter alone. As `save_state`."""
        request = sampling_pb2.SaveWeightsForSamplerRequest(
            name=filled(name, "name"),
            overwrite=flag(overwrite, "overwrite"),
            ttl_seconds=seconds(ttl_seconds),
            keep_last=_count(keep_last),
        )
        text_pairs(request.user_metadata, user_metadata)
        return self._ask(pb.METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER, request, _saved_weights)

    async def save_weights_for_sampler_async(
        self,
        name: str,
        ttl_seconds: int | None = None,
        user_metadata: dict[str, str] | None = None,
        overwrite: bool = False,
        keep_last: int | None = None,
    ) -> APIFuture[types.SaveWeightsForSamplerResponse]:
        """As `save_weights_for_sampler`."""
        return self.save_weights_for_sampler(name, ttl_seconds, user_metadata, overwrite, keep_last)

    def save_weights_and_get_sampling_client(
        self,
        name: str | None = None,
        retry_config: Any = None,
        record_stability_info: bool = False,
        kind: Literal["snapshot"] = "snapshot",
        *,
        keep_last: int | None = None,
    ) -> SamplingClient:
        """A client that samples from the adapter as it is after the calls before this one.

        Args:
            name: of the checkpoint; without one the weights are gone with the session.
            retry_config: without effect, as of `ServiceClient.create_sampling_client`.
            record_stability_info: likewise.
            kind: as the tinker SDK has it; no client here samples from weights that change.
            keep_last: delete the oldest of the model's sampler checkpoints beyond so many.
        """
        only("snapshot", kind, "kind", "a sampling client keeps the weights that it began with")
        call = self._call(
            pb.METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER,
            sampling_pb2.SaveWeightsForSamplerRequest(
                name=optional(text, name, "name"), keep_last=_count(keep_last)
            ),
        )
        call.taken = True
        source = then(call.future, lambda answer: Source(model_path=_saved_weights(answer).path))
        return SamplingClient(self._session, source)

    async def save_weights_and_get_sampling_client_async(
        self,
        name: str | None = None,
        retry_config: Any = None,
        record_stability_info: bool = False,
        kind: Literal["snapshot"] = "snapshot",
        *,
        keep_last: int | None = None,
    ) -> SamplingClient:
        """As `save_weights_and_get_sampling_client`."""
        return await self.save_weights_and_get_sampling_client(name, kind=kind, keep_last=keep_last)

    def create_sampling_client(
        self, model_path: str, retry_config: Any = None, record_stability_info: bool = False
    ) -> SamplingClient:
        """A client that samples from a checkpoint of `save_weights_for_sampler`.

        As `ServiceClient.create_sampling_client`.
        """
        return SamplingClient.of(self._session, model_path=text(model_path, "model_path"))

    async def create_sampling_client_async(
        self, model_path: str, retry_config: Any = None, record_stability_info: bool = False
    ) -> SamplingClient:
        """As `create_sampling_client`."""
        return await self.create_sampling_client(model_path)

    def unload(self) -> APIFuture[None]:
        """Ends the model once the calls before this one have run. Its checkpoints stay."""
        return self._ask(
            pb.METHOD_TRAINING_UNLOAD, training_pb2.UnloadRequest(), lambda answer: None
        )

    def get_resume_handle(self) -> str:
        """Where this program is, for `ServiceClient.resume_training_client` in another process.

        It names the first request whose answer the program has not taken (by `result`, `await` or
        dropping the future). Save it together with the program's own progress. It holds the
        session's token: keep it as secret as a password.
        """
        info = self._info.result()
        stream = self._sender.stream
        assert stream is not None  # The model exists, so its stream does.
        established = self._session.established().result()
        models, samplers = self._session.numbers()
        return ResumePoint(
            established.session_id, established.token, models, samplers, first_untaken(stream), info
        ).text()

    def _call(self, method: pb.Method, message: Any, flags: int = 0) -> Call:
        body = [message.SerializeToString()]
        call = Call(method, body, flags=flags, timeout=self._session.timeout)
        self._sender.send([call])
        return call

    def _ask(
        self, method: pb.Method, message: Any, decode: Callable[[Answer], T], flags: int = 0
    ) -> APIFuture[T]:
        call = self._call(method, message, flags)
        return APIFuture(call.future, decode, [call], lambda: self._sender.cancel([call]))


def seconds(ttl_seconds: int | None) -> int | None:
    """When a checkpoint is deleted; None for never.

    Raises:
        InvalidArgumentError: it is before now.
    """
    return optional(whole, ttl_seconds, "ttl_seconds", 1, 64)


def _count(keep_last: int | None) -> int:
    return 0 if keep_last is None else whole(keep_last, "keep_last", 1, bits=32)


def _saved_state(answer: Answer) -> types.SaveWeightsResponse:
    return types.SaveWeightsResponse(answer.read(training_pb2.SaveStateResponse).path)


def _saved_weights(answer: Answer) -> types.SaveWeightsForSamplerResponse:
    message = answer.read(sampling_pb2.SaveWeightsForSamplerResponse)
    return types.SaveWeightsForSamplerResponse(message.path)
