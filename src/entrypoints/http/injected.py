"""What a handler asks the container for: `give_grant: Injected[GiveGrant]`.

Ports are Protocols, which nothing can be checked against when a request comes in; and need not
be: the type checker proved the fit where the container was put together.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

T = TypeVar("T")

Injected: TypeAlias = SkipValidation[NamedDependency[T]]


def constant(value: object) -> Provide:
    """The same to everyone who asks."""
    return Provide(lambda: value, sync_to_thread=False)
