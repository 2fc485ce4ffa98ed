"""`ErrorCode`: an error as the API writes it, the same for the action classes and the modern client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

#: A chain of causes is read so deep; what lies below is left out.
CAUSES_MAX = 16


@dataclass(frozen=True)
class ErrorCode:
    """An error as the API writes it."""

    #: Globally unique: `SYS.1007`. `sdk.1000` to `sdk.1002` are made by the action classes, not by a server.
    code: str
    #: The same for every error of this code.
    description: str = ""
    #: What is wrong here, and what the caller can do.
    details: str = ""
    #: The error that caused this one, if there is one.
    cause: Optional[ErrorCode] = None
    #: Reserved; Longhaul never sends it, ZStack may.
    elaboration: Optional[str] = None
    #: Reserved; Longhaul never sends it, ZStack may.
    opaque: Optional[Mapping[str, Any]] = None

    @classmethod
    def from_wire(cls, error: Mapping[str, Any], depth: int = CAUSES_MAX) -> ErrorCode:
        """From the object that the key `error` holds. Keys of an unexpected type are as if they were absent."""
        cause, elaboration, opaque = error.get("cause"), error.get("elaboration"), error.get("opaque")
        return cls(
            code=str(error.get("code") or "SYS.1000"),
            description=str(error.get("description") or ""),
            details=str(error.get("details") or ""),
            cause=cls.from_wire(cause, depth - 1) if isinstance(cause, dict) and depth > 1 else None,
            elaboration=elaboration if isinstance(elaboration, str) else None,
            opaque=opaque if isinstance(opaque, dict) else None,
        )

    @property
    def root(self) -> ErrorCode:
        """The error at the end of the chain of causes; itself where nothing else caused it."""
        error = self
        while error.cause is not None:
            error = error.cause
        return error

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.code, self.details or self.description) if part)
        return text if self.cause is None else f"{text} (caused by {self.cause})"
