"""What all actions have in common: attributes, the request made of them, `call`, the result.

The actions themselves are in `jobs` and `sessions`; how a call is polled is in `longhaul._exchange`.
"""

from __future__ import annotations

import difflib
import re
import threading
import uuid
from typing import (
    Any, Callable, ClassVar, Dict, Generic, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, overload,
)
from urllib.parse import quote

from .._exchange import Request, once, result_of
from .._sync import run
from ..error_code import ErrorCode
from ..errors import ApiError, TransportError, UnexpectedAnswerError, WaitTimeoutError
from . import config as configuration
from ._http import HttpTransport
from .config import Config
from .views import View

V = TypeVar("V", bound=View)

#: Codes of errors that no server answered, as in the whole family.
HTTP_ERROR, POLLING_TIMEOUT, INTERNAL_ERROR = "sdk.1000", "sdk.1001", "sdk.1002"


class ActionError(Exception):
    """A result's error, raised by `ActionResult.unwrap`."""

    def __init__(self, error: ErrorCode) -> None:
        super().__init__(error)
        #: The error.
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


class ActionResult(Generic[V]):
    """What came of a call: exactly one of `value` and `error` is not `None`."""

    def __init__(self, value: Optional[V] = None, error: Optional[ErrorCode] = None) -> None:
        #: What the server answered.
        self.value = value
        #: Why it did not. `sdk.1000`: HTTP; `sdk.1001`: `call_timeout` is over; `sdk.1002`: no answer of this API.
        self.error = error

    def unwrap(self) -> V:
        """The value.

        Raises:
            ActionError: there is an error instead.
        """
        if self.error is not None:
            raise ActionError(self.error)
        assert self.value is not None
        return self.value

    def __repr__(self) -> str:
        return f"ActionResult(error={self.error!r})" if self.error else f"ActionResult(value={self.value!r})"


class Action(Generic[V]):
    """One call: set its attributes, then `call` it. It may be called again, as it is or changed."""

    _method: ClassVar[str]
    #: Path after `/v1`; `{uuid}` is the attribute of that name.
    _path: ClassVar[str]
    #: The key that holds the parameters in the body.
    _wrapper: ClassVar[Optional[str]] = None
    #: The attributes that are parameters, besides those in the path.
    _params: ClassVar[Tuple[str, ...]] = ()
    _value: ClassVar[Type[View]]
    _authorised: ClassVar[bool] = True

    #: The session; absent: the one of the configuration.
    sessionId: Optional[str] = None
    systemTags: Optional[Sequence[str]] = None
    userTags: Optional[Sequence[str]] = None

    def __setattr__(self, name: str, value: object) -> None:
        known = [key for key in dir(type(self)) if not key.startswith("_") and key not in ("call", "Result")]
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f": it has {', '.join(known)}"
            raise AttributeError(f"{type(self).__name__} has no attribute {name}{hint}")
        super().__setattr__(name, value)

    @overload
    def call(self, completion: None = None, *, config: Optional[Config] = None) -> ActionResult[V]: ...

    @overload
    def call(
        self, completion: Callable[[ActionResult[V]], object], *, config: Optional[Config] = None
    ) -> threading.Thread: ...

    def call(
        self,
        completion: Optional[Callable[[ActionResult[V]], object]] = None,
        *,
        config: Optional[Config] = None,
    ) -> Any:
        """Calls the server and answers the result; with `completion`, calls that with the result instead.

        The completion runs in a thread of its own, which is answered: join it, or let the interpreter do so at
        its end. It ends within `call_timeout`.

        Raises:
            ValueError: an attribute that is part of the path is not set, or cannot be.
        """
        chosen = configuration.current() if config is None else config
        request = self._request(chosen)
        if completion is None:
            return self._perform(request, chosen)
        done = completion
        thread = threading.Thread(
            target=lambda: done(self._perform(request, chosen)), name=type(self).__name__, daemon=False
        )
        thread.start()
        return thread

    def _perform(self, request: Request, config: Config) -> ActionResult[V]:
        try:
            answer = run(once(config.pacing(), request), HttpTransport(config))
            value: Any = self._value(result_of(answer))
            return ActionResult(value=value)
        except ApiError as refused:
            return ActionResult(error=refused.error)
        except TransportError as lost:
            return ActionResult(error=ErrorCode(HTTP_ERROR, "the server did not answer", str(lost)))
        except WaitTimeoutError as late:
            return ActionResult(error=ErrorCode(POLLING_TIMEOUT, "the call took too long", str(late)))
        except UnexpectedAnswerError as odd:
            code = INTERNAL_ERROR if 200 <= odd.status < 300 else HTTP_ERROR
            return ActionResult(error=ErrorCode(code, f"HTTP status {odd.status} without an answer", str(odd)))

    def _request(self, config: Config) -> Request:
        in_body = self._wrapper is not None
        params = self._parameters()
        tags = [("systemTags", self.systemTags), ("userTags", self.userTags)]
        for key, texts in tags:
            if texts and not in_body:
                params[key] = list(texts)
        body: Optional[Dict[str, Any]] = None
        if self._wrapper is not None:
            body = {self._wrapper: params, **{key: list(texts) for key, texts in tags if texts}}
        session = self.sessionId or config.session_id
        # A fresh id makes every asynchronous call answer 202: result and error then come whole, at the poll.
        headers = {"X-Job-UUID": uuid.uuid4().hex}
        if self._authorised and session is not None:
            headers["Authorization"] = f"OAuth {_clean(session)}"
        query = () if in_body else tuple(_flat(params))
        return Request(self._method, self._filled_path(), query, body, headers, config.request_timeout)

    def _parameters(self) -> Dict[str, Any]:
        """Those attributes that are parameters and are set."""
        given = ((name, getattr(self, name)) for name in self._params)
        return {name: value for name, value in given if value is not None}

    def _filled_path(self) -> str:
        def fill(variable: re.Match[str]) -> str:
            value = getattr(self, variable[1])
            if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z_-]+", value):
                raise ValueError(f"{type(self).__name__}.{variable[1]} is {value!r}: set it to a uuid")
            return quote(value, safe="")

        return re.sub(r"\{(\w+)\}", fill, self._path)


def _clean(session: str) -> str:
    if not re.fullmatch(r"[!-~]+", session):
        raise ValueError("sessionId has a space or a control character in it: no session's uuid has")
    return session


def _flat(params: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Parameters for a query string: lists repeat the name, mappings append theirs after a dot."""
    flat: List[Tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat += [(f"{name}.{key}", _text(item)) for key, item in value.items()]
        elif isinstance(value, (list, tuple)):
            flat += [(name, _text(item)) for item in value]
        else:
            flat.append((name, _text(value)))
    return flat


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
