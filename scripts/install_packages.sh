#!/usr/bin/env bash
# Installs what is missing of the named groups of Debian packages: build, test, run, full, rivals (what
# `onecopy bench p2p` and `bench collectives` compare with; each is optional).
# As root, or through sudo. Does nothing, and needs no right, when all are there.
set -euo pipefail

build=(g++ cmake ninja-build pkg-config python3 libhwy-dev libfmt-dev libcli11-dev nlohmann-json3-dev
       libhwloc-dev libopenmpi-dev libpmix-dev openmpi-bin)
test=(libgtest-dev googletest librapidcheck-dev clang libclang-rt-14-dev gnuplot-nox binutils gdb
      gfortran python3-mpi4py python3-numpy librsvg2-bin procps hpcc libjemalloc2
      libtcmalloc-minimal4 libmimalloc2.0)
run=(hpcc gnuplot-nox)
full=(g++-multilib slurm-client slurmctld slurmd)
rivals=(libmpich-dev mpich libzmq3-dev libboost-dev libiceoryx-posh-dev iceoryx libgloo-dev)

missing=()
for group in "$@"; do
    declare -n packages=$group
    for package in "${packages[@]}"; do
        if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            missing+=("$package")
        fi
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "onecopy: installing ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "onecopy: packages are missing: neither root nor sudo; run: apt-get install ${missing[*]}" >&2
        exit 2
    fi
    sudo=(sudo)
fi
# Two runs at once, or an unattended upgrade, hold dpkg's lock: wait for it instead of failing.
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${missing[@]}"
