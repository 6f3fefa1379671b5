"""Why something was not shown, or not to its end, although it had been released."""

from __future__ import annotations

from enum import StrEnum


class FailureReason(StrEnum):
    """Stable codes. None of them says that nothing was shown: a part may have been."""

    KEYS_UNAVAILABLE = "keys_unavailable"
    """The keys could not be had or unwrapped: nothing was shown."""
    TOO_LATE = "too_late"
    """The log or the keys took longer than the gate waits: nothing was shown."""
    ALTERED = "altered"
    """A ciphertext or a wrapped key did not open: altered, cut, or of another place."""
    MISSING = "missing"
    """What was released is not there any more."""
    UNAVAILABLE = "unavailable"
    """Something that is needed to show it did not answer."""
    UNEXPECTED = "unexpected"
