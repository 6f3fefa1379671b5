"""The text of typed cells: numbers, dates, durations and truth, the same from all formats.

How a cell is displayed depends on the reader's country and is not always stored, so dates are
written as ISO 8601 and numbers with a point; percentages keep their sign, for people look for it.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from enum import Enum

_SINCE_1900 = datetime(1899, 12, 30)  # noqa: DTZ001 - cells know no time zone
_SINCE_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP_DAY_1900 = 60  # of the year 1900, which had none: earlier days are counted one too low
_SERIAL_MAX = 2_958_466  # 10000-01-01
_NOT_OF_A_DATE = re.compile(r'"[^"]{0,255}"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]{0,255}\]', re.I)
_ELAPSED = re.compile(r"\[[hms]+\]", re.I)
_DURATION = re.compile(r"(-?)PT(\d{1,9})H(\d{1,9})M(\d{1,9})(?:[.,]\d{0,20})?S")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PERCENT_DIGITS = 10


class CellKind(Enum):
    """Dates are times and durations too: all are numbers of days."""

    NUMBER = 1
    PERCENT = 2
    DATE = 3


def number_in(written: str) -> float | None:
    """The number that a file means, by the form of XML Schema's `double`; None for anything else.

    `float` also takes digits of other scripts, underscores and words, and so loses what they say.
    """
    value = float(written) if _NUMBER.fullmatch(written.strip()) else math.inf
    return value if math.isfinite(value) else None


def number_text(value: float) -> str:
    """As short as it says the same; spreadsheets keep 15 digits."""
    if not math.isfinite(value):
        return ""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"


def percent_text(value: float) -> str:
    """0.25 as 25%."""
    return f"{number_text(round(value * 100, _PERCENT_DIGITS))}%"


def serial_text(serial: float, code: str, *, since_1904: bool) -> str:
    """A number of days as what its number format says: a date, a time, both, or hours."""
    if not 0 <= serial < _SERIAL_MAX:
        return number_text(serial)
    if _ELAPSED.search(code):
        return clock_text(round(serial * 86_400))
    day, second = divmod(round(serial * 86_400), 86_400)
    if day == 0 and not _says(code, "yd"):
        return clock_text(second)
    if not since_1904 and day < _LEAP_DAY_1900:
        day += 1
    date = (_SINCE_1904 if since_1904 else _SINCE_1900) + timedelta(days=day, seconds=second)
    return date.strftime("%Y-%m-%d %H:%M:%S" if second else "%Y-%m-%d").removesuffix(":00")


def cell_kind(code: str) -> CellKind:
    """What a number format (ISO/IEC 29500, 18.8.31) makes of a number."""
    if _ELAPSED.search(code) or _says(code, "ymdhs"):
        return CellKind.DATE
    return CellKind.PERCENT if _says(code, "%") else CellKind.NUMBER


def clock_text(seconds: int) -> str:
    """Hours, which may be more than a day's, minutes, and seconds where there are any."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}" + (f":{second:02}" if second else "")


def duration_text(duration: str) -> str:
    """A time of day or duration as OpenDocument writes it: PT09H30M00S."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        return duration
    hours, minutes, seconds = (int(part) for part in found.groups()[1:])
    return found[1] + clock_text(hours * 3_600 + minutes * 60 + seconds)


def date_text(date: str) -> str:
    """A date as OpenDocument or ISO 8601 writes it: 2026-02-03 or 2026-02-03T10:00:00."""
    day, _, time = date.partition("T")
    time = time.partition(".")[0].removesuffix("Z")
    time = time.removesuffix(":00") if len(time) == 8 else time
    return day if time in ("", "00:00") else f"{day} {time}"


def truth_text(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _says(code: str, letters: str) -> bool:
    if code.lower() == "general":
        return False
    return any(letter in _NOT_OF_A_DATE.sub("", code).lower() for letter in letters)
