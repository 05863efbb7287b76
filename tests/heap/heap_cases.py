#!/usr/bin/env python3
"""Programs under the preloaded heap, most of them once more without it.

    heap_cases.py PROGRAMS LIBRARY TOOL CASE    runs one case; exit status 0 if it passes, 77 if
                                                something that it needs is missing

PROGRAMS is the folder of the built test programs, LIBRARY the path of libonecopy_heap.so, TOOL that of
the tool onecopy ("" if it was not built). Every function below that starts with a capital is a case,
and its name says what must hold.
"""
import glob
import importlib.util
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

PROGRAMS = pathlib.Path(sys.argv[1])
LIBRARY = sys.argv[2]
TOOL = sys.argv[3]
SKIPPED = 77  # CMakeLists.txt tells ctest
PYTHON = "/usr/bin/python3"  # Debian's, whose numpy it is


class Skipped(Exception):
    pass


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def lines(self, start="onecopy:"):
        return [line for line in self.err.splitlines() if line.startswith(start)]

    def from_arena(self):
        """Blocks, by the statistics of all processes."""
        return sum(map(int, re.findall(r": (\d+) blocks?, [^,]*, from the arena", self.err)))

    def passed(self, why=""):
        return sum(map(int, re.findall(r": (\d+) blocks?, [^,]*, from the next malloc: " + why,
                                       self.err)))


