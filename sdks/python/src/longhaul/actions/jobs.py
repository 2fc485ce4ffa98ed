"""The actions of long jobs and of their progress."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from .base import Action, ActionResult
from .views import EmptyValue, JobValue, ProgressValue, QueryValue

_ACTIONS = "/longjobs/{uuid}/actions"


class SubmitLongJobAction(Action[JobValue]):
    """Submits a job; the value has it as `inventory`."""

    Result = ActionResult[JobValue]
    _method, _path, _wrapper, _value = "POST", "/longjobs", "params", JobValue
    _params = ("name", "description", "jobName", "jobData", "targetResourceUuid", "resourceUuid", "tagUuids")

    #: For people; the job name where none is given. At most 255 characters.
    name: Optional[str] = None
    #: For people. At most 2,048 characters.
    description: Optional[str] = None
    #: The job type. Mandatory.
    jobName: Optional[str] = None
    #: The request of the job type as JSON text. Mandatory.
    jobData: Optional[str] = None
    #: What the job works on.
    targetResourceUuid: Optional[str] = None
    #: The job's uuid. The same request under the same uuid is the same job, however often it is sent.
    resourceUuid: Optional[str] = None
    tagUuids: Optional[Sequence[str]] = None


class DeleteLongJobAction(Action[EmptyValue]):
    """Deletes a final job; one that is not there is no error."""

    Result = ActionResult[EmptyValue]
    _method, _path, _value = "DELETE", "/longjobs/{uuid}", EmptyValue

    #: The job. Mandatory.
    uuid: Optional[str] = None


class UpdateLongJobAction(Action[JobValue]):
    """Changes a job's name or description; what is not set stays."""

    Result = ActionResult[JobValue]
    _method, _path, _wrapper, _value = "PUT", _ACTIONS, "updateLongJob", JobValue
    _params = ("name", "description")

    #: The job. Mandatory.
    uuid: Optional[str] = None
    name: Optional[str] = None
    description: Optional[str] = None


class CancelLongJobAction(Action[EmptyValue]):
    """Asks a job to stop; it is Canceling until its body has."""

    Result = ActionResult[EmptyValue]
    _method, _path, _wrapper, _value = "PUT", _ACTIONS, "cancelLongJob", EmptyValue

    #: The job. Mandatory.
    uuid: Optional[str] = None


class RerunLongJobAction(Action[JobValue]):
    """Runs a final job afresh under its uuid."""

    Result = ActionResult[JobValue]
    _method, _path, _wrapper, _value = "PUT", _ACTIONS, "rerunLongJob", JobValue

    #: The job. Mandatory.
    uuid: Optional[str] = None


class ResumeLongJobAction(Action[JobValue]):
    """Lets a suspended job go on from its checkpoint."""

    Result = ActionResult[JobValue]
    _method, _path, _wrapper, _value = "PUT", _ACTIONS, "resumeLongJob", JobValue

    #: The job. Mandatory.
    uuid: Optional[str] = None


class CleanLongJobAction(Action[EmptyValue]):
    """Removes what a Canceling job left behind, which ends it."""

    Result = ActionResult[EmptyValue]
    _method, _path, _wrapper, _value = "PUT", _ACTIONS, "cleanLongJob", EmptyValue

    #: The job. Mandatory.
    uuid: Optional[str] = None


class QueryLongJobAction(Action[QueryValue]):
    """Finds jobs. Without conditions: all that the session may see."""

    Result = ActionResult[QueryValue]
    _method, _path, _value = "GET", "/longjobs", QueryValue

    #: Each `name`, operator, value: `state=Running`, `name~=%disk%`, `jobResult is null`. All must hold.
    conditions: Optional[Sequence[str]] = None
    #: Most rows to answer; the server's default is 1,000.
    limit: Optional[int] = None
    #: So many rows are left out first.
    start: Optional[int] = None
    #: Answer `total` instead of rows.
    count: Optional[bool] = None
    #: Answer `total` besides the rows.
    replyWithCount: Optional[bool] = None
    #: Servers take it and group nothing.
    groupBy: Optional[str] = None
    #: The field to sort by.
    sortBy: Optional[str] = None
    #: `asc`, the default, or `desc`.
    sortDirection: Optional[str] = None
    #: The keys to answer; absent: all.
    fields: Optional[Sequence[str]] = None
    #: `type:condition`.
    filterName: Optional[str] = None

    def _parameters(self) -> Dict[str, Any]:
        if self.sortDirection not in (None, "asc", "desc"):
            raise ValueError(f"QueryLongJobAction.sortDirection is {self.sortDirection!r}: set it to asc or desc")
        sign = "-" if self.sortDirection == "desc" else "+"
        given = {
            "q": None if self.conditions is None else list(self.conditions),
            "limit": self.limit,
            "start": self.start,
            "count": self.count,
            "replyWithCount": self.replyWithCount,
            "groupBy": self.groupBy,
            "sort": None if self.sortBy is None else sign + self.sortBy,
            "fields": None if self.fields is None else ",".join(self.fields),
            "filterName": self.filterName,
        }
        return {name: value for name, value in given.items() if value is not None}


class GetTaskProgressAction(Action[ProgressValue]):
    """Tells how far a call is, as a job's run."""

    Result = ActionResult[ProgressValue]
    _method, _path, _value = "GET", "/task-progresses/{apiId}", ProgressValue
    _params = ("all",)

    #: The job's `apiId`, not its uuid. Mandatory.
    apiId: Optional[str] = None
    #: All rows in the order of time instead of the latest.
    all: Optional[bool] = None
