#!/bin/sh
# What CI checks, cheapest first; the first failure ends it. `make test` runs it with the
# environment's programs on PATH. PYTEST_ARGS narrows the tests ("-k gate -x"). With COVERAGE set, as
# in CI, the tests must reach their share of domain and application: to count takes as long again.
set -eu
cd "$(dirname "$0")/.."

step() {
    title=$1
    shift
    printf '== %s\n' "$title"
    began=$(date +%s)
    if "$@"; then
        printf '   passed in %s s\n' "$(($(date +%s) - began))"
    else
        code=$?
        printf 'check failed: %s (exit %s). Nothing after it was run.\n' "$title" "$code" >&2
        exit "$code"
    fi
}

step "format" ruff format --check --quiet .
step "lint" ruff check --quiet .
step "types" mypy
step "layers" lint-imports --no-logo
step "dependencies" deptry .
step "licences" python -m pytest -q -p no:cacheprovider tests/unit/project/test_licences.py
step "migrations" python -m entrypoints.cli.main migrate --check

if [ -n "${PYTEST_ARGS:-}" ]; then
    eval "set -- $PYTEST_ARGS" # so that quotes in it mean what they say: -k 'gate and not slow'
else
    # Two at a time: half of what the tests do is to wait for programs that start and stop.
    set -- -n 2 --dist loadfile ${COVERAGE:+--cov --cov-report= --cov-fail-under=90}
fi
printf '== tests\n'
# Replaces this shell, so that pytest's closing line is the last one.
exec python -m pytest -q "$@"
