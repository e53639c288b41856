"""Calls about checkpoints and the service itself."""

from __future__ import annotations

import hashlib
import pathlib
from concurrent.futures import Future

from tinsmith import types
from tinsmith._codec import Reader, capabilities, checkpoint, numbers, text_pairs, training_runs
from tinsmith._rpc.call import Answer
from tinsmith._session import Session
from tinsmith.errors import DataLossError, InvalidArgumentError, NotFoundError
from tinsmith.future import APIFuture, flat_then, then
from tinsmith.types.checkpoints import SCHEME, CheckpointType
from tinsmith.v1 import admin_pb2, checkpoints_pb2
from tinsmith.v1 import envelope_pb2 as pb

Page = checkpoints_pb2.ListCheckpointsResponse
PIECE_BYTES = 8 << 20
"""Of a file that is fetched piece by piece; the most that the service sends at once."""


class RestClient:
    """Lists, reads and changes checkpoints; says what the service offers.

    The name is that of the tinker SDK, whose calls these are; they travel as all others do.
    `ServiceClient.create_rest_client()` makes one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

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
        if payload:
            request.payload.raw = payload
        answer = self._session.call_without_session(pb.METHOD_ADMIN_PING, request)
        return APIFuture(answer, _payload)

    # Checkpoints.

    def list_checkpoints(
        self, training_run_id: types.ModelID
    ) -> APIFuture[types.CheckpointsListResponse]:
        """All checkpoints of a model, newest first."""
        return APIFuture(self._pages(training_run_id, None), types.CheckpointsListResponse)

    async def list_checkpoints_async(
        self, training_run_id: types.ModelID
    ) -> types.CheckpointsListResponse:
        """As `list_checkpoints`."""
        return await self.list_checkpoints(training_run_id)

    def list_user_checkpoints(
        self, limit: int = 100, offset: int = 0
    ) -> APIFuture[types.CheckpointsListResponse]:
        """Checkpoints of all models of the user, newest first."""
        if limit < 1 or offset < 0:
            raise InvalidArgumentError("limit must be at least 1 and offset at least 0", "limit")
        return APIFuture(
            self._pages("", offset + limit),
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

        request = checkpoints_pb2.CheckpointRequest(path=tinker_path)
        return self._session.ask(pb.METHOD_CHECKPOINTS_INFO, request, decode)

    # Models, as far as their checkpoints know them.

    def get_training_run(self, training_run_id: types.ModelID) -> APIFuture[types.TrainingRun]:
        """What a model is; of one that has no checkpoints the service has no record."""

        def decode(found: list[types.Checkpoint]) -> types.TrainingRun:
            if not found:
                raise NotFoundError("no checkpoints of this model", "training_run_id")
            return training_runs(found)[0]

        return APIFuture(self._pages(training_run_id, None), decode)

    async def get_training_run_async(self, training_run_id: types.ModelID) -> types.TrainingRun:
        """As `get_training_run`."""
        return await self.get_training_run(training_run_id)

    def get_training_run_by_tinker_path(self, tinker_path: str) -> APIFuture[types.TrainingRun]:
        """The model that wrote a checkpoint, as this checkpoint knows it."""
        request = checkpoints_pb2.CheckpointRequest(path=tinker_path)
        return self._session.ask(
            pb.METHOD_CHECKPOINTS_INFO,
            request,
            lambda answer: training_runs([_checkpoint(answer)])[0],
        )

    async def get_training_run_by_tinker_path_async(self, tinker_path: str) -> types.TrainingRun:
        """As `get_training_run_by_tinker_path`."""
        return await self.get_training_run_by_tinker_path(tinker_path)

    def list_training_runs(
        self, limit: int = 20, offset: int = 0
    ) -> APIFuture[types.TrainingRunsResponse]:
        """The user's models that have checkpoints, the one with the newest first."""
        if limit < 1 or offset < 0:
            raise InvalidArgumentError("limit must be at least 1 and offset at least 0", "limit")

        def decode(found: list[types.Checkpoint]) -> types.TrainingRunsResponse:
            runs = training_runs(found)
            cursor = types.Cursor(offset, limit, len(runs))
            return types.TrainingRunsResponse(runs[offset : offset + limit], cursor)

        return APIFuture(self._pages("", None), decode)

    async def list_training_runs_async(
        self, limit: int = 20, offset: int = 0
    ) -> types.TrainingRunsResponse:
        """As `list_training_runs`."""
        return await self.list_training_runs(limit, offset)

    def delete_checkpoint(
        self, training_run_id: types.ModelID, checkpoint_id: str
    ) -> APIFuture[None]:
        """Deletes a checkpoint; `checkpoint_id` is `weights/<name>` or `sampler_weights/<name>`."""
        return self.delete_checkpoint_from_tinker_path(f"{SCHEME}{training_run_id}/{checkpoint_id}")

    async def delete_checkpoint_async(
        self, training_run_id: types.ModelID, checkpoint_id: str
    ) -> None:
        """As `delete_checkpoint`."""
        await self.delete_checkpoint(training_run_id, checkpoint_id)

    def delete_checkpoint_from_tinker_path(self, tinker_path: str) -> APIFuture[None]:
        """Deletes a checkpoint."""
        request = checkpoints_pb2.CheckpointRequest(path=tinker_path)
        return self._session.ask(pb.METHOD_CHECKPOINTS_DELETE, request, lambda answer: None)

    async def delete_checkpoint_from_tinker_path_async(self, tinker_path: str) -> None:
        """As `delete_checkpoint_from_tinker_path`."""
        await self.delete_checkpoint_from_tinker_path(tinker_path)

    def set_checkpoint_ttl_from_tinker_path(
        self, tinker_path: str, ttl_seconds: int | None
    ) -> APIFuture[types.Checkpoint]:
        """Changes when a checkpoint is deleted: seconds from now, or None for never."""
        request = checkpoints_pb2.SetCheckpointTtlRequest(path=tinker_path, ttl_seconds=ttl_seconds)
        return self._session.ask(pb.METHOD_CHECKPOINTS_SET_TTL, request, _checkpoint)

    def publish_checkpoint_from_tinker_path(self, tinker_path: str) -> APIFuture[types.Checkpoint]:
        """Makes a checkpoint readable by other users."""
        return self._ask_of_path(pb.METHOD_CHECKPOINTS_PUBLISH, tinker_path)

    def unpublish_checkpoint_from_tinker_path(
        self, tinker_path: str
    ) -> APIFuture[types.Checkpoint]:
        """Ends that."""
        return self._ask_of_path(pb.METHOD_CHECKPOINTS_UNPUBLISH, tinker_path)

    def export_checkpoint(self, tinker_path: str) -> APIFuture[dict[str, bytes]]:
        """The files of a checkpoint by name; those of a sampler checkpoint are what PEFT loads."""

        def decode(answer: Answer) -> dict[str, bytes]:
            message = answer.read(checkpoints_pb2.ExportCheckpointResponse)
            reader = Reader(answer.attachments)
            return {file.name: reader.content(file.content, "place") for file in message.files}

        request = checkpoints_pb2.CheckpointRequest(path=tinker_path)
        return self._session.ask(pb.METHOD_CHECKPOINTS_EXPORT, request, decode)

    def download_checkpoint(self, tinker_path: str, folder: str | pathlib.Path) -> list[str]:
        """Writes the files of a checkpoint into a folder, which is made; returns their names.

        Raises:
            OSError: a file cannot be written.
        """
        target = pathlib.Path(folder)
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
            path=tinker_path, name=name or "", ttl_seconds=ttl_seconds
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
        source = pathlib.Path(folder)
        kinds = {
            "training": checkpoints_pb2.CHECKPOINT_KIND_TRAINING,
            "sampler": checkpoints_pb2.CHECKPOINT_KIND_SAMPLER,
        }
        request = checkpoints_pb2.ImportCheckpointRequest(
            name=name or source.resolve().name, kind=kinds[checkpoint_type], base_model=base_model
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
        target = pathlib.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        request = checkpoints_pb2.CheckpointRequest(path=tinker_path)
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
        request = checkpoints_pb2.CheckpointRequest(path=path)
        return self._session.ask(method, request, _checkpoint)

    def _pages(self, model_id: str, limit: int | None) -> Future[list[types.Checkpoint]]:
        """Checkpoints page by page, until there are `limit` or no more."""
        found: list[types.Checkpoint] = []

        def add(page: Page) -> Future[list[types.Checkpoint]]:
            found.extend(map(checkpoint, page.checkpoints))
            if page.next_page_token and (limit is None or len(found) < limit):
                return ask(page.next_page_token)
            done: Future[list[types.Checkpoint]] = Future()
            done.set_result(found)
            return done

        def ask(token: str) -> Future[list[types.Checkpoint]]:
            request = checkpoints_pb2.ListCheckpointsRequest(model_id=model_id, page_token=token)
            answer = self._session.call(pb.METHOD_CHECKPOINTS_LIST, request)
            return flat_then(then(answer, lambda a: a.read(Page)), add)

        return ask("")


def _checkpoint(answer: Answer) -> types.Checkpoint:
    return checkpoint(answer.read(checkpoints_pb2.Checkpoint))


def _payload(answer: Answer) -> bytes:
    payload = answer.read(admin_pb2.PingResponse).payload
    return Reader(answer.attachments).content(payload, "place")
