"""Exceptions, one class for each status code of the service."""

from __future__ import annotations

from typing import ClassVar

from tinsmith.v1 import status_pb2 as pb


class TinsmithError(Exception):
    """A call failed. Subclasses say how; `code` is the canonical gRPC number.

    Attributes:
        code: the status code, e.g. 3 for INVALID_ARGUMENT.
        message: what happened, for people.
        field: path of the offending field, e.g. `data[3].loss_fn_inputs[target_tokens]`; may be "".
    """

    code: int = pb.STATUS_CODE_UNKNOWN

    def __init__(self, message: str, field: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code

    @property
    def status(self) -> str:
        """The code's name, e.g. `INVALID_ARGUMENT`."""
        return status_name(self.code)

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.status}: {where}{self.message}"


class RequestCancelledError(TinsmithError):
    """The call was given up before it ran."""

    code = pb.STATUS_CODE_CANCELLED


class InvalidArgumentError(TinsmithError, ValueError):
    """The request is wrong whatever the state of the service; `field` names the culprit."""

    code = pb.STATUS_CODE_INVALID_ARGUMENT


class DeadlineExceededError(TinsmithError, TimeoutError):
    """The client's time-out for answers passed before the call ran."""

    code = pb.STATUS_CODE_DEADLINE_EXCEEDED


class NotFoundError(TinsmithError):
    """A model, base model or checkpoint does not exist."""

    code = pb.STATUS_CODE_NOT_FOUND


class AlreadyExistsError(TinsmithError):
    """Something that the call should create exists, e.g. a checkpoint of that name."""

    code = pb.STATUS_CODE_ALREADY_EXISTS


class PermissionDeniedError(TinsmithError):
    """The session may not do this."""

    code = pb.STATUS_CODE_PERMISSION_DENIED


class ResourceExhaustedError(TinsmithError):
    """Over a limit that depends on load, for longer than the client was willing to wait."""

    code = pb.STATUS_CODE_RESOURCE_EXHAUSTED


class FailedPreconditionError(TinsmithError):
    """The model's state forbids the call, e.g. an optim_step after a failed forward_backward."""

    code = pb.STATUS_CODE_FAILED_PRECONDITION


class AbortedError(TinsmithError):
    """The attempt was given up; calling again may succeed."""

    code = pb.STATUS_CODE_ABORTED


class UnimplementedError(TinsmithError, NotImplementedError):
    """The service does not do this."""

    code = pb.STATUS_CODE_UNIMPLEMENTED


class InternalError(TinsmithError):
    """The service failed on this request for good."""

    code = pb.STATUS_CODE_INTERNAL


class UnavailableError(TinsmithError, ConnectionError):
    """The service could not be reached for longer than the client was willing to wait."""

    code = pb.STATUS_CODE_UNAVAILABLE


class DataLossError(TinsmithError):
    """State is gone or damaged: create another model and load a saved state into it."""

    code = pb.STATUS_CODE_DATA_LOSS


class UnauthenticatedError(TinsmithError):
    """There is no session, or its key or token is wrong."""

    code = pb.STATUS_CODE_UNAUTHENTICATED


class _Registry:
    """Classes by their code."""

    by_code: ClassVar[dict[int, type[TinsmithError]]] = {
        c.code: c for c in TinsmithError.__subclasses__()
    }


def status_name(code: int) -> str:
    """Name of a status code, without prefix."""
    try:
        return pb.StatusCode.Name(code).removeprefix("STATUS_CODE_")
    except ValueError:
        return f"STATUS_{code}"


def error_of_status(code: int, message: str, field: str = "") -> TinsmithError:
    """The exception for an answer with a status code other than OK."""
    return _Registry.by_code.get(code, TinsmithError)(message, field, code)


# The names that the tinker SDK uses, so that `except` clauses move over unchanged.
TinkerError = APIError = APIStatusError = RequestFailedError = TinsmithError
BadRequestError = UnprocessableEntityError = InvalidArgumentError
AuthenticationError = UnauthenticatedError
ConflictError = AlreadyExistsError
RateLimitError = ResourceExhaustedError
InternalServerError = InternalError
APIConnectionError = UnavailableError
APITimeoutError = DeadlineExceededError