def run(command, preload=LIBRARY, env=None, guard=240, before=None, stderr=subprocess.PIPE):
    """Runs a command to its end; a hang is killed, with all it started, and fails the case."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("ONECOPY")}
    variables.pop("LD_PRELOAD", None)
    if preload:
        variables["LD_PRELOAD"] = preload
        variables["ONECOPY_HEAP_STATS"] = "1"
    variables.update(env or {})
    process = subprocess.Popen([str(word) for word in command], env=variables, text=True,
                               stdout=subprocess.PIPE, stderr=stderr, preexec_fn=before,
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=guard)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError(f"{command} hangs") from None
    return Result(process.returncode, out, err or "")


def passes(command, **how):
    result = run(command, **how)
    assert result.status == 0, (command, result.status, result.out[-2000:], result.err[-2000:])
    return result


def same_with_and_without(program, guard=240, **how):
    plain = passes(program, preload=None, guard=guard)
    ours = passes(program, guard=guard, **how)
    for expected, found in zip(plain.out.splitlines(), ours.out.splitlines()):
        assert expected == found, f"without the heap: {expected}\nwith it: {found}"
    assert plain.out == ours.out
    assert ours.from_arena() > 0, ours.err
    return ours


def takes(*words, **how):
    return passes([PROGRAMS / "takes", *words], **how)


# What each function answers


def EveryFunctionAnswersAsWithoutTheHeap():
    result = same_with_and_without([PROGRAMS / "functions"])
    assert result.from_arena() > 100, result.err


def EveryFunctionAnswersAsWithoutTheHeapFromAPageOn():
    same_with_and_without([PROGRAMS / "functions"], env={"ONECOPY_HEAP_THRESHOLD": "4096"})


def BlocksHoldTheirOwnBytes():
    assert passes([PROGRAMS / "contents"]).from_arena() > 1000


def BlocksHoldTheirOwnBytesFromAPageOn():
    passes([PROGRAMS / "contents"], env={"ONECOPY_HEAP_THRESHOLD": "4K"})


def AdviceAnswersAsWithoutTheHeap():
    same_with_and_without([PROGRAMS / "advice"])


def AdviceIsSplitWhereTheArenaEnds():
    arena = 64 << 20  # no longer than a file may be
    before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (arena, arena))
    for _ in range(5):  # addresses are random: something may stand behind the arena
        result = run([PROGRAMS / "straddle"], before=before)
        if result.status == 0:
            return
        assert result.status == SKIPPED, result.err
    raise Skipped("something always stands behind the arena")


def AWrongFreeEndsTheProgramWithALine():
    for kind, function in {"inner": "free", "page": "free", "twice": "free",
                           "realloc": "realloc"}.items():
        result = run([PROGRAMS / "takes", "free:" + kind])
        assert result.status == -signal.SIGABRT, (kind, result.status, result.err)
        assert len(result.lines()) == 1, result.err
        assert result.lines()[0].startswith(f"onecopy: heap: {function}(0x"), result.err


# Threads and forks


def ThreadsNeverMeetInABlock():
    assert passes([PROGRAMS / "threads"]).from_arena() > 1000


def ThreadsNeverMeetInABlockFromAPageOn():
    passes([PROGRAMS / "threads"], env={"ONECOPY_HEAP_THRESHOLD": "4096"})


def AChildOfAProgramWithThreadsCanAllocate():
    passes([PROGRAMS / "threads", "fork"], guard=60)


def ACancelledThreadLeavesNothingLocked():
    takes("1", "cancelled", "1", "shm")


# Memory


def MemoryStaysCloseToWhatIsLiveAndGoesBack():
    result = passes([PROGRAMS / "fragments"])
    assert " 0 bytes returned" not in result.err, result.err


def ALimitOfTheAddressSpaceLeavesAllToTheNextMalloc():
    result = takes("as:2000", "1500", "shm", "300", "fail:4000")
    assert result.out == "next\n" and result.passed("limits") == 3, result.err


def ALimitOfFilesDoesNotRefuseMemory():
    result = takes("files:1", "full:300", "shm")
    assert result.out == "next\n", result.out
    takes("files:0", "full:300", "1")


def NoFreeDescriptorDoesNotRefuseMemory():
    result = takes("open:3", "full:300", "1", "shm")
    assert result.out == "next\n" and result.passed("limits") == 2, (result.out, result.err)


def NoMemfdDoesNotRefuseMemory():
    result = passes([PROGRAMS / "refused", "memfd_create", PROGRAMS / "takes", "full:300", "1"])
    assert result.passed("no arena") + result.passed("limits") == 2, result.err


def MostOfTheMemoryCanBeTakenAtOnceAndTwice():
    with open("/proc/sys/vm/overcommit_memory") as mode:
        if mode.read().strip() != "0":
            raise Skipped("the kernel's overcommit rule is not the usual one")
    takes("lazy:85", "100", "lazy:85", "100")


def InASmallGroupNothingIsKilledThatWasNotWithout():
    group = small_group(256 << 20)
    try:
        enter = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
        # More than fits, little of it touched; then most of what fits, touched.
        takes("1000", "full:150", "100", "2000", before=enter)
        takes(*["1"] * 2000, "shm", before=enter)
        # Comes and goes: what is kept must not be what is missing.
        result = passes([PROGRAMS / "contents"], before=enter)
        assert result.from_arena() > 1000, result.err
    finally:
        remove_group(group)


def small_group(limit):
    if os.geteuid() != 0:
        raise Skipped("needs root: it makes a memory cgroup")
    own = dict(version1="/", version2="/")
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            own["version1"] = path
        if controllers == "":
            own["version2"] = path
    for base, name in ((f"/sys/fs/cgroup/memory{own['version1']}", "memory.limit_in_bytes"),
                       (f"/sys/fs/cgroup{own['version2']}", "memory.max")):
        group = pathlib.Path(base) / f"onecopy-heap-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(limit))
            return group
        except OSError:
            group.rmdir()
    raise Skipped("no memory cgroup can be made here")


def remove_group(group):
    for _ in range(1000):  # its last member leaves a moment after it has been reaped
        try:
            return group.rmdir()
        except OSError:
            subprocess.run(["sleep", "0.01"])


# Real programs


def NumpyComputesTheSame():
    if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("needs python3-numpy")
    result = same_with_and_without([PYTHON, PROGRAMS / "temporaries.py"])
    assert result.from_arena() > 200, result.err


def HpccComputesTheSame():
    if shutil.which("hpcc") is None or shutil.which("mpirun.openmpi") is None:
        raise Skipped("needs hpcc and openmpi-bin")
    job = main_job()
    job.HPCC_INPUT = job.HPCC_INPUT.replace("3000         Ns", "600          Ns").replace(
        "1200 ", "200  ")
    results = {}
    with tempfile.TemporaryDirectory() as name:
        for preload in (None, LIBRARY):
            folder = pathlib.Path(name)
            (folder / "hpccinf.txt").write_text(job.HPCC_INPUT)
            (folder / "hpccoutf.txt").unlink(missing_ok=True)
            before = lambda: os.chdir(folder)
            result = passes(job.mpirun(["hpcc"]), preload=preload, before=before, env={
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
            text = (folder / "hpccoutf.txt").read_text()
            assert "FAILED" not in text, text
            results[preload] = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert result.from_arena() > 0, result.err
    for key in job.HPCC_RESULTS:
        assert results[None][key] == results[LIBRARY][key], key


def main_job():
    path = pathlib.Path(__file__).parents[2] / "scripts" / "main_job.py"
    description = importlib.util.spec_from_file_location("main_job", path)
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


# Other mallocs


def installed(name):
    found = glob.glob(f"/usr/lib/*/{name}")
    if not found:
        raise Skipped(f"needs {name}")
    return found[0]


def stands_aside_for(name):
    other = installed(name)
    result = takes("1", "shm", "100", "shm", preload=f"{LIBRARY} {other}")
    assert result.out == "next\nnext\n", result.out
    said = [line for line in result.lines() if "a malloc of its own" in line]
    assert len(said) == 1 and name.split(".")[0] in said[0], result.err
    assert result.passed("another malloc") >= 2, result.err
    # Without statistics the line is all that is said; a program with no large block hears nothing.
    quiet = takes("1", preload=f"{LIBRARY} {other}", env={"ONECOPY_HEAP_STATS": "0"})
    assert len(quiet.lines()) == 1, quiet.err
    assert takes(preload=f"{LIBRARY} {other}", env={"ONECOPY_HEAP_STATS": "0"}).err == ""
    # In front of ours it takes everything, and nobody need be told.
    result = takes("1", "shm", preload=f"{other} {LIBRARY}")
    assert result.out == "next\n", result.out


def JemallocInTheProcessServesAll():
    stands_aside_for("libjemalloc.so.2")


def TcmallocInTheProcessServesAll():
    stands_aside_for("libtcmalloc_minimal.so.4")


def MimallocInTheProcessServesAll():
    stands_aside_for("libmimalloc.so.2")


def ASanitizedProgramKeepsItsSanitizer():
    program = PROGRAMS / "takes_sanitized"
    if not program.exists():
        raise Skipped("needs a compiler with -fsanitize=address")
    # The sanitizer wants to come first, or be told that it need not.
    env = {"ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    result = passes([program, "1", "shm"], env=env)
    assert result.out == "next\n", result.out
    assert "a malloc of its own" in result.err, result.err
    result = run([program, "free:twice"], env=env)
    assert "attempting double-free" in result.err, result.err


# What is said, and the tool


def StatisticsTellWhatCameFromWhere():
    result = takes("full:10", "2", "as:100", "fail:4000000")
    lines = result.lines()
    assert len(lines) == 2, result.err
    assert re.fullmatch(r"onecopy: heap: takes \(\d+\): 2 blocks, 12\.0 MiB, from the arena; at the "
                        r"most 12\.0 MiB at a time; 0 bytes returned to the system", lines[1]), lines
    assert re.fullmatch(r"onecopy: heap: takes \(\d+\): 1 block, 3\.8 TiB, from the next malloc: no "
                        r"headroom, or no room in the arena", lines[0]), lines
    lines = takes().lines()
    assert len(lines) == 1 and lines[0].endswith("no block of 64.0 KiB or more was asked for"), lines


def EachProcessTellsItsOwnStatistics():
    lines = takes("full:10", "fork", "1").lines()
    assert len(lines) == 2, lines
    assert ": 1 block, 1.0 MiB, from the arena; at the most 11.0 MiB at a time" in lines[0], lines
    assert ": 1 block, 10.0 MiB, from the arena; at the most 10.0 MiB at a time" in lines[1], lines
    result = passes(["sh", "-c", f"{PROGRAMS}/takes 1; exec {PROGRAMS}/takes 2 3"])
    assert [line.split("): ")[1].split(",")[0] for line in result.lines()] == ["1 block", "2 blocks"], \
        result.err


def StatisticsGoNowhereElseThanToStandardError():
    with tempfile.TemporaryDirectory() as folder:
        takes("1", "close")
        takes("1", "close", f"reopen:{folder}/file")
        assert pathlib.Path(folder, "file").read_text() == ""
    # Nobody reads: the program's own end is what counts.
    ends = os.pipe()
    os.close(ends[0])
    takes("1", stderr=ends[1])
    os.close(ends[1])


def ABadThresholdIsOneLineAndTheUsualOneHolds():
    for bad in ("10", "x", "64Q", "-1", "0", "99999999999999999999", "4095"):
        result = takes("1", "1", "shm", env={"ONECOPY_HEAP_THRESHOLD": bad, "ONECOPY_HEAP_STATS": "0"})
        assert len(result.lines()) == 1 and f"THRESHOLD={bad}: no number of bytes" in result.err, result.err
        assert result.out == "arena\n"
    assert takes("1", "shm", env={"ONECOPY_HEAP_THRESHOLD": "2M"}).out == "next\n"
    assert takes("2", "shm", env={"ONECOPY_HEAP_THRESHOLD": "2M"}).out == "arena\n"


def SwitchedOffNothingComesFromTheArena():
    for variable in ("ONECOPY_HEAP", "ONECOPY"):
        result = takes("100", "shm", env={variable: "0"})
        assert result.out == "next\n" and result.err == "", result.err


def TheToolBecomesTheProgram():
    if not TOOL:
        raise Skipped("the tool was not built")
    takes_program = PROGRAMS / "takes"
    result = passes([TOOL, "heap", "--stats", "--", takes_program, "1", "shm"], preload=None)
    assert result.out == "arena\n" and result.from_arena() == 1, (result.out, result.err)
    result = passes([TOOL, "heap", "--", takes_program, "1", "shm"], preload=None)
    assert result.out == "arena\n" and result.err == "", result.err
    result = passes([TOOL, "heap", "--off", "--", takes_program, "1", "shm"], preload=None)
    assert result.out == "next\n" and result.err == "", result.err
    # What was preloaded stays, behind ours.
    result = passes([TOOL, "heap", "--", "sh", "-c", "echo $LD_PRELOAD"],
                    preload=None, env={"LD_PRELOAD": "libdl.so.2"})
    first, second = result.out.split()
    assert pathlib.Path(first).samefile(LIBRARY) and second == "libdl.so.2", result.out
    assert run([TOOL, "heap", "--", "sh", "-c", "exit 7"], preload=None).status == 7
    assert run([TOOL, "heap", "--", "sh", "-c", "kill -TERM $$"], preload=None).status == -signal.SIGTERM


def TheLibraryNeedsLibcAloneAndExportsWhatItInterposes():
    if shutil.which("readelf") is None or shutil.which("nm") is None:
        raise Skipped("needs binutils")
    dynamic = subprocess.run(["readelf", "-d", LIBRARY], capture_output=True, text=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed
    symbols = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True)
    names = {line.split()[-1] for line in symbols.stdout.splitlines()}
    assert names == set("malloc free calloc realloc reallocarray memalign posix_memalign aligned_alloc "
                        "valloc pvalloc malloc_usable_size madvise fork malloc_trim mlockall "
                        "__register_atfork".split()), names


def main():
    case = globals()[sys.argv[4]]
    try:
        case()
    except Skipped as reason:
        print("skipped:", reason)
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
