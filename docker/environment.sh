#!/bin/sh
# A virtual environment in /opt/fhenn with fhenn and the extras named, and nothing that only building or testing needs.
#   environment.sh EXTRAS [PACKAGE...]
set -eu
extras=$1; shift
# --without-pip: the image installs nothing more, so the environment carries no installer.
python -m venv --without-pip /opt/fhenn
# --only-binary: a platform without a TenSEAL wheel shall say so at once. There is no C compiler either: the native
# evaluator is compiled by ziglang, a build requirement that does not stay.
python -m pip --python /opt/fhenn install --no-cache-dir --no-compile --only-binary=:all: ".[$extras]" "$@"
# the tests of packages, and what is for compilers
packages=$(echo /opt/fhenn/lib/python3*/site-packages)
rm -rf "$packages/numpy/distutils"
# SciPy, and scikit-learn with it, imports all that NumPy names, and f2py is among that
[ -d "$packages/scipy" ] || rm -rf "$packages/numpy/f2py"
find /opt/fhenn/lib -depth -type d \( -name tests -o -name test -o -name include \) -exec rm -r {} +
find /opt/fhenn/lib \( -name '*.pyi' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.a' \) -delete
# unchecked-hash: bytecode that stays valid whatever time stamps a copy of the files gets.
/opt/fhenn/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/fhenn/lib
