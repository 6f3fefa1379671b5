"""UUIDs of version 7 (RFC 9562): ordered by time, so that new rows land beside each other."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    return _uuid7()
