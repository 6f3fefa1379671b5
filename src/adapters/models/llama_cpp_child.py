"""The process that holds a model's weights and writes answers: llama.cpp, through xllamacpp.

Run as a module by `llama_cpp.py`, with one line of JSON on stdin. It serves Chat Completions on a
socket file in a directory that nobody else can enter, to whoever has the key of that line; there is
no network port. It ends when its stdin does: with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import os
import sys

READY = b"ready\n"


def main() -> None:
    told = json.loads(sys.stdin.buffer.readline())
    os.umask(0o077)
    import xllamacpp  # an extra, and it takes a while

    params = xllamacpp.CommonParams()
    params.model.path = told["file"]
    params.hostnames = [told["socket"]]
    params.api_keys = [told["key"]]
    params.n_ctx = told["context_tokens"] * told["parallel"]
    params.n_parallel = told["parallel"]
    params.cpuparams.n_threads = told["threads"]
    params.cpuparams_batch.n_threads = told["threads"]
    # It answers, and shows nothing else: no page, no list of what it works on, no log of it.
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = False
    params.cors_origins = ""
    params.cors_credentials = False
    params.verbosity = 0
    params.offline = True
    # Nothing of one prompt is kept for the next: it may be somebody else's.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    assert server.listening_address.startswith("unix:")
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read()
    os._exit(0)  # an answer that is being written keeps nobody waiting


if __name__ == "__main__":
    main()
