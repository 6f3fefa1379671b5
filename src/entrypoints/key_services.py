"""The key services that a setting can choose between, each opened when it is chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from adapters.encryption.keyring import LocalKeyring
from adapters.vault_transit.client import Token, TransitClient, http_client
from adapters.vault_transit.key_service import VaultTransit
from application.vault.key_service import KeyService
from entrypoints.settings import Settings, SettingsError

Opened = AbstractAsyncContextManager[KeyService]


def opened_key_service(settings: Settings, *, create: bool) -> Opened:
    """`create=False` where keys are wrapped already: new ones would open none of them.

    Raises SettingsError for a name that is none of KEY_SERVICES, and what each of them raises.
    """
    build = KEY_SERVICES.get(settings.key_service)
    if build is None:
        raise SettingsError(
            f"key_service: {settings.key_service!r} is not a key service."
            f" There are: {', '.join(sorted(KEY_SERVICES))}."
        )
    return build(settings, create)


@asynccontextmanager
async def _keyring(settings: Settings, create: bool) -> AsyncIterator[KeyService]:
    path = settings.data_dir.expanduser().resolve() / "keyring.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield LocalKeyring.open(path, settings.keyring_passphrase, create=create)


@asynccontextmanager
async def _vault_transit(settings: Settings, create: bool) -> AsyncIterator[KeyService]:
    if settings.vault_url is None:
        raise SettingsError("vault_url is not set, and key_service is vault_transit.")
    transit = VaultTransit(
        client=TransitClient(
            url=settings.vault_url,
            mount=settings.vault_mount,
            token=_token(settings),
            http=http_client(settings.vault_ca_file),
            seconds_max=settings.vault_seconds_max,
        ),
        prefix=settings.vault_key_prefix,
    )
    try:
        await transit.prepare(create=create)
        yield transit
    finally:
        await transit.close()


def _token(settings: Settings) -> Token:
    file, token = settings.vault_token_file, settings.vault_token
    if (file is None) == (token is None):
        raise SettingsError("Set either vault_token_file or vault_token, and not both.")
    if file is not None:
        return lambda: _read(file)
    assert token is not None
    return lambda: token


def _read(file: Path) -> str:
    return file.read_text().strip()


KEY_SERVICES: Mapping[str, Callable[[Settings, bool], Opened]] = {
    "keyring": _keyring,
    "vault_transit": _vault_transit,
}
