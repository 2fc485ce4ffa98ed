"""What the API takes for a password: its SHA-512.

The modern client hashes by itself. The action classes send what they are given, as the whole family does, so a
user of `LogInByAccountAction` calls `sha512_hex`.
"""

from __future__ import annotations

import hashlib


def sha512_hex(password: str) -> str:
    """SHA-512 of the UTF-8 bytes of `password`, as 128 lower-case hex digits."""
    return hashlib.sha512(password.encode("utf-8")).hexdigest()
