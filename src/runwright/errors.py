"""Every exception of the platform as one tree, and the failure codes of the wire.

RunwrightError
├── RequestError            the caller can mend it: answered as 4xx
│   ├── Unauthorized        401
│   ├── Forbidden           403
│   ├── NotFound            404
│   ├── MethodNotAllowed    405
│   ├── Conflict            409
│   ├── SessionInUse        409, another operation of that auth session is under way
│   ├── TooSlow             408
│   ├── TooLarge            413
│   ├── UnsupportedMediaType 415
│   ├── ModelNotPriced      400, what a language model costs is not known, and there is a limit
│   ├── PaymentRequired     402, what may be spent on language models is spent
│   ├── ValidationError     400, with a list of paths and reasons
│   └── RateLimited         429
├── AuthorError             the author's project is at fault: a deploy that cannot be
├── PlatformError           ours: answered as 5xx
│   ├── NotImplementedYet   501
│   ├── ProviderFailed      502, a provider of language models did not answer as it should
│   │   ├── ProviderNotSet  501, the operator has set none
│   │   ├── ProviderRefused 502, it refuses the operator's key
│   │   ├── ProviderAway    503, it cannot be reached
│   │   └── ProviderSlow    504, it says nothing
│   └── Unavailable         503, the same request may succeed later
│       └── BlobsAway       the blob store does not do what was asked of it
└── ConfigError             a setting or the machine is at fault: printed, exit code 2

What happens to a Run is never an exception that crosses layers but a value: `domain.runs.Failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Whose business a failure is, as the wire spells it."""

    USER = "user"
    AUTH = "auth"
    EXECUTION = "execution"
    INFRASTRUCTURE = "infrastructure"
    BILLING = "billing"


class FailureCode(StrEnum):
    """What went wrong with a Run or an Attempt, as the wire spells it."""

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
    """Why a Run was canceled, as the wire spells it."""

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
        """What happened, to which thing, and what to do."""
        return str(self.args[0])


class RequestError(RunwrightError):
    """The request cannot be carried out as it is."""

    status = 400
    code = "bad-request"
    category = Category.USER
    retryable = False


class Unauthorized(RequestError):
    """The API key is missing or not valid: send a valid key in the `x-api-key` header."""

    status = 401
    code = "unauthorized"
    category = Category.AUTH


class Forbidden(RequestError):
    """The API key lacks the scope that this call needs."""

    status = 403
    code = "forbidden"
    category = Category.AUTH


class NotFound(RequestError):
    """There is nothing here by that name."""

    status = 404
    code = "not-found"


class MethodNotAllowed(RequestError):
    """This address does not answer that method."""

    status = 405
    code = "method-not-allowed"


class Conflict(RequestError):
    """The request contradicts what is already there."""

    status = 409
    code = "conflict"


class SessionInUse(Conflict):
    """Another operation of the auth session is under way: wait until it is over."""

    code = "auth-session-already-in-use"
    retryable = True


class TooSlow(RequestError):
    """The request body came too slowly."""

    status = 408
    code = "request-timeout"
    retryable = True


class TooLarge(RequestError):
    """The request body is larger than this server takes."""

    status = 413
    code = "payload-too-large"


class UnsupportedMediaType(RequestError):
    """The request body must be JSON: send `content-type: application/json`."""

    status = 415
    code = "unsupported-media-type"


class ModelNotPriced(RequestError):
    """The language model has no price, so its use cannot be held to a limit."""

    code = "model-not-priced"
    category = Category.BILLING


class PaymentRequired(RequestError):
    """What may be spent on language models is spent."""

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
    """One thing wrong with a request."""

    path: str
    """Where in the request, dotted: `retry.maximumAttempts`, `parameters.pages`."""
    message: str
    """What is wrong there."""


class ValidationError(RequestError):
    """The request is not valid."""

    code = "validation-error"

    def __init__(self, problems: list[Problem], message: str | None = None) -> None:
        first = problems[0]
        super().__init__(message or f"The request is not valid: `{first.path}` {first.message}")
        self.problems = problems


class AuthorError(RunwrightError):
    """The project cannot be deployed as it is."""


class PlatformError(RunwrightError):
    """The platform failed; the fault is not in the request."""

    status = 500
    code = "internal-server-error"
    category = Category.INFRASTRUCTURE
    retryable = True


class NotImplementedYet(PlatformError):
    """This part of the protocol is not built yet."""

    status = 501
    code = "not-implemented"
    retryable = False


class ProviderFailed(PlatformError):
    """The provider of language models did not answer as it should."""

    status = 502
    code = "model-provider-failed"


class ProviderNotSet(ProviderFailed):
    """The operator has set no provider of language models."""

    status = 501
    code = "model-provider-not-set"
    retryable = False


class ProviderRefused(ProviderFailed):
    """The provider of language models refuses the operator's key."""

    code = "model-provider-refused"
    retryable = False


class ProviderAway(ProviderFailed):
    """The provider of language models cannot be reached."""

    status = 503
    code = "model-provider-unavailable"


class ProviderSlow(ProviderFailed):
    """The provider of language models does not answer in time."""

    status = 504
    code = "model-provider-timeout"


class Unavailable(PlatformError):
    """The platform cannot do this just now: try again."""

    status = 503
    code = "unavailable"
    retry_after = 1
    """Seconds."""


class BlobsAway(Unavailable):
    """The blob store does not answer just now: try again."""

    retry_after = 2


class ConfigError(RunwrightError):
    """A setting or this machine does not allow it."""
