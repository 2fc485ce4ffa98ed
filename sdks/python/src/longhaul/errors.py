"""The exceptions of the modern client: one class per error code, each with what to do about it.

`ApiError` and below: the server answered with an error. `TransportError`, `UnexpectedAnswerError`: it did not
answer, or with something else. `JobError` and below: the call went well, the job did not. `WaitTimeoutError`: a limit of
`longhaul.limits` was reached. The action classes raise none of these but put an `ErrorCode` into their result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Dict, Mapping, Optional, Tuple, Type

from .error_code import ErrorCode

if TYPE_CHECKING:
    from .models import Job


class LonghaulError(Exception):
    """Everything that this client raises on its own account."""


class ApiError(LonghaulError):
    """The server answered with an error whose code has no class of its own; such codes have subclasses."""

    #: The codes that this class stands for.
    codes: ClassVar[Tuple[str, ...]] = ()
    #: What the caller can do.
    advice: ClassVar[str] = "Read the details; this client knows no advice for the code."

    def __init__(self, error: ErrorCode, status: int) -> None:
        super().__init__(error, status)
        #: The error as it was answered, with its causes.
        self.error = error
        #: The HTTP status it came with.
        self.status = status

    @property
    def code(self) -> str:
        """`SYS.1003` and the like."""
        return self.error.code

    @property
    def details(self) -> str:
        """What is wrong here, in the server's words."""
        return self.error.details

    def __str__(self) -> str:
        return f"{self.error}. {self.advice}"


class InternalError(ApiError):
    """Something broke in the server."""

    codes = ("SYS.1000", "SYS.1002", "SYS.1004", "SYS.1005", "SYS.1016", "SYS.1017")
    advice = "The server's log and the cause tell what broke; it is not the request."


class ServerTimeoutError(ApiError):
    """The server gave up waiting for something of its own."""

    codes = ("SYS.1001",)
    advice = "Look whether the change was made before you send it again."


class NotFoundError(ApiError):
    """A resource is not there, or was deleted."""

    codes = ("SYS.1003",)
    advice = "Check the uuid; the resource may have been deleted."


class OperationFailedError(ApiError):
    """The state of the resources does not let the operation through."""

    codes = ("SYS.1006",)
    advice = "The details and the cause tell what stands in the way."


class InvalidArgumentError(ApiError):
    """A value is wrong, or the call is not allowed in the state that the resource is in."""

    codes = ("SYS.1007", "SYS.1008", "PORTAL.1001")
    advice = "Correct what the details name."


class UnavailableError(ApiError):
    """The server, or the node that works on the call, is not there now."""

    codes = ("SYS.1010", "SYS.1012", "PORTAL.1002")
    advice = "Send the call again later; calls that may be repeated were repeated already."


class NotImplementedHereError(ApiError):
    """The call exists in ZStack and not in this server."""

    codes = ("SYS.1014", "PORTAL.1000")
    advice = "Use another call; the server's documentation lists what it has."


class LoginFailedError(ApiError):
    """Wrong account or password."""

    codes = ("ID.1000",)
    advice = "Check account and password; this client hashes the password by itself, so give it in clear."


class SessionInvalidError(ApiError):
    """The session is wrong, or has expired."""

    codes = ("ID.1001",)
    advice = "Log in again; with account and password this client does it by itself."


class PermissionDeniedError(ApiError):
    """The account may not do that."""

    codes = ("ID.1002",)
    advice = "Use the account that owns the resource, or an admin."


class QuotaExceededError(ApiError):
    """The account has as much as it may have, or tried too often."""

    codes = ("ID.1003",)
    advice = "Free something or have the limit raised; after too many attempts, wait."


class TooManySessionsError(ApiError):
    """The account has as many sessions as it may have."""

    codes = ("ID.1006",)
    advice = "Log out of others, or close clients: `with Longhaul(...)` logs out at its end."


class CallCanceledError(ApiError):
    """The job was canceled while the call was worked on."""

    codes = ("LONG_JOB.1000",)
    advice = "Rerun the job if it shall run after all."


class NotCancelableNowError(ApiError):
    """The job cannot be stopped at this moment."""

    codes = ("LONG_JOB.1001",)
    advice = "Try the cancel again later, or let the job end."


class JobInterruptedError(ApiError):
    """The job was interrupted and is suspended."""

    codes = ("LONG_JOB.1002",)
    advice = "Remove the cause and resume the job, or cancel it."


class NotSupportedError(ApiError):
    """Jobs of this type cannot do that."""

    codes = ("LONG_JOB.1003",)
    advice = "The job type does not support it, or not in this state; GET /v1/job-types tells what each can do."


class ResourceUuidTakenError(ApiError):
    """The uuid that was chosen for the job belongs to a different request."""

    codes = ("LONG_JOB.1100",)
    advice = "Choose a fresh uuid, or leave it to the client; the same uuid is for the very same request only."


class DuplicateTagError(ApiError):
    """The resource has this tag already."""

    codes = ("TAG.1000",)
    advice = "Nothing is to be done: the tag is there."


_BY_CODE: Dict[str, Type[ApiError]] = {code: kind for kind in ApiError.__subclasses__() for code in kind.codes}


def api_error(error: ErrorCode, status: int) -> ApiError:
    """The exception for `error`: of the class of its code, else `ApiError` itself."""
    return _BY_CODE.get(error.code, ApiError)(error, status)


class TransportError(LonghaulError):
    """No answer: the connection failed, was lost, or took longer than a limit."""

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message)
        #: Whether the request may have reached the server; false if there never was a connection.
        self.sent = sent


class UnexpectedAnswerError(LonghaulError):
    """An answer that is none of this API: a text, a page of a proxy, JSON of another shape."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        #: The HTTP status it came with.
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class WaitTimeoutError(LonghaulError):
    """A wait reached its limit; the message names the limit and how to change it."""


class JobError(LonghaulError):
    """The job that was waited for did not succeed."""

    #: What the caller can do.
    advice: ClassVar[str] = ""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        #: The job as it was seen last.
        self.job = job

    @property
    def code(self) -> Optional[str]:
        """The error code in the job's result, if it tells one."""
        return self._of_result("code")

    @property
    def detail(self) -> Optional[str]:
        """What went wrong, in the job type's words, if the result tells it."""
        return self._of_result("detail")

    def _of_result(self, key: str) -> Optional[str]:
        result = self.job.result
        value = result.get(key) if isinstance(result, Mapping) else None
        return value if isinstance(value, str) else None

    def __str__(self) -> str:
        why = ": ".join(part for part in (self.code, self.detail) if part)
        said = f": {why}" if why else ""
        return f"job {self.job.uuid} ({self.job.job_name}) is {self.job.state.value}{said}. {self.advice}"


class JobFailedError(JobError):
    """The job ended badly."""

    advice = "Remove the cause and rerun it."


class JobCanceledError(JobError):
    """The job was ended by a cancel."""

    advice = "Rerun it if it shall run after all."


class JobSuspendedError(JobError):
    """The job was interrupted and waits for somebody to resume it; it will not end by itself."""

    advice = "Remove the cause and resume it, or cancel it."
