"""What the server answered, with the names of the wire: any key can be read as an attribute.

Keys that are declared here have their type; all others are there too. A key that the server left out reads as
`None`, as it does in the whole family: servers leave out nulls.
"""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Type


class View:
    """A JSON object whose keys are attributes; objects inside of it are views too."""

    #: The views of keys whose objects have one of their own.
    _nested: ClassVar[Mapping[str, Type[View]]] = {}

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = dict(source)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._seen(self._source.get(name), self._nested.get(name, View))

    def to_json(self) -> Dict[str, Any]:
        """The object as it was answered."""
        return self._source

    @staticmethod
    def _seen(value: Any, kind: Type[View]) -> Any:
        if isinstance(value, dict):
            return kind(value)
        if isinstance(value, list):
            return [View._seen(item, kind) for item in value]
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._source == other._source

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r})"


class LongJobInventory(View):
    """A long job."""

    uuid: str
    name: Optional[str]
    description: Optional[str]
    apiId: Optional[str]
    jobName: Optional[str]
    jobData: Optional[str]
    jobResult: Optional[str]
    #: `Waiting`, `Suspended`, `Running`, `Succeeded`, `Canceling`, `Canceled` or `Failed`.
    state: Optional[str]
    targetResourceUuid: Optional[str]
    managementNodeUuid: Optional[str]
    createDate: Optional[str]
    lastOpDate: Optional[str]
    executeTime: Optional[int]


class TaskProgressInventory(View):
    """How far a task is."""

    taskUuid: str
    taskName: str
    parentUuid: Optional[str]
    type: str
    #: The percentage as text.
    content: str
    arguments: Optional[str]
    opaque: Any
    #: Milliseconds since 1970.
    time: int
    subTasks: Any


class SessionInventory(View):
    """A login session. Its `uuid` is a secret, which `repr` does not show."""

    uuid: str
    accountUuid: str
    userUuid: str
    expiredDate: str
    createDate: str

    def __repr__(self) -> str:
        return f"SessionInventory(accountUuid={self.accountUuid!r}, expiredDate={self.expiredDate!r})"


class EmptyValue(View):
    """The value of calls that answer nothing."""


class JobValue(View):
    """The value of calls that answer a job."""

    _nested = {"inventory": LongJobInventory}
    inventory: LongJobInventory


class QueryValue(View):
    """The value of a query."""

    _nested = {"inventories": LongJobInventory}
    #: The rows; `None` where only a count was asked for.
    inventories: Optional[List[LongJobInventory]]
    #: How many there are in all, where that was asked for.
    total: Optional[int]


class ProgressValue(View):
    """The value of `GetTaskProgressAction`."""

    _nested = {"inventories": TaskProgressInventory}
    inventories: List[TaskProgressInventory]


class SessionValue(View):
    """The value of a login."""

    _nested = {"inventory": SessionInventory}
    inventory: SessionInventory

    def __repr__(self) -> str:
        return f"SessionValue(inventory={self.inventory!r})"
