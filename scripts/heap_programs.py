#!/usr/bin/env python3
"""Real programs that only compute, with the plain malloc and with onecopy's preloaded, in turn.

Debian's hpcc (HPL, STREAM, FFT, RandomAccess on one rank) and a numpy loop over temporaries of 1 to
16 MiB. The ways run in turn on the same core, and the plain malloc twice, as two ways: what differs
between these two is chance (where a process's pages lie in the caches, what the neighbours of a
virtual machine do). Printed are medians, the speed with onecopy's malloc over that with the plain
one and the interval that this speed lies in (bootstrap, 95 %), the same ratio of plain over plain,
and whether the claim holds that a program is at most 3 % slower: "open" where neither yes nor no
can be told from so many rounds.
Arguments: the build folder; --rounds N; --json FILE (bench/README's fields: docs/bench.md).
"""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

import main_job

ROUNDS = 7
LIMIT = 1 / 1.03  # at most 3 % slower
RESAMPLES = 2000
HPL_SIZE = "2000"  # enough for a few seconds; RandomAccess, FFT and STREAM choose theirs by it
HPCC_FIGURES = [("HPL_Tflops", "HPL", "TFlop/s"), ("SingleSTREAM_Copy", "STREAM copy", "GB/s"),
                ("SingleSTREAM_Triad", "STREAM triad", "GB/s"),
                ("SingleFFT_Gflops", "FFT", "GFlop/s"),
                ("SingleRandomAccess_GUPs", "RandomAccess", "GUP/s")]
NUMPY_SIZES = [1 << 20, 2 << 20, 4 << 20, 8 << 20, 16 << 20]
NUMPY_LOOP = """
import sys, time
import numpy as np
for size in map(int, sys.argv[1:]):
    a = np.arange(size // 8, dtype=np.float64)
    b = a[::-1].copy()
    turns = max(3, (256 << 20) // size)
    best = None
    for part in range(-1, 5):
        start = time.perf_counter()
        for i in range(turns):
            c = (a + b) * 0.5 - a * b + b
        us = (time.perf_counter() - start) * 1e6 / turns
        if part >= 0 and (best is None or us < best):
            best = us
    assert np.array_equal(c, (a + b) * 0.5 - a * b + b)
    print(size, best, float(c.sum()))
"""


def library(build: pathlib.Path) -> str:
    found = (build / "lib" / "libonecopy_heap.so").resolve()
    if not found.exists():
        raise main_job.Failure(f"{found} is missing; build first: scripts/build.sh")
    return str(found)


def environment(preload: str) -> dict:
    env = main_job.environment()
    if preload:
        env["LD_PRELOAD"] = preload
    return env


