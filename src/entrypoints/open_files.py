"""Each open stream is an open file, and many systems let a program open a thousand at first."""

from __future__ import annotations

import resource

OPEN_FILES_MIN = 4_096
"""With fewer, a busy evening could use them up."""

_UNLIMITED = 1_048_576


def allow_open_files() -> int:
    """Take as many as the system lets this process have; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # some systems allow less than they say
        return soft
    return most
