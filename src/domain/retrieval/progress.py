"""How far a version has come on its way into the index."""

from __future__ import annotations

from enum import StrEnum


class IndexState(StrEnum):
    """The states of a version, in the order in which it passes them; three of them are ends."""

    RECEIVED = "received"
    EXTRACTING = "extracting"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
