"""Moments are read in every form that servers write, and in no other."""

from __future__ import annotations

import locale
from datetime import datetime, timedelta, timezone

import pytest

from longhaul import parse_timestamp
from longhaul.dates import from_millis

SHANGHAI = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2017-11-14T22:20:57+08:00", datetime(2017, 11, 14, 22, 20, 57, tzinfo=SHANGHAI)),
        ("2017-11-14T22:20:57+0800", datetime(2017, 11, 14, 22, 20, 57, tzinfo=SHANGHAI)),
        ("2017-11-14T14:20:57Z", datetime(2017, 11, 14, 14, 20, 57, tzinfo=timezone.utc)),
        ("2017-11-14T10:50:57.25-03:30", datetime(2017, 11, 14, 14, 20, 57, 250_000, tzinfo=timezone.utc)),
        ("2017-11-14 14:20:57.123456789Z", datetime(2017, 11, 14, 14, 20, 57, 123_456, tzinfo=timezone.utc)),
    ],
)
def test_an_offset_in_the_text_makes_an_aware_moment(text: str, moment: datetime) -> None:
    assert parse_timestamp(text) == moment
    assert parse_timestamp(text, SHANGHAI) == moment, "the text knows better than the caller"


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("Nov 14, 2017 10:20:57 PM", 22),
        ("Nov 14, 2017 10:20:57 AM", 10),
        ("Nov 14, 2017 12:20:57 AM", 0),
        ("Nov 14, 2017 12:20:57 PM", 12),
        ("Nov 14, 2017, 10:20:57 PM", 22),
        ("Nov 14, 2017, 10:20:57\u202fPM", 22),
        (" Nov 14, 2017 1:20:57 PM ", 13),
        ("2017-11-14T22:20:57", 22),
    ],
)
def test_without_an_offset_the_moment_is_naive_or_in_the_callers_zone(text: str, hour: int) -> None:
    assert parse_timestamp(text) == datetime(2017, 11, 14, hour, 20, 57)
    assert parse_timestamp(text, SHANGHAI) == datetime(2017, 11, 14, hour, 20, 57, tzinfo=SHANGHAI)


def test_every_month_is_known_whatever_language_the_process_speaks() -> None:
    names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    assert [parse_timestamp(f"{name} 4, 2017 1:05:09 PM").month for name in names] == list(range(1, 13))
    before = locale.setlocale(locale.LC_TIME)
    for other in ("de_DE.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_TIME, other)
        except locale.Error:
            continue
        try:
            assert parse_timestamp("May 4, 2017 1:05:09 PM") == datetime(2017, 5, 4, 13, 5, 9)
        finally:
            locale.setlocale(locale.LC_TIME, before)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1510669257123", "2017-11-14", "2017-13-14T00:00:00Z", "Okt 14, 2017 10:20:57 PM",
        "Feb 30, 2017 10:20:57 PM", "Nov 14, 2017 22:20:57 PM", "Nov 14, 2017 0:20:57 AM", "Nov 14, 2017 10:20:57",
        "2017-11-14T22:20:57+08:00 extra", "２017-11-14T22:20:57Z",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(text)


def test_milliseconds_are_read_in_utc_without_losing_one() -> None:
    assert from_millis(1_510_669_257_123) == datetime(2017, 11, 14, 14, 20, 57, 123_000, tzinfo=timezone.utc)
