"""Moments: from both forms that servers write to `datetime`.

Profile `fast` writes `2017-11-14T22:20:57+08:00`, profile `zstack` (and ZStack) `Nov 14, 2017 10:20:57 PM` in the
server's own zone, which it does not name. `strptime` is not used: it reads month names in the caller's language.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Optional

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:?\d{2})?", re.ASCII
)
# A comma after the year and a narrow space before AM are what newer Java versions write.
_TEXT = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}),? (\d{1,2}):(\d{2}):(\d{2})[ \u202f\u00a0]([AP])M", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_timestamp(text: str, zone: Optional[tzinfo] = None) -> datetime:
    """The moment that `text` names.

    With an offset in the text it is aware. Without one it gets `zone`; where that is `None` it is naive, in the
    server's local time, since a guessed zone would be a wrong moment.

    Raises:
        ValueError: neither of the two forms, or no day of the calendar.
    """
    text = text.strip()
    iso = _ISO.fullmatch(text)
    if iso is not None:
        year, month, day, hour, minute, second = (int(part) for part in iso.groups()[:6])
        micros = int((iso[7] or "0").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, micros, _offset(iso[8]) if iso[8] else zone)
    words = _TEXT.fullmatch(text)
    if words is None or words[1] not in _MONTHS or not 1 <= int(words[4]) <= 12:
        raise ValueError(
            f"{text!r} is no moment: expected 2017-11-14T22:20:57+08:00 or Nov 14, 2017 10:20:57 PM"
        )
    hour = int(words[4]) % 12 + (12 if words[7] == "P" else 0)
    month = _MONTHS.index(words[1]) + 1
    return datetime(int(words[3]), month, int(words[2]), hour, int(words[5]), int(words[6]), tzinfo=zone)


def from_millis(millis: int) -> datetime:
    """The moment so many milliseconds after 1970, in UTC."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=millis)


def _offset(text: str) -> timezone:
    if text in "Zz":
        return timezone.utc
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
