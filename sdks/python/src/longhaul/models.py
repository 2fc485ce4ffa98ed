"""What the modern client answers: frozen dataclasses, made from the API's JSON objects.

Field names are those of the wire in snake case. A missing mandatory key is an `UnexpectedAnswerError`; unknown
keys are ignored. The action classes have views of their own with the wire's names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum
from typing import Any, Dict, Mapping, Optional

from .dates import from_millis, parse_timestamp
from .errors import UnexpectedAnswerError

#: A JSON object as `json` reads it.
JsonObject = Dict[str, Any]


class JobState(str, Enum):
    """Where a job is in its life."""

    WAITING = "Waiting"
    SUSPENDED = "Suspended"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    CANCELING = "Canceling"
    CANCELED = "Canceled"
    FAILED = "Failed"

    @property
    def final(self) -> bool:
        """Whether only a rerun leads out of it."""
        return self in (JobState.SUCCEEDED, JobState.CANCELED, JobState.FAILED)


class Reader:
    """Reads typed values out of one JSON object. `zone`: for moments without one, see `parse_timestamp`."""

    def __init__(self, what: str, source: Mapping[str, Any], zone: Optional[tzinfo]) -> None:
        self._what, self._source, self._zone = what, source, zone

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.text_or_none(key)
        if value is None:
            raise self._wrong(key, "is missing")
        return value

    def text_or_none(self, key: str) -> Optional[str]:
        """A text, or `None` where there is none."""
        value = self._source.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(key, "is no text")

    def number(self, key: str, default: Optional[int] = None) -> int:
        """A whole number; `default` where there is none."""
        value = self._source.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong(key, "is missing or no whole number")

    def number_or_none(self, key: str) -> Optional[int]:
        """A whole number, or `None` where there is none."""
        return None if self._source.get(key) is None else self.number(key)

    def moment(self, key: str) -> datetime:
        """A moment that must be there."""
        try:
            return parse_timestamp(self.text(key), self._zone)
        except ValueError as wrong:
            raise self._wrong(key, str(wrong)) from wrong

    def _wrong(self, key: str, why: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(f"the server's {self._what} is none of this API: {key} {why}", 200)


@dataclass(frozen=True)
class Job:
    """A long job as it was when it was asked for. It does not change; ask again for a newer one."""

    uuid: str
    name: str
    description: Optional[str]
    #: The call that started the job: the key of its progress. New at each rerun.
    api_id: str
    #: The job type.
    job_name: str
    #: The request as JSON text; secrets in it read `******`.
    job_data: str
    #: JSON text; `None` until there is something to tell.
    job_result: Optional[str]
    state: JobState
    target_resource_uuid: Optional[str]
    management_node_uuid: Optional[str]
    #: When it was submitted, or rerun last.
    create_date: datetime
    last_op_date: datetime
    #: Seconds from the first start to the final state; `None` before that.
    execute_time: Optional[int]

    @classmethod
    def fields_of(cls, source: Mapping[str, Any], zone: Optional[tzinfo]) -> JsonObject:
        """The fields of the LongJobInventory `source`, by name."""
        read = Reader("LongJobInventory", source, zone)
        try:
            state = JobState(read.text("state"))
        except ValueError as wrong:
            raise UnexpectedAnswerError(f"the server's LongJobInventory: {wrong}", 200) from wrong
        return {
            "uuid": read.text("uuid"),
            "name": read.text("name"),
            "description": read.text_or_none("description"),
            "api_id": read.text("apiId"),
            "job_name": read.text("jobName"),
            "job_data": read.text("jobData"),
            "job_result": read.text_or_none("jobResult"),
            "state": state,
            "target_resource_uuid": read.text_or_none("targetResourceUuid"),
            "management_node_uuid": read.text_or_none("managementNodeUuid"),
            "create_date": read.moment("createDate"),
            "last_op_date": read.moment("lastOpDate"),
            "execute_time": read.number_or_none("executeTime"),
        }

    @classmethod
    def from_wire(cls, source: Mapping[str, Any], zone: Optional[tzinfo] = None) -> Job:
        """From a LongJobInventory."""
        return cls(**cls.fields_of(source, zone))

    @property
    def result(self) -> Any:
        """`job_result`, read as JSON; the text itself where it is none; `None` where there is none."""
        if self.job_result is None:
            return None
        try:
            return json.loads(self.job_result)
        except ValueError:
            return self.job_result


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    #: 0 to 100; 100 only after success.
    percent: int
    #: What is being done, in the job type's words; empty before the first step.
    stage: str
    #: Bytes of this stage; both 0 where the work is not bytes.
    bytes_done: int
    bytes_total: int
    #: Of late; 0 = unknown.
    rate_bytes_per_second: int
    #: Seconds to go, as far as can be told.
    eta_seconds: Optional[int]
    #: Whether nothing moved for 30 seconds.
    stalled: bool
    #: When it was seen, in UTC.
    time: datetime
    task_uuid: str
    task_name: str

    @classmethod
    def from_wire(cls, source: Mapping[str, Any]) -> Progress:
        """From a TaskProgressInventory. A `content` that is no percentage counts as 0."""
        read = Reader("TaskProgressInventory", source, None)
        opaque = source.get("opaque")
        more = Reader("progress in numbers", opaque if isinstance(opaque, dict) else {}, None)
        content = (read.text_or_none("content") or "").strip()
        return cls(
            percent=int(content) if content.isascii() and content.isdigit() else 0,
            stage=more.text_or_none("stage") or "",
            bytes_done=more.number("bytesDone", 0),
            bytes_total=more.number("bytesTotal", 0),
            rate_bytes_per_second=more.number("rateBytesPerSecond", 0),
            eta_seconds=more.number_or_none("etaSeconds"),
            stalled=isinstance(opaque, dict) and opaque.get("stalled") is True,
            time=from_millis(read.number("time")),
            task_uuid=read.text("taskUuid"),
            task_name=read.text("taskName"),
        )


@dataclass(frozen=True)
class Session:
    """A login session."""

    #: A secret: whoever has it is logged in. Not shown by `repr`.
    uuid: str
    account_uuid: str
    user_uuid: str
    #: When it ends if it is not used; each use moves it.
    expired_date: datetime
    create_date: datetime

    @classmethod
    def from_wire(cls, source: Mapping[str, Any], zone: Optional[tzinfo] = None) -> Session:
        """From a SessionInventory."""
        read = Reader("SessionInventory", source, zone)
        return cls(
            uuid=read.text("uuid"),
            account_uuid=read.text("accountUuid"),
            user_uuid=read.text("userUuid"),
            expired_date=read.moment("expiredDate"),
            create_date=read.moment("createDate"),
        )

    def __repr__(self) -> str:
        return f"Session(account_uuid={self.account_uuid!r}, expired_date={self.expired_date!r})"


@dataclass(frozen=True)
class Storage:
    """A primary storage."""

    uuid: str
    name: str
    description: Optional[str]
    #: Where it is; for `LocalStorage` an absolute directory.
    url: str
    #: The kind: `LocalStorage`.
    type: str
    #: `Enabled`, `Disabled` or `Maintenance`.
    state: str
    #: `Connecting`, `Connected` or `Disconnected`.
    status: str
    #: Bytes in all, as last seen.
    total_capacity: int
    #: Free bytes, as last seen.
    available_capacity: int
    create_date: datetime
    last_op_date: datetime

    @classmethod
    def from_wire(cls, source: Mapping[str, Any], zone: Optional[tzinfo] = None) -> Storage:
        """From a PrimaryStorageInventory."""
        read = Reader("PrimaryStorageInventory", source, zone)
        return cls(
            uuid=read.text("uuid"),
            name=read.text("name"),
            description=read.text_or_none("description"),
            url=read.text_or_none("url") or "",
            type=read.text("type"),
            state=read.text("state"),
            status=read.text("status"),
            total_capacity=read.number("totalCapacity", 0),
            available_capacity=read.number("availableCapacity", 0),
            create_date=read.moment("createDate"),
            last_op_date=read.moment("lastOpDate"),
        )


@dataclass(frozen=True)
class Volume:
    """A volume."""

    uuid: str
    name: str
    description: Optional[str]
    #: The storage that holds its bytes; `None` until it is instantiated.
    primary_storage_uuid: Optional[str]
    #: The path of its file; `None` until it is instantiated.
    install_path: Optional[str]
    #: `Root` or `Data`.
    type: str
    #: `raw` or `qcow2`; `None` until it is instantiated.
    format: Optional[str]
    #: Virtual size in bytes.
    size: int
    #: Occupied bytes, as last seen.
    actual_size: Optional[int]
    #: `Enabled` or `Disabled`.
    state: str
    #: `Creating`, `Ready`, `NotInstantiated`, `Deleted`, `Migrating`.
    status: str
    create_date: datetime
    last_op_date: datetime

    @classmethod
    def from_wire(cls, source: Mapping[str, Any], zone: Optional[tzinfo] = None) -> Volume:
        """From a VolumeInventory."""
        read = Reader("VolumeInventory", source, zone)
        return cls(
            uuid=read.text("uuid"),
            name=read.text("name"),
            description=read.text_or_none("description"),
            primary_storage_uuid=read.text_or_none("primaryStorageUuid"),
            install_path=read.text_or_none("installPath"),
            type=read.text("type"),
            format=read.text_or_none("format"),
            size=read.number("size", 0),
            actual_size=read.number_or_none("actualSize"),
            state=read.text("state"),
            status=read.text("status"),
            create_date=read.moment("createDate"),
            last_op_date=read.moment("lastOpDate"),
        )
