"""The public halves of the key service's signing key, kept so that verifying asks nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from joserfc.jwk import OKPKey

from adapters.tokens.jws import public_jwk
from application.vault.key_service import Signer, SigningPurpose

_ASK_AGAIN_SECONDS = 60.0
_KEYS_MAX = 8


@dataclass(slots=True, kw_only=True)
class SigningKeys:
    """The key that signs tokens now, and those it was before while this process ran.

    The key service is asked again once in a while, and when a key is named that is not known:
    at most once a minute, so that made-up names cost nothing.
    """

    signer: Signer
    purpose: SigningPurpose = SigningPurpose.TOKENS
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, OKPKey] = field(default_factory=dict, init=False)
    _asked_at: float | None = field(default=None, init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def current(self) -> OKPKey:
        """Raises KeyServiceUnavailable while no key was ever had."""
        await self._refresh()
        return next(reversed(self._known.values()))

    async def known(self, kid: object) -> OKPKey | None:
        """The key of this name, if it is one of ours."""
        if not isinstance(kid, str):
            return None
        if kid not in self._known:
            await self._refresh()
        return self._known.get(kid)

    async def published(self) -> dict[str, list[dict[str, object]]]:
        """A JWK Set (RFC 7517)."""
        await self._refresh()
        return {"keys": [dict(key.as_dict(private=False)) for key in self._known.values()]}

    async def _refresh(self) -> None:
        if not self._is_stale():
            return
        async with self._asking:
            if self._is_stale():
                key = public_jwk(await self.signer.public_key(self.purpose))
                kid = key.thumbprint()
                self._known.pop(kid, None)
                self._known[kid] = key
                while len(self._known) > _KEYS_MAX:
                    del self._known[next(iter(self._known))]
                self._asked_at = self.clock()

    def _is_stale(self) -> bool:
        return self._asked_at is None or self.clock() - self._asked_at >= _ASK_AGAIN_SECONDS