def run(command: list, folder: pathlib.Path, preload: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(preload), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        raise main_job.Failure(f"{' '.join(command)}: exit status {done.returncode}:\n{done.stdout}")
    return done.stdout


def hpcc_input() -> str:
    """The main job's, for one rank and smaller."""
    text = re.sub(r"^\d+ +Ns$", f"{HPL_SIZE} Ns", main_job.HPCC_INPUT, flags=re.MULTILINE)
    return re.sub(r"^\d+ +Qs$", "1 Qs", text, flags=re.MULTILINE)


def hpcc(folder: pathlib.Path, preload: str) -> dict:
    """Its figures, all of them rates: more is better. Run without a launcher it is one rank."""
    (folder / "hpccinf.txt").write_text(hpcc_input())
    output = folder / "hpccoutf.txt"
    output.unlink(missing_ok=True)
    run(["hpcc"], folder, preload)
    text = output.read_text()
    if "FAILED" in text or "Success=1" not in text:
        raise main_job.Failure(f"hpcc found a wrong result (preloaded: {preload or 'nothing'})")
    found = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    return {key: float(found[key]) for key, _, _ in HPCC_FIGURES}


def numpy(folder: pathlib.Path, preload: str) -> dict:
    """Microseconds of a turn by size, and the sums, which must not depend on the malloc."""
    lines = run(["/usr/bin/python3", "-c", NUMPY_LOOP, *map(str, NUMPY_SIZES)], folder, preload)
    found = {}
    for line in lines.splitlines():
        size, us, total = line.split()
        found[int(size)] = (float(us), total)
    return found


def alternate(rounds: int, job, folder: pathlib.Path, heap: str) -> dict:
    """The job's results by way; the ways take turns, and in who begins, too."""
    preloads = {"malloc": "", "onecopy": heap, "again": ""}
    names = list(preloads)
    results = {name: [] for name in names}
    for i in range(rounds):
        for name in names[i % 3:] + names[:i % 3]:
            results[name].append(job(folder, preloads[name]))
    return results


def interval(ours: list, plain: list) -> tuple:
    """Where the ratio of the medians lies, by drawing the same numbers of runs again and again."""
    draw = random.Random(1)
    ratios = sorted(statistics.median(draw.choices(ours, k=len(ours))) /
                    statistics.median(draw.choices(plain, k=len(plain))) for _ in range(RESAMPLES))
    return ratios[RESAMPLES // 40], ratios[-RESAMPLES // 40]


class Table:
    """Rows of the comparison; `speed` is above 1 where the program is faster with our malloc."""

    def __init__(self):
        self.verdicts = []
        print(f"  {'':30} {'':8} {'malloc':>10} {'onecopy':>10} {'speed':>7} {'interval':>15} "
              f"{'plain/plain':>12}")

    def row(self, name: str, unit: str, results: dict, pick, rate: bool) -> None:
        """`pick` takes the figure out of a result; it is a rate, or a time."""
        figures = {way: [pick(result) for result in each] for way, each in results.items()}
        speeds = {way: each if rate else [1 / figure for figure in each]
                  for way, each in figures.items()}
        plain = speeds["malloc"] + speeds["again"]
        speed = statistics.median(speeds["onecopy"]) / statistics.median(plain)
        low, high = interval(speeds["onecopy"], plain)
        control = statistics.median(speeds["again"]) / statistics.median(speeds["malloc"])
        verdict = "yes" if speed >= LIMIT else "open" if high >= LIMIT else "no"
        self.verdicts.append({"name": name, "value": round(speed, 4), "limit": round(LIMIT, 4),
                              "ok": speed >= LIMIT, "interval": [round(low, 4), round(high, 4)],
                              "plain_over_plain": round(control, 4)})
        print(f"  {name:30} {unit:8} {statistics.median(figures['malloc'] + figures['again']):10.4g} "
              f"{statistics.median(figures['onecopy']):10.4g} {speed:7.3f} {low:7.3f}-{high:<7.3f} "
              f"{control:12.3f}  {verdict}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--programs", default="hpcc,numpy")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    heap = library(options.build)
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    print(f"core {core}, {options.rounds} rounds in turn, medians; speed: with onecopy's malloc over plain, "
          f"at least {LIMIT:.3f}\n")
    table = Table()
    with tempfile.TemporaryDirectory(prefix="onecopy-") as scratch:
        folder = pathlib.Path(scratch)
        if "hpcc" in options.programs:
            results = alternate(options.rounds, hpcc, folder, heap)
            for key, name, unit in HPCC_FIGURES:
                table.row(f"hpcc: {name}", unit, results, lambda found, key=key: found[key], True)
        if "numpy" in options.programs:
            results = alternate(options.rounds, numpy, folder, heap)
            for size in NUMPY_SIZES:
                if len({found[size][1] for each in results.values() for found in each}) != 1:
                    raise main_job.Failure(f"numpy, {size} bytes: another sum with onecopy's malloc")
                table.row(f"numpy: temporaries of {size >> 20} MiB", "us", results,
                          lambda found, size=size: found[size][0], False)
    if options.json:
        options.json.write_text(json.dumps({"verdicts": table.verdicts}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except main_job.Failure as failure:
        print(f"onecopy: {failure}", file=sys.stderr)
        sys.exit(1)
    except subprocess.TimeoutExpired as late:
        print(f"onecopy: {' '.join(map(str, late.cmd))}: not done after {late.timeout:.0f} s", file=sys.stderr)
        sys.exit(1)
