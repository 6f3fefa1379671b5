"""Keykeeper: gives keys new versions, and moves what they wrap from the old to the new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.errors import Conflict
from domain.identity import PersonId, TenantId


class NothingToRotate(Conflict):
    """There is no such key yet: it is made when something is first wrapped under it."""

    code = "nothing_to_rotate"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One version of the `root` key, of the `tenant`'s or of a `subject`'s.

    `wraps` counts the keys that lie under it.
    """

    key: str
    subject_id: PersonId | None = None
    version: int
    active: bool
    wraps: int


class Keykeeper(Protocol):
    """Of each key one version is active; older ones only unwrap, until nothing is left under them.

    It sees wrapped keys and never a ciphertext. Every method raises Unavailable when the database
    or the key service is away; what was begun is then continued by whoever calls `rewrap` next.
    """

    async def rotate_root(self) -> int:
        """The new version of the root key, for every tenant."""
        ...

    async def rotate(self, tenant_id: TenantId, subject_id: PersonId | None = None) -> int:
        """The new version of a tenant's key, or of a subject's. Raises NothingToRotate."""
        ...

    async def rewrap(self) -> int:
        """Move all there is to the active versions, then destroy the old ones; how many moved.

        Any number may do so at once, while keys are read and written. A version that somebody may
        be using at this moment is destroyed by a later call.
        """
        ...

    async def versions(self, tenant_id: TenantId) -> Sequence[KeyVersion]:
        """Of the root key, of the tenant's, and of subjects' keys that have more than one."""
        ...
