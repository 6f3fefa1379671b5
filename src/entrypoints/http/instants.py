"""Times that a client names in a query."""

from __future__ import annotations

from datetime import UTC, datetime

from entrypoints.http.refusals import InvalidFields, WrongField

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def instant(asked: datetime | str, name: str) -> datetime:
    """The time in the query parameter `name`, in UTC.

    Raises InvalidFields for what is no time with an offset, and for one in the first or the last
    years of all: databases hold those for other things.
    """
    try:
        at = datetime.fromisoformat(asked) if isinstance(asked, str) else asked
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not EARLIEST <= at < LATEST:
        raise InvalidFields(
            [WrongField(f"/query/{name}", "This is no time of RFC 3339 from 1970 to 9998.")]
        )
    return at.astimezone(UTC)
