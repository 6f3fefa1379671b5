"""How the context of a ciphertext becomes bytes."""

from __future__ import annotations

from application.ports import Context


def encode_context(context: Context) -> bytes:
    """Each field after its length, a big-endian u32: no two contexts have the same encoding.

    Joined with a separator, ("a", "b-c") and ("a-b", "c") would be one context.
    """
    return b"".join(len(field).to_bytes(4) + field for field in context)
