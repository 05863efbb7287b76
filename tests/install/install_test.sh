#!/usr/bin/env bash
# Installs the build into an empty prefix and builds a stranger's program against it, once by
# find_package and once by pkg-config. Arguments: the build folder, this folder, a scratch folder.
set -euo pipefail
build=$1 here=$2 scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch"
prefix=$scratch/prefix
cmake --install "$build" --prefix "$prefix" >"$scratch/install.log"

cmake -S "$here/consumer" -B "$scratch/consumer" -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/configure.log"
cmake --build "$scratch/consumer" >"$scratch/build.log"
"$scratch/consumer/consumer"

# The pkg-config file names the prefix of configuration time: say where it really is.
libdir=$(dirname "$(find "$prefix" -name libonecopy.so)")
flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --define-variable=libdir="$libdir" \
        --define-variable=includedir="$prefix/include" --cflags --libs onecopy)
# shellcheck disable=SC2086
"${CXX:-c++}" -std=c++20 "$here/consumer/main.cpp" $flags -Wl,-rpath,"$libdir" -o "$scratch/by_pkg_config"
"$scratch/by_pkg_config"

# Nothing of the layers is exported.
if nm -DC --defined-only "$libdir/libonecopy.so" | grep -E 'onecopy::(attach|reduce|os|plan|c_api)::'; then
    echo "libonecopy.so exports its inside" >&2
    exit 1
fi
echo "installed, found by find_package and by pkg-config"
