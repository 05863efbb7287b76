#!/usr/bin/env python3
"""onecopy's main job on real input: unmodified MPI programs with and without it.

Runs Debian's hpcc and the conjugate-gradient example of this repository on two ranks, alternately with
and without `onecopy mpi`, checks that every result agrees, and prints the comparison.
Argument: the build folder.
"""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 3
RANKS = 2
PROBLEM = ["512", "500"]  # points a side, iterations
# What hpcc computes; everything else in its summary is a time, a rate or a constant.
HPCC_RESULTS = ["Success", "HPL_RnormI", "HPL_Anorm1", "HPL_AnormI", "HPL_Xnorm1", "HPL_XnormI",
                "HPL_BnormI", "PTRANS_residual", "MPIRandomAccess_Errors",
                "MPIRandomAccess_LCG_Errors", "MPIFFT_maxErr"]
HPCC_FIGURES = [("HPL_Tflops", "HPL, TFlop/s"), ("PTRANS_GBs", "PTRANS, GB/s"),
                ("MPIRandomAccess_GUPs", "MPI RandomAccess, GUP/s"), ("MPIFFT_Gflops", "MPI FFT, GFlop/s"),
                ("NaturallyOrderedRingBandwidth_GBytes", "ring bandwidth, GB/s"),
                ("SingleSTREAM_Triad", "STREAM triad, GB/s")]
HPCC_INPUT = """\
HPLinpack benchmark input file
onecopy
HPL.out      output file name (if any)
8            device out (6=stdout,7=stderr,file)
1            # of problems sizes (N)
3000         Ns
1            # of NBs
80           NBs
0            PMAP process mapping (0=Row-,1=Column-major)
1            # of process grids (P x Q)
1            Ps
2            Qs
16.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
4            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
1            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
1            # of lookahead depth
1            DEPTHs (>=0)
2            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
##### This line (no. 32) is ignored (it serves as a separator). ######
0            Number of additional problem sizes for PTRANS
1200         values of N
0            number of additional blocking sizes for PTRANS
40           values of NB
"""


class Failure(Exception):
    """What went wrong, as one line for a person."""


def environment() -> dict:
    env = dict(os.environ)
    if os.geteuid() == 0:  # Open MPI refuses root, as in a container, unless told twice
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return env


def run(command: list, folder: pathlib.Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit status {done.returncode}:\n{done.stdout}")
    return done.stdout


def launcher() -> str:
    """Open MPI's, wherever Debian's alternatives point: hpcc and the example are built for it."""
    found = shutil.which("mpirun.openmpi") or shutil.which("mpirun")
    if found is None:
        raise Failure("mpirun is missing; install openmpi-bin")
    return found


def mpirun(program: list) -> list:
    bind = ["--bind-to", "core"] if len(os.sched_getaffinity(0)) >= RANKS else ["--oversubscribe"]
    return [launcher(), "-n", str(RANKS), *bind, *program]


def hpcc(prefix: list, folder: pathlib.Path) -> dict:
    """Runs hpcc in an empty folder; its summary as a dictionary."""
    (folder / "hpccinf.txt").write_text(HPCC_INPUT)
    output = folder / "hpccoutf.txt"
    output.unlink(missing_ok=True)
    run(prefix + mpirun(["hpcc"]), folder)
    text = output.read_text()
    if "FAILED" in text:
        raise Failure(f"hpcc found a wrong result ({' '.join(prefix) or 'plain'}): see {output}")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def example(prefix: list, folder: pathlib.Path, program: pathlib.Path) -> dict:
    """Runs the conjugate-gradient example; its lines of names and numbers as a dictionary."""
    text = run(prefix + mpirun([str(program), *PROBLEM]), folder)
    found = dict(re.findall(r"(\w+) ([-+.e\d]+)", text))
    found["allreduce"] = found.pop("these", None)  # "seconds 6.1, of these 3.4 in MPI_Allreduce"
    return found


def compare(name: str, plain: dict, with_onecopy: dict, keys: list) -> None:
    for key in keys:
        if key not in plain or plain[key] != with_onecopy.get(key):
            raise Failure(f"{name}: {key} is {with_onecopy.get(key)} with onecopy and "
                          f"{plain.get(key)} without")
    print(f"{name}: {len(keys)} results agree with and without onecopy")


def rounds(job, ways: dict) -> dict:
    """Runs `job` in every way, in turn, ROUNDS times."""
    results = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, prefix in ways.items():
            results[way].append(job(prefix))
    return results


def median(results: list, key: str) -> float:
    return statistics.median(float(result[key]) for result in results)


def row(what: str, plain: float, ours: float, ratio: float) -> None:
    print(f"  {what:42} {plain:12.4g} {ours:12.4g} {ratio:8.2f}")


def main(build: pathlib.Path) -> int:
    tool = (build / "bin" / "onecopy").resolve()
    program = (build / "examples" / "conjugate_gradient").resolve()
    for needed in (tool, program):
        if not needed.exists():
            raise Failure(f"{needed} is missing; build first: scripts/build.sh")
    launcher()
    ways = {"plain": [], "onecopy": [str(tool), "mpi", "--"]}

    with tempfile.TemporaryDirectory(prefix="onecopy-") as scratch:
        folder = pathlib.Path(scratch)
        print(f"{RANKS} ranks on {len(os.sched_getaffinity(0))} cores, {ROUNDS} rounds in turn, medians\n")
        suite = rounds(lambda prefix: hpcc(prefix, folder), ways)
        solver = rounds(lambda prefix: example(prefix, folder, program), ways)
        compare("hpcc", suite["plain"][0], suite["onecopy"][0], HPCC_RESULTS)
        compare("conjugate gradient", solver["plain"][0], solver["onecopy"][0],
                ["unknowns", "iterations", "residual", "checksum"])

        print(f"\n  {'':42} {'Open MPI':>12} {'+ onecopy':>12} {'ratio':>8}")
        for key, what in HPCC_FIGURES:
            plain, ours = median(suite["plain"], key), median(suite["onecopy"], key)
            row(f"hpcc: {what}", plain, ours, ours / plain)
        plain, ours = median(solver["plain"], "seconds"), median(solver["onecopy"], "seconds")
        row("conjugate gradient, seconds", plain, ours, plain / ours)
        plain, ours = median(solver["plain"], "allreduce"), median(solver["onecopy"], "allreduce")
        row("of these in MPI_Allreduce (2 MiB each)", plain, ours, plain / ours)
        print("\n  ratio above 1: faster with onecopy. hpcc's messages are not reductions of a size that\n"
              "  this version takes over: its rows show that nothing is lost. What went which way:\n")
        print(run([str(tool), "mpi", "--report", "--", *mpirun([str(program), *PROBLEM])], folder))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(pathlib.Path(sys.argv[1])))
    except Failure as failure:
        print(f"onecopy: {failure}", file=sys.stderr)
        sys.exit(1)
    except subprocess.TimeoutExpired as late:
        print(f"onecopy: {' '.join(map(str, late.cmd))}: not done after {late.timeout:.0f} s", file=sys.stderr)
        sys.exit(1)
