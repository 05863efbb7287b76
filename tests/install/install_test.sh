#!/usr/bin/env bash
# Installs the build into an empty prefix, not the configured one, and builds a stranger's programs,
# one of them in C, against it, once by find_package and once by pkg-config; then moves it and does so
# again. Arguments: the build folder, this folder, a scratch folder.
set -euo pipefail
build=$1 here=$2 scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch"
prefix=$scratch/prefix
cmake --install "$build" --prefix "$prefix" >"$scratch/install.log"

# by_find_package PREFIX; by_pkg_config PREFIX: with nothing told but where it is.
by_find_package() {
    rm -rf "$scratch/consumer"
    cmake -S "$here/consumer" -B "$scratch/consumer" -DCMAKE_PREFIX_PATH="$1" >"$scratch/configure.log"
    cmake --build "$scratch/consumer" >"$scratch/build.log"
    "$scratch/consumer/consumer"
    "$scratch/consumer/rank"
}
by_pkg_config() {
    local file flags libdir
    file=$(find "$1" -name onecopy.pc)
    libdir=$(dirname "$(find "$1" -name libonecopy.so)")
    flags=$(PKG_CONFIG_PATH=$(dirname "$file") pkg-config --cflags --libs onecopy)
    # shellcheck disable=SC2086
    "${CXX:-c++}" -std=c++20 "$here/consumer/main.cpp" $flags -Wl,-rpath,"$libdir" \
        -o "$scratch/by_pkg_config"
    "$scratch/by_pkg_config"
    # shellcheck disable=SC2086
    "${CC:-cc}" -std=gnu99 -Wall -Wextra -pedantic -Werror "$here/consumer/rank.c" $flags \
        -Wl,-rpath,"$libdir" -o "$scratch/rank_by_pkg_config"
    "$scratch/rank_by_pkg_config"
}

configured=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
if [ "$configured" = "$prefix" ]; then
    echo "$prefix is the configured prefix: configure with another one" >&2
    exit 1
fi
by_find_package "$prefix"
by_pkg_config "$prefix"
mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
by_find_package "$prefix"
by_pkg_config "$prefix"
libdir=$(dirname "$(find "$prefix" -name libonecopy.so)")

# Nothing of the layers is exported.
if nm -DC --defined-only "$libdir/libonecopy.so" | grep -E '^[0-9a-f]+ . onecopy::(attach|arena|reduce|os|plan|c_api)::'; then
    echo "libonecopy.so exports its inside" >&2
    exit 1
fi
# Every function that the C headers declare is.
exported=$(nm -D --defined-only "$libdir/libonecopy.so")
for name in $(cat "$prefix"/include/onecopy/*.h | grep -v '^typedef' | grep -oE '\bonecopy_[a-z_]+\(' |
    tr -d '(' | sort -u); do
    if ! grep -q " T $name\$" <<<"$exported"; then
        echo "libonecopy.so does not export $name" >&2
        exit 1
    fi
done
echo "installed and moved, found by find_package and by pkg-config"
