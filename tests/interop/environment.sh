# Sourced by the `run` scripts: installs what they need, once for every state of the pinned versions.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${INTEROP_CACHE:-$root/target/interop}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# skip PART REASON: a registry that is down says nothing about the project, but nobody may take that for a pass.
skip() {
    echo "SKIPPED: $2"
    echo "interop $1: skipped"
    exit 0
}

# installed FOLDER FILE...: whether FOLDER was completed from exactly these files.
installed() {
    local folder=$1
    shift
    [ -e "$folder/.complete" ] && [ "$(cat "$@" | sha256sum)" = "$(cat "$folder/.complete")" ]
}

complete() {
    local folder=$1
    shift
    cat "$@" | sha256sum >"$folder/.complete"
}

# python_packages PART REQUIREMENTS: sets `python` to an interpreter that has them.
python_packages() {
    local part=$1 requirements=$2 venv=$cache/$1-python
    python=$venv/bin/python
    installed "$venv" "$requirements" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    if ! "$python" -m pip --disable-pip-version-check install --quiet --requirement "$requirements"; then
        # Only the registry itself is an excuse: pins that cannot be installed are our fault.
        "$python" -m pip --disable-pip-version-check download --quiet --no-deps --dest "$venv/probe" pip ||
            skip "$part" "PyPI cannot be reached"
        echo "FAILED: $requirements cannot be installed"
        exit 1
    fi
    complete "$venv" "$requirements"
}
