# Sourced by the `run` scripts: installs what they need, once for every state of the pinned versions.

interop=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$interop/../.." && pwd)
cache=${INTEROP_CACHE:-$root/target/interop}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
export PYTHONDONTWRITEBYTECODE=1
# For what the parts share.
export PYTHONPATH=$interop

# skip PART REASON: a registry that is down says nothing about the project, but must not look like a pass.
skip() {
    echo "SKIPPED: interop $1: $2"
    exit 0
}

# needs PART PROGRAM...
needs() {
    local part=$1 program
    shift
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$part" "there is no $program on this machine"
    done
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

# python_packages PART [SET]: sets `python` to an interpreter that has requirements.txt, or else requirements-SET.txt.
python_packages() {
    local part=$1 requirements=$interop/requirements${2:+-$2}.txt venv=$cache/python${2:+-$2}
    needs "$part" python3
    python=$venv/bin/python
    installed "$venv" "$requirements" && return
    rm -rf "$venv"
    python3 -m venv "$venv" || skip "$part" "Python cannot make a virtual environment on this machine"
    if ! "$python" -m pip --disable-pip-version-check install --quiet --requirement "$requirements"; then
        # Only an unreachable registry is an excuse: pins that cannot be installed are a failure.
        "$python" -m pip --disable-pip-version-check download --quiet --no-deps --dest "$venv/probe" pip ||
            skip "$part" "PyPI cannot be reached"
        echo "FAILED: $requirements cannot be installed"
        exit 1
    fi
    complete "$venv" "$requirements"
}

# node_packages PART: sets `node` to a folder that has package-lock.json installed.
node_packages() {
    local part=$1
    needs "$part" node npm
    node=$cache/node
    mkdir -p "$node"
    cp "$interop"/{package.json,package-lock.json,.npmrc} "$node"
    installed "$node" "$node/package-lock.json" && return
    (cd "$node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || {
        (cd "$node" && npm view is-number version >/dev/null 2>&1) || skip "$part" "the npm registry cannot be reached"
        echo "FAILED: package-lock.json cannot be installed"
        exit 1
    }
    complete "$node" "$node/package-lock.json"
}

# rust_packages PART: sets `rust` to the folder of the built programs of rust/.
rust_packages() {
    local part=$1 manifest=$interop/rust/Cargo.toml
    needs "$part" cargo
    cargo fetch --quiet --locked --manifest-path "$manifest" || {
        (cd "$cache" && cargo info --quiet itoa >/dev/null 2>&1) || skip "$part" "crates.io cannot be reached"
        echo "FAILED: rust/Cargo.lock cannot be fetched"
        exit 1
    }
    CARGO_TARGET_DIR=$cache/rust cargo build --quiet --locked --manifest-path "$manifest"
    rust=$cache/rust/debug
}

# debian_packages PART NAME...: sets `debian` to a folder that has these packages unpacked, and those that they depend on
# and the machine lacks. Nothing is installed, and nobody need be root.
debian_packages() {
    local part=$1 names
    shift
    needs "$part" apt-get dpkg
    debian=$cache/debian-$part
    names=$(apt-get install --simulate --no-install-recommends "$@" 2>/dev/null) || {
        apt-get update -qq >/dev/null 2>&1 || true
        names=$(apt-get install --simulate --no-install-recommends "$@" 2>/dev/null) ||
            skip "$part" "there are no Debian packages $* for this machine"
    }
    sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*/\1=\2/p' <<<"$names" >"$debian.packages"
    installed "$debian" "$debian.packages" && return
    rm -rf "$debian"
    mkdir -p "$debian/archives"
    (cd "$debian/archives" && xargs apt-get download -qq <"$debian.packages" 2>/dev/null) ||
        skip "$part" "Debian packages cannot be downloaded"
    for archive in "$debian"/archives/*.deb; do dpkg -x "$archive" "$debian"; done
    complete "$debian" "$debian.packages"
}
