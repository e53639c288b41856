package dev.tinsmith;

import tinsmith.v1.ResponseHeader;
import tinsmith.v1.StatusCode;

/**
 * A request failed. There is one class for each status code, so that {@code catch} or {@code
 * instanceof} can tell them apart; {@link java.util.concurrent.CompletableFuture#join} throws it as
 * the cause of a {@link java.util.concurrent.CompletionException}.
 */
@SuppressWarnings("serial") // Not made to be stored.
public sealed class TinsmithException extends RuntimeException {
  private final StatusCode code;
  private final String field;

  private TinsmithException(StatusCode code, String message, String field) {
    super(field.isEmpty() ? message : message + " (" + field + ")");
    this.code = code;
    this.field = field;
  }

  /** The status code of the answer. */
  public StatusCode code() {
    return code;
  }

  /** Path of what was wrong in the request, or empty. */
  public String field() {
    return field;
  }

  /** What an answer says that is not OK. */
  static TinsmithException of(ResponseHeader header) {
    return of(header.getCode(), header.getMessage(), header.getField());
  }

  static TinsmithException of(StatusCode code, String message, String field) {
    return switch (code) {
      case STATUS_CODE_CANCELLED -> new Cancelled(code, message, field);
      case STATUS_CODE_INVALID_ARGUMENT -> new InvalidArgument(code, message, field);
      case STATUS_CODE_DEADLINE_EXCEEDED -> new DeadlineExceeded(code, message, field);
      case STATUS_CODE_NOT_FOUND -> new NotFound(code, message, field);
      case STATUS_CODE_ALREADY_EXISTS -> new AlreadyExists(code, message, field);
      case STATUS_CODE_PERMISSION_DENIED -> new PermissionDenied(code, message, field);
      case STATUS_CODE_RESOURCE_EXHAUSTED -> new ResourceExhausted(code, message, field);
      case STATUS_CODE_FAILED_PRECONDITION -> new FailedPrecondition(code, message, field);
      case STATUS_CODE_ABORTED -> new Aborted(code, message, field);
      case STATUS_CODE_UNIMPLEMENTED -> new Unimplemented(code, message, field);
      case STATUS_CODE_INTERNAL -> new Internal(code, message, field);
      case STATUS_CODE_UNAVAILABLE -> new Unavailable(code, message, field);
      case STATUS_CODE_DATA_LOSS -> new DataLoss(code, message, field);
      case STATUS_CODE_UNAUTHENTICATED -> new Unauthenticated(code, message, field);
      default -> new Unknown(code, message, field);
    };
  }

  /** The request was given up before it ended. */
  public static final class Cancelled extends TinsmithException {
    private Cancelled(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The request is wrong; {@link #field} says where. */
  public static final class InvalidArgument extends TinsmithException {
    private InvalidArgument(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** Its time-out passed first. */
  public static final class DeadlineExceeded extends TinsmithException {
    private DeadlineExceeded(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** A base model, checkpoint, model or sampling session is not there. */
  public static final class NotFound extends TinsmithException {
    private NotFound(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** A checkpoint of that name is there. */
  public static final class AlreadyExists extends TinsmithException {
    private AlreadyExists(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The stream is another session's. */
  public static final class PermissionDenied extends TinsmithException {
    private PermissionDenied(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The service was full for longer than the client's patience. */
  public static final class ResourceExhausted extends TinsmithException {
    private ResourceExhausted(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The model's state forbids it, for example a step after a failed pass. */
  public static final class FailedPrecondition extends TinsmithException {
    private FailedPrecondition(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The service asked to try again for longer than the client's patience. */
  public static final class Aborted extends TinsmithException {
    private Aborted(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The service does not do this. */
  public static final class Unimplemented extends TinsmithException {
    private Unimplemented(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The service failed on this request, or its answer cannot be read. */
  public static final class Internal extends TinsmithException {
    private Internal(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The service could not be reached for longer than the client's patience. */
  public static final class Unavailable extends TinsmithException {
    private Unavailable(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The model is lost: create another from its last checkpoint. */
  public static final class DataLoss extends TinsmithException {
    private DataLoss(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** The session has ended, or the service does not know the API key. */
  public static final class Unauthenticated extends TinsmithException {
    private Unauthenticated(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }

  /** A code that this client has no name for. */
  public static final class Unknown extends TinsmithException {
    private Unknown(StatusCode code, String message, String field) {
      super(code, message, field);
    }
  }
}
