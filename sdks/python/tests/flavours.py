"""The asyncio client in the clothes of the other one, so that one test proves both."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from typing import Any, Iterator, Tuple

from longhaul import AsyncLonghaul, Longhaul

FLAVOURS = ("sync", "asyncio")


class _Blocking:
    """Whatever `inner` answers, waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop, self._inner = loop, inner

    def __getattr__(self, name: str) -> Any:
        return self._wrapped(getattr(self._inner, name))

    def __eq__(self, other: object) -> bool:
        return bool(self._inner == (other._inner if isinstance(other, _Blocking) else other))

    def _wrapped(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._wrapped(self._loop.run_until_complete(value))
        if inspect.isasyncgen(value):
            return self._items(value)
        if callable(value):
            return lambda *args, **named: self._wrapped(value(*args, **named))
        if type(value).__module__ == "longhaul.aio":
            return _Blocking(self._loop, value)
        return value

    def _items(self, items: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._wrapped(self._loop.run_until_complete(items.__anext__()))
            except StopAsyncIteration:
                return


@contextmanager
def client(flavour: str, url: str, **options: Any) -> Iterator[Any]:
    """A client of `url`, closed with the block."""
    if flavour == "sync":
        with Longhaul(url, **options) as plain:
            yield plain
        return
    loop = asyncio.new_event_loop()
    try:
        blocking = _Blocking(loop, AsyncLonghaul(url, **options))
        try:
            yield blocking
        finally:
            blocking.close()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.sleep(0))  # closed sockets are let go of in the loop's next round
        loop.close()


def public_methods(kind: type) -> Iterator[Tuple[str, str]]:
    """Names and parameters of the methods of `kind`, without `async`."""
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") or name == "__init__":
            signature = inspect.signature(member)
            parameters = [str(p) for p in signature.parameters.values()]
            yield name, ", ".join(parameters).replace("httpx.AsyncClient", "httpx.Client")
