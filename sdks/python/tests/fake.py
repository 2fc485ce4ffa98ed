"""A server that answers what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Type, Union
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    #: An object is sent as JSON.
    body: Union[Mapping[str, Any], str, bytes] = b"{}"
    #: Closes the connection without a word.
    drop: bool = False
    #: Says nothing until the server is closed.
    hang: bool = False
    #: Announces so many bytes more than it sends.
    missing: int = 0


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: List[Any]
    headers: Dict[str, str]
    body: Any


class FakeServer:
    """Gives the replies in their order, one to each request; beyond them a 500 that fails the test."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: List[Asked] = []
        self._replies = list(replies)
        self._lock = threading.Lock()
        self._end = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

            def _serve(self) -> None:
                fake._serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = _serve

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gave up is no news."""

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The same, as an address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._end.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        parts = urlsplit(handler.path)
        asked = Asked(
            handler.command,
            parts.path,
            parse_qsl(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in handler.headers.items()},
            json.loads(content) if content else None,
        )
        with self._lock:
            self.asked.append(asked)
            reply = self._replies.pop(0) if self._replies else Reply(500, "no reply is left")
        if reply.hang:
            self._end.wait()
        if reply.hang or reply.drop:
            handler.close_connection = True
            return
        body = reply.body
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        handler.send_response(reply.status)
        handler.send_header("Content-Length", str(len(data) + reply.missing))
        if reply.missing:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data)


JOB = {
    "uuid": "dee3e1e3706f3e52a2cb9a47850508e7",
    "name": "n",
    "apiId": "5c1a5c1a5c1a4c1a8c1a5c1a5c1a5c1a",
    "jobName": "APISimulateJobMsg",
    "jobData": "{}",
    "state": "Running",
    "createDate": "2017-11-14T22:20:57+08:00",
    "lastOpDate": "Nov 14, 2017 10:20:57 PM",
}


def accepted(call: str = "22222222222242228222222222222222", host: str = "elsewhere.invalid:9") -> Reply:
    """A 202 whose location is on a host that cannot be reached: clients must come back to the one they know."""
    return Reply(202, {"location": f"http://{host}/zstack/v1/api-jobs/{call}", "apiTimeout": 1800000})


def failed(status: int, code: str, details: str = "d") -> Reply:
    """An error of the API."""
    return Reply(status, {"error": {"code": code, "description": "x", "details": details}})


def job(**changes: Any) -> Reply:
    """A job as the answer of a submit."""
    return Reply(200, {"inventory": {**JOB, **changes}})


def jobs(*states: str) -> Reply:
    """A list of jobs, one in each state."""
    return Reply(200, {"inventories": [{**JOB, "state": state} for state in states], "schema": {}})
