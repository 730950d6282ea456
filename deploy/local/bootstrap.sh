#!/bin/sh
# Makes .venv with the pinned requirements and the project itself; run from the checkout's top by make.
set -eu

fail() {
    echo "error: $*" >&2
    exit 1
}

usable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

python=
for candidate in python3 python3.11 python3.12 python3.13; do
    if command -v "$candidate" >/dev/null 2>&1 && usable "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Wattline needs Python 3.11, 3.12 or 3.13 on the PATH: install python3 and python3-venv"

# Debian keeps ensurepip in a package of its own, named after the version.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    package=python$version-venv
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo="sudo -n"
        sudo -n true 2>/dev/null || fail "$python has no ensurepip: run apt-get install $package as root"
    fi
    command -v apt-get >/dev/null 2>&1 || fail "$python has no ensurepip: install the package that brings python3 -m venv"
    echo "installing $package on this machine"
    # A third party's source that is down must not matter; installing tells whether the lists are good enough.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null 2>&1 || true
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$package" >/dev/null ||
        fail "$python has no ensurepip and apt-get could not install $package: install it as root"
fi

if ! { [ -x .venv/bin/python ] && usable .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null; }; then
    rm -rf .venv
    "$python" -m venv .venv
fi
echo "installing the pinned requirements into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
