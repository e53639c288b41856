"""The way into a service: makes training and sampling clients."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Literal

from tinsmith import types
from tinsmith._arguments import (
    choice,
    filled,
    flag,
    no_access_token,
    number,
    only,
    optional,
    refused,
    text,
    text_by_key,
    texts,
    whole,
)
from tinsmith._codec import model_info, seed_bits, text_pairs
from tinsmith._resume import ResumePoint
from tinsmith._rpc.call import Answer, Call, Stream
from tinsmith._rpc.channel import Channel
from tinsmith._rpc.endpoint import endpoint_of
from tinsmith._session import Description, Established, Session
from tinsmith.errors import InvalidArgumentError, TinsmithError
from tinsmith.future import APIFuture, then
from tinsmith.rest_client import RestClient
from tinsmith.sampling_client import SamplingClient
from tinsmith.training_client import TrainingClient
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sessions_pb2, training_pb2

LONGEST_FAREWELL = 5.0
"""Seconds that the answer to the end of a session is waited for."""

Ending = Literal["success", "errored", "interrupted"]
_REASONS = {
    "success": sessions_pb2.FINISH_REASON_SUCCESS,
    "errored": sessions_pb2.FINISH_REASON_ERRORED,
    "interrupted": sessions_pb2.FINISH_REASON_INTERRUPTED,
}


class ServiceClient:
    """A client of a service. Nothing is sent before the first call.

    A session is created at the first call that needs one and lives until `close`, the end of a
    `with` block, or until the service has not heard of this process for its lease.

    Args:
        user_metadata: free text, kept with the session.
        project_id: sessions of one project are accounted together.
        display_name: a name of the session for people.
        base_url: the service's endpoint, e.g. `tcp://host:7410` or `ipc:///path`; else
            `TINSMITH_BASE_URL`, else the port of this machine that `tinsmith serve` uses. Anything
            else is an `InvalidArgumentError`.
        api_key: the user's key; else `TINSMITH_API_KEY`. Empty where the service asks for none.
        default_headers_overrides: as the tinker SDK has it; there are no HTTP headers here.
        tags: free labels.
        timeout: seconds that each answer is wanted; None for ever.
        patience: seconds that a service that cannot be reached, or is too busy, is waited for.
        max_inflight_bytes: encoded requests kept in this process; calls wait while there are more.

    Raises:
        InvalidArgumentError: one is of another kind.
    """

    def __init__(
        self,
        user_metadata: Mapping[str, str] | None = None,
        project_id: str | None = None,
        *,
        display_name: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        default_headers_overrides: Mapping[str, str] | None = None,
        tags: Sequence[str] = (),
        timeout: float | None = None,
        patience: float = 300.0,
        max_inflight_bytes: int = 256 << 20,
    ) -> None:
        only(
            {},
            text_by_key(default_headers_overrides, "default_headers_overrides"),
            "default_headers_overrides",
            "the service is not reached over HTTP",
        )
        description = Description(
            optional(text, api_key, "api_key") or os.environ.get("TINSMITH_API_KEY", ""),
            optional(text, display_name, "display_name") or "",
            optional(text, project_id, "project_id") or "",
            texts(tags, "tags"),
            text_by_key(user_metadata, "user_metadata"),
        )
        channel = Channel(
            endpoint_of(base_url),
            max_inflight_bytes=whole(max_inflight_bytes, "max_inflight_bytes", 1),
            patience=number(patience, "patience", 0),
        )
        self._session = Session(channel, description, optional(number, timeout, "timeout", 0))

    # Training.

    def create_lora_training_client(
        self,
        base_model: str,
        rank: int = 32,
        seed: int | None = None,
        train_mlp: bool = True,
        train_attn: bool = True,
        train_unembed: bool = True,
        user_metadata: Mapping[str, str] | None = None,
        optimizer: types.AdamOptimizerConfig | None = None,
        *,
        alpha: float | None = None,
    ) -> TrainingClient:
        """A new adapter on a base model.

        Args:
            base_model: a name from `get_server_capabilities`.
            rank: rank of the factors, at least 1.
            seed: of the initial weights; None derives one from the model's id.
            train_mlp: whether the MLP layers have an adapter.
            train_attn: whether the attention layers have one.
            train_unembed: whether the output head has one.
            user_metadata: free text, kept with the model.
            optimizer: None or AdamW.
            alpha: the adapter's product is scaled by alpha / rank; None is 32.

        Raises:
            InvalidArgumentError: one is of another kind, or the rank is not positive.
        """
        _check_adamw(optimizer)
        lora = training_pb2.LoraConfig(
            rank=whole(rank, "lora.rank", 1, bits=32),
            seed=optional(seed_bits, seed, "lora.seed"),
            alpha=optional(number, alpha, "lora.alpha"),
            train_mlp=flag(train_mlp, "lora.train_mlp"),
            train_attn=flag(train_attn, "lora.train_attn"),
            train_unembed=flag(train_unembed, "lora.train_unembed"),
        )
        request = training_pb2.CreateModelRequest(
            base_model=text(base_model, "base_model"), lora=lora
        )
        return self._create(request, user_metadata)

    async def create_lora_training_client_async(
        self,
        base_model: str,
        rank: int = 32,
        seed: int | None = None,
        train_mlp: bool = True,
        train_attn: bool = True,
        train_unembed: bool = True,
        user_metadata: Mapping[str, str] | None = None,
        optimizer: types.AdamOptimizerConfig | None = None,
        *,
        alpha: float | None = None,
    ) -> TrainingClient:
        """As `create_lora_training_client`."""
        return await self.create_lora_training_client(
            base_model,
            rank,
            seed,
            train_mlp,
            train_attn,
            train_unembed,
            user_metadata,
            optimizer,
            alpha=alpha,
        )

    def create_training_client_from_state(
        self,
        path: str,
        base_model: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
        weights_access_token: None = None,
        optimizer: types.AdamOptimizerConfig | None = None,
    ) -> TrainingClient:
        """A model that continues from a checkpoint's weights with a fresh optimizer.

        Args:
            path: of a checkpoint that `save_state` wrote; rank and targets are the checkpoint's.
            base_model: name of the base model that the checkpoint must be of, if it matters.
            user_metadata: free text, kept with the model.
            weights_access_token: as the tinker SDK has it; here what is published needs none.
            optimizer: None or AdamW.

        Raises:
            InvalidArgumentError: something cannot be sent, or is not there.
        """
        _check_adamw(optimizer)
        return self._create_from(path, False, base_model, user_metadata, weights_access_token)

    async def create_training_client_from_state_async(
        self,
        path: str,
        base_model: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
        weights_access_token: None = None,
        optimizer: types.AdamOptimizerConfig | None = None,
    ) -> TrainingClient:
        """As `create_training_client_from_state`."""
        return await self.create_training_client_from_state(
            path, base_model, user_metadata, weights_access_token, optimizer
        )

    def create_training_client_from_state_with_optimizer(
        self,
        path: str,
        base_model: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
        weights_access_token: None = None,
    ) -> TrainingClient:
        """A model that continues from a checkpoint as if there had been no interruption.

        As `create_training_client_from_state`.
        """
        return self._create_from(path, True, base_model, user_metadata, weights_access_token)

    async def create_training_client_from_state_with_optimizer_async(
        self,
        path: str,
        base_model: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
        weights_access_token: None = None,
    ) -> TrainingClient:
        """As `create_training_client_from_state_with_optimizer`."""
        return await self.create_training_client_from_state_with_optimizer(
            path, base_model, user_metadata, weights_access_token
        )

    def resume_training_client(self, handle: str) -> TrainingClient:
        """Goes on where another process was: the same model, from the next request on.

        The program makes the same calls again from where `get_resume_handle` was called. Those
        that ran before are not run again: their recorded answers come back, at most the last 256.
        A call with other contents than before is refused.

        Args:
            handle: what `TrainingClient.get_resume_handle` gave in this session's lifetime; a
                session ends 10 minutes after its last word.

        Raises:
            InvalidArgumentError: it is no such handle.
            FailedPreconditionError: this client has begun another session.
        """
        point = ResumePoint.of(handle)
        known = Established(point.session_id, point.token)
        self._session.adopt(known, point.models, point.samplers)
        sender = self._session.sender(lambda _: Stream(point.info.model_id, point.seq))
        info: Future[types.GetInfoResponse] = Future()
        info.set_result(point.info)
        return TrainingClient(self._session, sender, info)

    def _create_from(
        self,
        path: str,
        with_optimizer: bool,
        base_model: str | None,
        user_metadata: Mapping[str, str] | None,
        weights_access_token: None,
    ) -> TrainingClient:
        no_access_token(weights_access_token)
        request = training_pb2.CreateModelRequest(
            from_path=filled(path, "path"),
            from_optimizer=with_optimizer,
            base_model=optional(text, base_model, "base_model"),
        )
        return self._create(request, user_metadata)

    def _create(
        self, request: training_pb2.CreateModelRequest, user_metadata: Mapping[str, str] | None
    ) -> TrainingClient:
        text_pairs(request.user_metadata, user_metadata)
        number = self._session.next_model()
        sender = self._session.sender(lambda s: Stream(f"{s.session_id}:train:{number}"))
        call = Call(
            pb.METHOD_TRAINING_CREATE_MODEL,
            [request.SerializeToString()],
            timeout=self._session.timeout,
        )
        call.taken = True
        sender.send([call])
        return TrainingClient(self._session, sender, then(call.future, _created))

    # Sampling and the rest.

    def create_sampling_client(
        self,
        model_path: str | None = None,
        base_model: str | None = None,
        retry_config: Any = None,
        record_stability_info: bool = False,
    ) -> SamplingClient:
        """Samples from a checkpoint of `save_weights_for_sampler`, or from a base model as it is.

        Args:
            model_path: of the checkpoint.
            base_model: name of the base model; with a checkpoint, of the one that it must be of.
            retry_config: as the tinker SDK has it, without effect: every client here asks again by
                itself, for as long as its `patience`.
            record_stability_info: likewise: no loss of this service reads such records.

        Raises:
            InvalidArgumentError: neither a path nor a base model was given.
        """
        if model_path is None and base_model is None:
            raise InvalidArgumentError("give a model_path or a base_model", "source")
        return SamplingClient.of(self._session, model_path, base_model)

    async def create_sampling_client_async(
        self,
        model_path: str | None = None,
        base_model: str | None = None,
        retry_config: Any = None,
        record_stability_info: bool = False,
    ) -> SamplingClient:
        """As `create_sampling_client`."""
        return await self.create_sampling_client(model_path, base_model)

    def create_rest_client(self) -> RestClient:
        """Calls about checkpoints and the service, in this client's session."""
        return RestClient(self._session)

    def get_server_capabilities(self) -> types.GetServerCapabilitiesResponse:
        """Base models and loss functions. Waits for the answer."""
        return self.create_rest_client().get_server_capabilities().result()

    async def get_server_capabilities_async(self) -> types.GetServerCapabilitiesResponse:
        """As `get_server_capabilities`."""
        return await self.create_rest_client().get_server_capabilities()

    async def ready_async(self) -> None:
        """Waits while this process holds too many bytes, so that the next call does not block."""
        while not self._session.channel.has_room():
            await asyncio.sleep(0.01)

    # The end.

    def close(self, status: Ending = "success", detail: str | None = None) -> APIFuture[None]:
        """Ends the session at the service, if there is one, and the connection.

        Calls without an answer fail with `UnavailableError`.

        Args:
            status: how it went.
            detail: the same for people.

        Returns:
            A future that is done when both have ended, after some seconds at most. Waiting for it
            is not necessary: the end of the program does.
        """
        reason = _REASONS[choice(status, _REASONS, "status")]
        detail = optional(text, detail, "detail") or ""
        channel = self._session.channel
        established = self._session.started()
        done: Future[None] = Future()
        finished: Future[Answer] | None = None
        if established is not None and established.done() and established.exception() is None:
            request = sessions_pb2.FinishSessionRequest(reason=reason, detail=detail)
            try:
                finished = self._session.call(pb.METHOD_SESSIONS_FINISH, request)
            except TinsmithError:
                pass  # It is closed already.

        def end() -> None:
            if finished is not None:
                # Else the session ends by its lease.
                wait([finished], LONGEST_FAREWELL)
            channel.close()
            done.set_result(None)

        if channel.process.is_this:
            # Not a daemon: the interpreter waits for it before it ends.
            threading.Thread(target=end, name="tinsmith-close").start()
        else:
            done.set_result(None)
        return APIFuture(done, lambda nothing: nothing)

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close().result()
        elif issubclass(kind, KeyboardInterrupt):
            self.close("interrupted").result()
        else:
            self.close("errored", repr(error)[:1000]).result()


def _check_adamw(optimizer: Any) -> None:
    if optimizer is not None and getattr(optimizer, "type", None) != "adamw":
        raise refused("AdamW, the one that this service has", optimizer, "optimizer")


def _created(answer: Answer) -> types.GetInfoResponse:
    return model_info(answer.read(training_pb2.CreateModelResponse).info)
