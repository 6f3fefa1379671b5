"""Options of plugins: what a setting hands to `build(options)`, checked by names and types."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

Options = Mapping[str, Any]
Known = TypeVar("Known")


def known_options(options: Options, kind: type[Known]) -> Known:
    """Raises ValueError, naming what is wrong and no value."""
    try:
        return msgspec.convert(options, kind)
    except msgspec.ValidationError as wrong:
        raise ValueError(str(wrong)) from None


def secret_of(key: str | None, key_file: str | None) -> str | None:
    """The key that was given, or that lies in the file. Raises ValueError, OSError."""
    if key is not None and key_file is not None:
        raise ValueError("key and key_file: set one of them")
    return key if key_file is None else Path(key_file).read_text().strip()


def is_private(url: str) -> bool:
    """Nobody outside can listen: it is encrypted, or stays on this machine or in its network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or ("." not in host and ":" not in host):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))
