"""The action classes of the family, on the standard library alone.

    action = SubmitLongJobAction()
    action.jobName = "APISimulateJobMsg"
    action.jobData = "{}"
    action.sessionId = session
    result = action.call()

Attributes have the names of the wire. `result.value` holds what the server answered, `result.error` why it did
not; a call raises nothing for a server's error. Where to call and how long to wait is in `Config`.
"""

from .base import Action, ActionError, ActionResult
from .config import Config, configure, current
from .jobs import (
    CancelLongJobAction,
    CleanLongJobAction,
    DeleteLongJobAction,
    GetTaskProgressAction,
    QueryLongJobAction,
    RerunLongJobAction,
    ResumeLongJobAction,
    SubmitLongJobAction,
    UpdateLongJobAction,
)
from .sessions import LogInByAccountAction, LogOutAction
from .views import (
    EmptyValue,
    JobValue,
    LongJobInventory,
    ProgressValue,
    QueryValue,
    SessionInventory,
    SessionValue,
    TaskProgressInventory,
    View,
)
from ..error_code import ErrorCode
from ..passwords import sha512_hex

__all__ = [
    "Action",
    "ActionError",
    "ActionResult",
    "CancelLongJobAction",
    "CleanLongJobAction",
    "Config",
    "DeleteLongJobAction",
    "EmptyValue",
    "ErrorCode",
    "GetTaskProgressAction",
    "JobValue",
    "LogInByAccountAction",
    "LogOutAction",
    "LongJobInventory",
    "ProgressValue",
    "QueryLongJobAction",
    "QueryValue",
    "RerunLongJobAction",
    "ResumeLongJobAction",
    "SessionInventory",
    "SessionValue",
    "SubmitLongJobAction",
    "TaskProgressInventory",
    "UpdateLongJobAction",
    "View",
    "configure",
    "current",
    "sha512_hex",
]
