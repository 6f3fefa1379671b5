"""What can be wrong with a transit engine, for whoever starts the service."""

from __future__ import annotations


class VaultUnusable(Exception):
    """The transit engine cannot be used; the message says why. It never holds the token."""
