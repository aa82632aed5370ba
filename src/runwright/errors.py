"""Every exception of the platform as one tree, and the failure codes on the wire.

RunwrightError
├── RequestError            the caller can fix it: answered as 4xx
│   ├── Unauthorized        401
│   ├── Forbidden           403
│   ├── NotFound            404
│   ├── MethodNotAllowed    405
│   ├── Conflict            409
│   ├── SessionInUse        409, another operation on that auth session is in progress
│   ├── TooSlow             408
│   ├── TooLarge            413
│   ├── UnsupportedMediaType 415
│   ├── ModelNotPriced      400, the model's price is unknown and a spending limit applies
│   ├── PaymentRequired     402, the budget for language models is used up
│   ├── ValidationError     400, with a list of paths and reasons
│   └── RateLimited         429
├── AuthorError             the author's project is at fault: it cannot be deployed
├── PlatformError           ours: answered as 5xx
│   ├── NotImplementedYet   501
│   ├── ProviderFailed      502, a language model provider answered with an error or nonsense
│   │   ├── ProviderNotSet  501, no provider is configured
│   │   ├── ProviderRefused 502, it rejects the operator's key
│   │   ├── ProviderAway    503, it is unreachable
│   │   └── ProviderSlow    504, it is silent for too long
│   └── Unavailable         503, the same request may succeed later
│       └── BlobsAway       the blob store is not serving requests
└── ConfigError             a setting or this machine is at fault: printed, exit code 2

What happens to a Run is a value, `domain.runs.Failure`, never an exception that crosses layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Who has to act on a failure, as spelled on the wire."""

    USER = "user"
    AUTH = "auth"
    EXECUTION = "execution"
    INFRASTRUCTURE = "infrastructure"
    BILLING = "billing"


class FailureCode(StrEnum):
    """What went wrong with a Run or an Attempt, as spelled on the wire."""

    INTERNAL_SERVER_ERROR = "internal-server-error"
    PROCESS_CRASHED = "script-process-crashed"
    UNEXPECTED = "unexpected"
    EXECUTION_EXCEPTION = "script-execution-exception"
    NO_VALID_OUTPUT = "script-no-valid-output-received"
    RESULT_TOO_BIG = "result-too-big-error"
    TIMEOUT = "script-timeout"
    UNEXPECTED_ERROR = "script-unexpected-error"
    AUTH_CHECK_FAILED = "auth-check-failed"
    ALL_ATTEMPTS_FAILED = "all-attempts-failed"
    CHECK_ATTEMPTS_FAILED = "check-attempts-failed"
    CREATE_ATTEMPTS_FAILED = "create-attempts-failed"
    POST_CREATE_CHECK_ATTEMPTS_FAILED = "post-create-check-attempts-failed"
    API_ATTEMPTS_FAILED = "api-attempts-failed"
    JOB_RUN_TERMINATED = "job-run-terminated"


class CancelReason(StrEnum):
    """Why a Run was canceled, as spelled on the wire."""

    AUTH_SESSION_VALIDATE_DEPENDENCY_FAILED = "auth-session-validate-dependency-failed"
    TERMINATED = "terminated"
    JOB_RUN_PAUSED = "job-run-paused"
    JOB_RUN_TERMINATED = "job-run-terminated"
    FAILED_TO_INITIALIZE_JOB_RUN = "failed-to-initialize-job-run"
    API_ACCESS_DISABLED = "api-access-disabled"
    CANCELLED_USER_ACTION = "cancelled-user-action"


class RunwrightError(Exception):
    """Something went wrong in Runwright."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", 1)[0])

    @property
    def message(self) -> str:
        """What happened, to which thing, and what to do next."""
        return str(self.args[0])


class RequestError(RunwrightError):
    """The request cannot be processed."""

    status = 400
    code = "bad-request"
    category = Category.USER
    retryable = False


class Unauthorized(RequestError):
    """The API key is missing or invalid: send a valid key in the `x-api-key` header."""

    status = 401
    code = "unauthorized"
    category = Category.AUTH


class Forbidden(RequestError):
    """The API key lacks the scope that this call requires."""

    status = 403
    code = "forbidden"
    category = Category.AUTH


class NotFound(RequestError):
    """Nothing exists under that name."""

    status = 404
    code = "not-found"


class MethodNotAllowed(RequestError):
    """This path does not support that method."""

    status = 405
    code = "method-not-allowed"


class Conflict(RequestError):
    """The request conflicts with the current state."""

    status = 409
    code = "conflict"


class SessionInUse(Conflict):
    """Another operation on this auth session is in progress: wait until it finishes."""

    code = "auth-session-already-in-use"
    retryable = True


class TooSlow(RequestError):
    """The request body arrived too slowly."""

    status = 408
    code = "request-timeout"
    retryable = True


class TooLarge(RequestError):
    """The request body is larger than this server accepts."""

    status = 413
    code = "payload-too-large"


class UnsupportedMediaType(RequestError):
    """The request body must be JSON: send `content-type: application/json`."""

    status = 415
    code = "unsupported-media-type"


class ModelNotPriced(RequestError):
    """This language model has no known price, so no spending limit can be enforced on it."""

    code = "model-not-priced"
    category = Category.BILLING


class PaymentRequired(RequestError):
    """The budget for language models is used up."""

    status = 402
    code = "payment-required"
    category = Category.BILLING


class RateLimited(RequestError):
    """Too many requests: try again later."""

    status = 429
    code = "rate-limited"
    retryable = True
    retry_after = 1
    """Seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem in a request."""

    path: str
    """Where in the request, dotted: `retry.maximumAttempts`, `parameters.pages`."""
    message: str
    """What is wrong there."""


class ValidationError(RequestError):
    """The request is invalid."""

    code = "validation-error"

    def __init__(self, problems: list[Problem], message: str | None = None) -> None:
        first = problems[0]
        super().__init__(message or f"The request is invalid: `{first.path}` {first.message}")
        self.problems = problems


class AuthorError(RunwrightError):
    """This project cannot be deployed."""


class PlatformError(RunwrightError):
    """The platform failed; the request is not at fault."""

    status = 500
    code = "internal-server-error"
    category = Category.INFRASTRUCTURE
    retryable = True


class NotImplementedYet(PlatformError):
    """This part of the API is not implemented yet."""

    status = 501
    code = "not-implemented"
    retryable = False


class ProviderFailed(PlatformError):
    """The language model provider returned an error or an invalid response."""

    status = 502
    code = "model-provider-failed"


class ProviderNotSet(ProviderFailed):
    """No language model provider is configured: ask the operator to set one."""

    status = 501
    code = "model-provider-not-set"
    retryable = False


class ProviderRefused(ProviderFailed):
    """The language model provider rejects the operator's key."""

    code = "model-provider-refused"
    retryable = False


class ProviderAway(ProviderFailed):
    """The language model provider is unreachable."""

    status = 503
    code = "model-provider-unavailable"


class ProviderSlow(ProviderFailed):
    """The language model provider did not answer in time."""

    status = 504
    code = "model-provider-timeout"


class Unavailable(PlatformError):
    """The platform cannot do this right now: try again."""

    status = 503
    code = "unavailable"
    retry_after = 1
    """Seconds."""


class BlobsAway(Unavailable):
    """The blob store is unavailable right now: try again."""

    retry_after = 2


class ConfigError(RunwrightError):
    """A setting or this machine does not allow this."""
