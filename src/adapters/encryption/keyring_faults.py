"""What can be wrong with a keyring file, for whoever starts the service. No key is ever quoted."""

from __future__ import annotations

from pathlib import Path


class KeyringUnusable(Exception):
    """The keyring cannot be used; the message names the file and says what to do."""


class KeyringOpenToOthers(KeyringUnusable):
    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"{path} has mode {mode:04o}, so that other users may reach the keys. "
            f"Allow its owner alone: chmod 600 {path}"
        )


class KeyringDamaged(KeyringUnusable):
    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is not an intact keyring: {why}. Restore it from a backup.")


class KeyringMissing(KeyringUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} has gone while it was in use. Restore it from a backup.")


class KeyringLocked(KeyringUnusable):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(f"{path} has been locked by another process for {seconds:.0f} seconds.")


class PassphraseMissing(KeyringUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is sealed by a passphrase, and none was given.")


class PassphraseSuperfluous(KeyringUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"A passphrase was given, and {path} is not sealed by one. "
            "Start without it: the keys lie there in the clear."
        )


class PassphraseEmpty(KeyringUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The passphrase for {path} is empty. Give one, or leave it unset.")


class PassphraseWrong(KeyringUnusable):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The passphrase does not open {path}, or the file was altered.")
