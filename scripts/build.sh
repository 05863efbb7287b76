#!/usr/bin/env bash
# Configures and builds one preset (default release) with all cores; ccache where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
launcher=()
if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
cmake --preset "$preset" "${launcher[@]}" "$@" --log-level=WARNING
cmake --build --preset "$preset" --parallel "$(nproc)"
