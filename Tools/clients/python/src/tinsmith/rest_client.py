"""Calls about checkpoints, models, sessions and the service itself."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Literal, TypeVar, get_args

from tinsmith import types
from tinsmith._arguments import (
    choice,
    filled,
    instance,
    only,
    optional,
    refused,
    text,
    whole,
)
from tinsmith._codec import (
    Reader,
    capabilities,
    checkpoint,
    numbers,
    sampler,
    session,
    text_pairs,
    training_run,
)
from tinsmith._handle import shared_session
from tinsmith._model_state import seconds
from tinsmith._rpc.call import Answer
from tinsmith._rpc.endpoint import endpoint_of
from tinsmith._session import Session
from tinsmith.errors import DataLossError, InvalidArgumentError
from tinsmith.future import APIFuture, flat_then
from tinsmith.types.checkpoints import SCHEME, CheckpointType
from tinsmith.v1 import admin_pb2, checkpoints_pb2, sessions_pb2
from tinsmith.v1 import envelope_pb2 as pb

T = TypeVar("T")
AccessScope = Literal["owned", "accessible"]
"""What is the user's, or what others have published, too."""
PIECE_BYTES = 8 << 20
"""Of a file that is fetched piece by piece; the most that the service sends at once."""


class RestClient:
    """Lists, reads and changes checkpoints; lists what else there is; says what the service offers.

    A session, its sampling sessions and its models are listed while the session lives, a model that
    has checkpoints as long as one of them is there. Everybody sees their own.

    The name is that of the tinker SDK, whose calls these are; they travel as all others do.
    `ServiceClient.create_rest_client()` makes one in its session. One that is made without needs
    nothing else and no closing: it shares a session of this process, which begins with the first
    call that needs one.

    Args:
        session: of a service client.
        base_url: as of `ServiceClient`, where there is none.
        api_key: likewise.

    Raises:
        InvalidArgumentError: it is no address, or there are both.
    """

    def __init__(
        self,
        session: Session | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        if session is None:
            session = shared_session(endpoint_of(base_url), api_key)
        else:
            only(None, base_url, "base_url", "the session has its own")
            only(None, api_key, "api_key", "the session has its own")
        self._session = instance(session, Session, "session")

    # The service.

    def get_server_capabilities(self) -> APIFuture[types.GetServerCapabilitiesResponse]:
        """Base models and loss functions. Needs no session."""
        answer = self._session.call_without_session(
            pb.METHOD_ADMIN_CAPABILITIES, admin_pb2.CapabilitiesRequest()
        )
        return APIFuture(answer, lambda a: capabilities(a.read(admin_pb2.CapabilitiesResponse)))

    def get_stats(self) -> APIFuture[dict[str, float]]:
        """Counters and gauges of the service by name. Needs no session."""
        answer = self._session.call_without_session(pb.METHOD_ADMIN_STATS, admin_pb2.StatsRequest())
        return APIFuture(answer, lambda a: numbers(a.read(admin_pb2.StatsResponse).values))

    def ping(self, payload: bytes = b"") -> APIFuture[bytes]:
        """A round trip to the service's router; answers the payload. Needs no session."""
        request = admin_pb2.PingRequest()
        if instance(payload, bytes, "payload"):
            request.payload.raw = payload
        answer = self._session.call_without_session(pb.METHOD_ADMIN_PING, request)
        return APIFuture(answer, _payload)

    # Checkpoints.

    def list_checkpoints(
        self, training_run_id: types.ModelID
    ) -> APIFuture[types.CheckpointsListResponse]:
        """All checkpoints of a model, newest first."""
        filled(training_run_id, "training_run_id")
        return APIFuture(self._checkpoints(training_run_id, None), types.CheckpointsListResponse)

    async def list_checkpoints_async(
        self, training_run_id: types.ModelID
    ) -> types.CheckpointsListResponse:
        """As `list_checkpoints`."""
        return await self.list_checkpoints(training_run_id)

    def list_user_checkpoints(
        self, limit: int = 100, offset: int = 0
    ) -> APIFuture[types.CheckpointsListResponse]:
        """Checkpoints of all models of the user, newest first."""
        _check_part(limit, offset)
        return APIFuture(
            self._checkpoints("", offset + limit),
            lambda found: types.CheckpointsListResponse(found[offset : offset + limit]),
        )

    async def list_user_checkpoints_async(
        self, limit: int = 100, offset: int = 0
    ) -> types.CheckpointsListResponse:
        """As `list_user_checkpoints`."""
        return await self.list_user_checkpoints(limit, offset)

    def get_checkpoint(self, tinker_path: str) -> APIFuture[types.Checkpoint]:
        """What a checkpoint is."""
        return self._ask_of_path(pb.METHOD_CHECKPOINTS_INFO, tinker_path)

    async def get_weights_info_by_tinker_path_async(
        self, tinker_path: str
    ) -> types.WeightsInfoResponse:
        """As `get_weights_info_by_tinker_path`."""
        return await self.get_weights_info_by_tinker_path(tinker_path)

    def get_weights_info_by_tinker_path(
        self, tinker_path: str
    ) -> APIFuture[types.WeightsInfoResponse]:
        """What a model made from a checkpoint will be."""

        def decode(answer: Answer) -> types.WeightsInfoResponse:
            message = answer.read(checkpoints_pb2.Checkpoint)
            return types.WeightsInfoResponse(
                message.base_model,
                True,
                message.rank,
                message.train_unembed,
                message.train_mlp,
                message.train_attn,
            )

        return self._session.ask(pb.METHOD_CHECKPOINTS_INFO, _of_path(tinker_path), decode)

    # Models.

    def get_training_run(
        self, training_run_id: types.ModelID, access_scope: AccessScope = "owned"
    ) -> APIFuture[types.TrainingRun]:
        """What a model is; also another user's, as far as its checkpoints are published.

        Args:
            access_scope: one that is asked for by its id is found in either.
        """
        _check_scope(access_scope)
        request = sessions_pb2.RunRequest(model_id=text(training_run_id, "training_run_id"))
        return self._session.ask(pb.METHOD_SESSIONS_RUN, request, _training_run)

    async def get_training_run_async(
        self, training_run_id: types.ModelID, access_scope: AccessScope = "owned"
    ) -> types.TrainingRun:
        """As `get_training_run`."""
        return await self.get_training_run(training_run_id, access_scope)

    def get_training_run_by_tinker_path(
        self, tinker_path: str, access_scope: AccessScope = "owned"
    ) -> APIFuture[types.TrainingRun]:
        """The model that wrote a checkpoint; `access_scope` as of `get_training_run`."""
        _check_scope(access_scope)

        def ask(answer: Answer) -> Future[Answer]:
            model = answer.read(checkpoints_pb2.Checkpoint).model_id
            return self._session.call(
                pb.METHOD_SESSIONS_RUN, sessions_pb2.RunRequest(model_id=model)
            )

        found = self._session.call(pb.METHOD_CHECKPOINTS_INFO, _of_path(tinker_path))
        return APIFuture(flat_then(found, ask), _training_run)

    async def get_training_run_by_tinker_path_async(
        self, tinker_path: str, access_scope: AccessScope = "owned"
    ) -> types.TrainingRun:
        """As `get_training_run_by_tinker_path`."""
        return await self.get_training_run_by_tinker_path(tinker_path, access_scope)

    def list_training_runs(
        self,
        limit: int = 20,
        offset: int = 0,
        access_scope: AccessScope = "owned",
        project_id: None = None,
    ) -> APIFuture[types.TrainingRunsResponse]:
        """The user's models, the one that changed last first.

        Raises:
            InvalidArgumentError: an `access_scope` of others' models, as lists are of one's own; or
                a project, as models are not kept by their session's.
        """
        _check_part(limit, offset)
        _check_scope(access_scope, lists=True)
        only(None, project_id, "project_id", "models are not kept by project")

        def read(answer: Answer) -> tuple[Iterable[types.TrainingRun], str]:
            page = answer.read(sessions_pb2.ListRunsResponse)
            return map(training_run, page.runs), page.next_page_token

        def decode(found: list[types.TrainingRun]) -> types.TrainingRunsResponse:
            found.sort(key=lambda run: run.last_request_time, reverse=True)
            cursor = types.Cursor(offset, limit, len(found))
            return types.TrainingRunsResponse(found[offset : offset + limit], cursor)

        def request(token: str) -> sessions_pb2.ListRunsRequest:
            return sessions_pb2.ListRunsRequest(limit=1024, page_token=token)

        return APIFuture(self._pages(pb.METHOD_SESSIONS_LIST_RUNS, request, read), decode)

    async def list_training_runs_async(
        self,
        limit: int = 20,
        offset: int = 0,
        access_scope: AccessScope = "owned",
        project_id: None = None,
    ) -> types.TrainingRunsResponse:
        """As `list_training_runs`."""
        return await self.list_training_runs(limit, offset, access_scope, project_id)

    # Sessions.

    def get_session(
        self, session_id: str, access_scope: AccessScope = "owned"
    ) -> APIFuture[types.GetSessionResponse]:
        """What a session is, and what was made in it; nobody sees another's in any scope."""
        _check_scope(access_scope)
        request = sessions_pb2.SessionInfoRequest(session_id=text(session_id, "session_id"))
        return self._session.ask(
            pb.METHOD_SESSIONS_INFO,
            request,
            lambda answer: session(answer.read(sessions_pb2.SessionInfo)),
        )

    async def get_session_async(
        self, session_id: str, access_scope: AccessScope = "owned"
    ) -> types.GetSessionResponse:
        """As `get_session`."""
        return await self.get_session(session_id, access_scope)

    def list_sessions(
        self, limit: int = 20, offset: int = 0, access_scope: AccessScope = "owned"
    ) -> APIFuture[types.ListSessionsResponse]:
        """The user's sessions, newest first.

        Raises:
            InvalidArgumentError: an `access_scope` of others' sessions; lists are of one's own.
        """
        _check_part(limit, offset)
        _check_scope(access_scope, lists=True)

        def read(answer: Answer) -> tuple[Iterable[str], str]:
            page = answer.read(sessions_pb2.ListSessionsResponse)
            return (each.session_id for each in page.sessions), page.next_page_token

        def request(token: str) -> sessions_pb2.ListSessionsRequest:
            return sessions_pb2.ListSessionsRequest(page_token=token)

        return APIFuture(
            self._pages(pb.METHOD_SESSIONS_LIST, request, read, offset + limit),
            lambda found: types.ListSessionsResponse(found[offset : offset + limit]),
        )

    async def list_sessions_async(
        self, limit: int = 20, offset: int = 0, access_scope: AccessScope = "owned"
    ) -> types.ListSessionsResponse:
        """As `list_sessions`."""
        return await self.list_sessions(limit, offset, access_scope)

    def get_sampler(self, sampler_id: str) -> APIFuture[types.GetSamplerResponse]:
        """What a sampling session samples from; of the last 1,024 of a session."""
        request = sessions_pb2.SamplerRequest(sampling_session_id=text(sampler_id, "sampler_id"))
        return self._session.ask(
            pb.METHOD_SESSIONS_SAMPLER,
            request,
            lambda answer: sampler(answer.read(sessions_pb2.SamplerInfo)),
        )

    async def get_sampler_async(self, sampler_id: str) -> types.GetSamplerResponse:
        """As `get_sampler`."""
        return await self.get_sampler(sampler_id)

    # Changing checkpoints.

    def delete_checkpoint(
        self, training_run_id: types.ModelID, checkpoint_id: str
    ) -> APIFuture[None]:
        """Deletes a checkpoint; `checkpoint_id` is `weights/<name>` or `sampler_weights/<name>`."""
        model, name = text(training_run_id, "training_run_id"), text(checkpoint_id, "checkpoint_id")
        return self.delete_checkpoint_from_tinker_path(f"{SCHEME}{model}/{name}")

    async def delete_checkpoint_async(
        self, training_run_id: types.ModelID, checkpoint_id: str
    ) -> None:
        """As `delete_checkpoint`."""
        await self.delete_checkpoint(training_run_id, checkpoint_id)

    def delete_checkpoint_from_tinker_path(self, tinker_path: str) -> APIFuture[None]:
        """Deletes a checkpoint."""
        request = _of_path(tinker_path)
        return self._session.ask(pb.METHOD_CHECKPOINTS_DELETE, request, lambda answer: None)

    async def delete_checkpoint_from_tinker_path_async(self, tinker_path: str) -> None:
        """As `delete_checkpoint_from_tinker_path`."""
        await self.delete_checkpoint_from_tinker_path(tinker_path)

    def set_checkpoint_ttl_from_tinker_path(
        self, tinker_path: str, ttl_seconds: int | None
    ) -> APIFuture[types.Checkpoint]:
        """Changes when a checkpoint is deleted: seconds from now, or None for never."""
        request = checkpoints_pb2.SetCheckpointTtlRequest(
            path=text(tinker_path, "tinker_path"), ttl_seconds=seconds(ttl_seconds)
        )
        return self._session.ask(pb.METHOD_CHECKPOINTS_SET_TTL, request, _checkpoint)

    async def set_checkpoint_ttl_from_tinker_path_async(
        self, tinker_path: str, ttl_seconds: int | None
    ) -> types.Checkpoint:
        """As `set_checkpoint_ttl_from_tinker_path`."""
        return await self.set_checkpoint_ttl_from_tinker_path(tinker_path, ttl_seconds)

    def publish_checkpoint_from_tinker_path(self, tinker_path: str) -> APIFuture[types.Checkpoint]:
        """Makes a checkpoint readable by other users."""
        return self._ask_of_path(pb.METHOD_CHECKPOINTS_PUBLISH, tinker_path)

    async def publish_checkpoint_from_tinker_path_async(self, tinker_path: str) -> types.Checkpoint:
        """As `publish_checkpoint_from_tinker_path`."""
        return await self.publish_checkpoint_from_tinker_path(tinker_path)

    def unpublish_checkpoint_from_tinker_path(
        self, tinker_path: str
    ) -> APIFuture[types.Checkpoint]:
        """Ends that."""
        return self._ask_of_path(pb.METHOD_CHECKPOINTS_UNPUBLISH, tinker_path)

    async def unpublish_checkpoint_from_tinker_path_async(
        self, tinker_path: str
    ) -> types.Checkpoint:
        """As `unpublish_checkpoint_from_tinker_path`."""
        return await self.unpublish_checkpoint_from_tinker_path(tinker_path)

    def export_checkpoint(self, tinker_path: str) -> APIFuture[dict[str, bytes]]:
        """The files of a checkpoint by name; those of a sampler checkpoint are what PEFT loads."""

        def decode(answer: Answer) -> dict[str, bytes]:
            message = answer.read(checkpoints_pb2.ExportCheckpointResponse)
            reader = Reader(answer.attachments)
            return {file.name: reader.content(file.content, "place") for file in message.files}

        return self._session.ask(pb.METHOD_CHECKPOINTS_EXPORT, _of_path(tinker_path), decode)

    def download_checkpoint(self, tinker_path: str, folder: str | pathlib.Path) -> list[str]:
        """Writes the files of a checkpoint into a folder, which is made; returns their names.

        Raises:
            OSError: a file cannot be written.
        """
        text(tinker_path, "tinker_path")
        target = _folder(folder)
        target.mkdir(parents=True, exist_ok=True)
        files = self.export_checkpoint(tinker_path).result()
        for name, content in files.items():
            if pathlib.Path(name).name != name:
                raise InvalidArgumentError(f"the service names a file {name!r}", "name")
            (target / name).write_bytes(content)
        return sorted(files)

    def copy_checkpoint_from_tinker_path(
        self, tinker_path: str, name: str | None = None, ttl_seconds: int | None = None
    ) -> APIFuture[types.Checkpoint]:
        """Copies a checkpoint, also one that another user has published; the copy is yours.

        Args:
            name: of the copy; None takes that of the original.
            ttl_seconds: when the copy is deleted; None for never.
        """
        request = checkpoints_pb2.CopyCheckpointRequest(
            path=text(tinker_path, "tinker_path"),
            name=optional(text, name, "name"),
            ttl_seconds=seconds(ttl_seconds),
        )
        return self._session.ask(pb.METHOD_CHECKPOINTS_COPY, request, _checkpoint)

    def import_checkpoint(
        self,
        folder: str | pathlib.Path,
        base_model: str,
        name: str | None = None,
        checkpoint_type: CheckpointType = "training",
        user_metadata: dict[str, str] | None = None,
    ) -> APIFuture[types.Checkpoint]:
        """Makes a checkpoint of an adapter in PEFT's layout.

        Args:
            folder: holds `adapter_config.json` and `adapter_model.safetensors`.
            base_model: the base model that the adapter belongs to.
            name: of the checkpoint; None takes that of the folder.
            checkpoint_type: what it is to be for; training begins with a fresh optimizer.
            user_metadata: free text, kept with the checkpoint.

        Raises:
            OSError: a file cannot be read.
        """
        source = _folder(folder)
        kinds = {
            "training": checkpoints_pb2.CHECKPOINT_KIND_TRAINING,
            "sampler": checkpoints_pb2.CHECKPOINT_KIND_SAMPLER,
        }
        request = checkpoints_pb2.ImportCheckpointRequest(
            name=optional(text, name, "name") or source.resolve().name,
            kind=kinds[choice(checkpoint_type, kinds, "checkpoint_type")],
            base_model=text(base_model, "base_model"),
        )
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            request.files.add(name=file).content.raw = (source / file).read_bytes()
        text_pairs(request.user_metadata, user_metadata)
        return self._session.ask(pb.METHOD_CHECKPOINTS_IMPORT, request, _checkpoint)

    def download_merged_model(self, tinker_path: str, folder: str | pathlib.Path) -> list[str]:
        """Writes base model and adapter merged into one, as a Hugging Face folder.

        The folder is made. Returns the names of the files.

        Raises:
            OSError: a file cannot be written.
        """
        request = _of_path(tinker_path)
        target = _folder(folder)
        target.mkdir(parents=True, exist_ok=True)
        export = self._session.ask(
            pb.METHOD_CHECKPOINTS_EXPORT_MERGED,
            request,
            lambda answer: answer.read(checkpoints_pb2.ExportMergedResponse),
        ).result()
        for file in export.files:
            if pathlib.Path(file.name).name != file.name:
                raise InvalidArgumentError(f"the service names a file {file.name!r}", "name")
            digest = hashlib.sha256()
            with open(target / file.name, "wb") as written:
                while written.tell() < file.size_bytes:
                    piece = self._read_export(export.export_id, file.name, written.tell())
                    digest.update(piece)
                    written.write(piece)
            if digest.hexdigest() != file.sha256:
                raise DataLossError(f"{file.name} was damaged on the way")
        return sorted(file.name for file in export.files)

    def _read_export(self, export_id: str, file: str, offset: int) -> bytes:
        def decode(answer: Answer) -> bytes:
            message = answer.read(checkpoints_pb2.ReadExportResponse)
            return Reader(answer.attachments).content(message.content, "place")

        request = checkpoints_pb2.ReadExportRequest(
            export_id=export_id, file=file, offset=offset, length=PIECE_BYTES
        )
        piece = self._session.ask(pb.METHOD_CHECKPOINTS_READ_EXPORT, request, decode).result()
        if not piece:
            raise DataLossError(f"{file} ends too early")
        return piece

    def _ask_of_path(self, method: pb.Method, path: str) -> APIFuture[types.Checkpoint]:
        return self._session.ask(method, _of_path(path), _checkpoint)

    def _checkpoints(self, model_id: str, limit: int | None) -> Future[list[types.Checkpoint]]:
        """Checkpoints of a model, or of all, until there are `limit` or no more."""

        def read(answer: Answer) -> tuple[Iterable[types.Checkpoint], str]:
            page = answer.read(checkpoints_pb2.ListCheckpointsResponse)
            return map(checkpoint, page.checkpoints), page.next_page_token

        def request(token: str) -> checkpoints_pb2.ListCheckpointsRequest:
            return checkpoints_pb2.ListCheckpointsRequest(model_id=model_id, page_token=token)

        return self._pages(pb.METHOD_CHECKPOINTS_LIST, request, read, limit)

    def _pages(
        self,
        method: pb.Method,
        request: Callable[[str], Any],
        read: Callable[[Answer], tuple[Iterable[T], str]],
        limit: int | None = None,
    ) -> Future[list[T]]:
        """Items page by page, until there are `limit` or no more.

        Args:
            method: the call that gives a page.
            request: what to send for the page behind a token.
            read: an answer's items, and the token of the next page, "" for none.
            limit: how many items are enough; None for all.
        """
        found: list[T] = []

        def add(answer: Answer) -> Future[list[T]]:
            items, token = read(answer)
            found.extend(items)
            if token and (limit is None or len(found) < limit):
                return ask(token)
            done: Future[list[T]] = Future()
            done.set_result(found)
            return done

        def ask(token: str) -> Future[list[T]]:
            return flat_then(self._session.call(method, request(token)), add)

        return ask("")


def _check_part(limit: int, offset: int) -> None:
    whole(limit, "limit", 1)
    whole(offset, "offset", 0)


def _check_scope(scope: str, *, lists: bool = False) -> None:
    choice(scope, get_args(AccessScope), "access_scope")
    if lists:
        reason = "lists are of one's own; what others have published is asked for by its id or path"
        only("owned", scope, "access_scope", reason)


def _of_path(tinker_path: str) -> checkpoints_pb2.CheckpointRequest:
    return checkpoints_pb2.CheckpointRequest(path=text(tinker_path, "tinker_path"))


def _folder(folder: str | pathlib.Path) -> pathlib.Path:
    try:
        return pathlib.Path(folder)
    except TypeError:
        raise refused("a path", folder, "folder") from None


def _training_run(answer: Answer) -> types.TrainingRun:
    return training_run(answer.read(sessions_pb2.RunInfo))


def _checkpoint(answer: Answer) -> types.Checkpoint:
    return checkpoint(answer.read(checkpoints_pb2.Checkpoint))


def _payload(answer: Answer) -> bytes:
    payload = answer.read(admin_pb2.PingResponse).payload
    return Reader(answer.attachments).content(payload, "place")
