"""JSON in the one form of RFC 8785, so that equal content has equal bytes."""

from __future__ import annotations

from collections.abc import Mapping

import rfc8785


def canonical_json(content: Mapping[str, object]) -> bytes:
    """Raises rfc8785.CanonicalizationError for what JSON cannot hold, such as numbers over 2^53."""
    return rfc8785.dumps(content)  # type: ignore[arg-type]
