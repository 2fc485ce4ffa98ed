"""Client of Longhaul and of the ZStack LongJob REST API.

`longhaul.actions` holds the action classes of the family, on the standard library alone. `Longhaul` and
`AsyncLonghaul` are the modern client, on httpx, which is imported when one of them is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .dates import parse_timestamp
from .error_code import ErrorCode
from .models import Job, JobState, Progress, Session, Storage, Volume
from .passwords import sha512_hex

if TYPE_CHECKING:
    from .aio import AsyncLonghaul, AsyncLongJob
    from .client import LongJob, Longhaul

__version__ = "0.1.0"

__all__ = [
    "AsyncLongJob",
    "AsyncLonghaul",
    "ErrorCode",
    "Job",
    "JobState",
    "LongJob",
    "Longhaul",
    "Progress",
    "Session",
    "Storage",
    "Volume",
    "parse_timestamp",
    "sha512_hex",
]

_LATER = {
    "AsyncLongJob": "longhaul.aio",
    "AsyncLonghaul": "longhaul.aio",
    "LongJob": "longhaul.client",
    "Longhaul": "longhaul.client",
}


def __getattr__(name: str) -> Any:
    """The names that need httpx, when they are asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(_LATER[name])
    except ModuleNotFoundError as missing:
        if missing.name != "httpx":
            raise
        text = f"longhaul.{name} needs httpx: pip install httpx; longhaul.actions does without"
        raise ModuleNotFoundError(text, name="httpx") from missing
    return getattr(module, name)
