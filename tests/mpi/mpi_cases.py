#!/usr/bin/env python3
"""Unmodified MPI programs under mpirun, with and without the preloaded library.

    mpi_cases.py PROGRAMS LIBRARIES TOOL CASE    runs one case; exit status 0 if it passes, 77 if
                                                 something that it needs is missing

PROGRAMS is the folder of the built test programs, LIBRARIES that of libonecopy_mpi.so, TOOL the path
of the tool onecopy ("" if it was not built). Every function below that starts with a capital is a
case, and its name says what must hold.
"""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

PROGRAMS = pathlib.Path(sys.argv[1])
LIBRARIES = pathlib.Path(sys.argv[2])
TOOL = sys.argv[3]
STUB = str(LIBRARIES / "libonecopy_mpi.so")
MPIRUN = ["mpirun.openmpi", "--oversubscribe"]
SKIPPED = 77  # CMakeLists.txt tells ctest
PASSED_ON = "onecopy: mpi: passing everything to the MPI"


class Result:
    def __init__(self, status, out, err, reports):
        self.status, self.out, self.err, self.reports = status, out, err, reports

    def lines(self, start="onecopy:"):
        return [line for line in self.err.splitlines() if line.startswith(start)]

    def taken(self, function="allreduce"):
        return sum(report["functions"][function]["taken"]["calls"] for report in self.reports)

    def passed(self, reason, function="allreduce"):
        calls = (report["functions"][function]["passed"].get(reason) for report in self.reports)
        return sum(call["calls"] for call in calls if call)

    def moved(self, way):
        return sum(report["moved"][way] for report in self.reports)


def run(command, preload=STUB, env=None, guard=120):
    """Runs a command to its end; a hang is killed, with all it started, and fails the case."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        variables = {key: value for key, value in os.environ.items() if not key.startswith("ONECOPY")}
        variables.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                         ONECOPY_REPORT=folder, ONECOPY_PRESENCE_TIMEOUT_MS="60000",
                         # However many cores there are: with few, more is passed on.
                         ONECOPY_MPI_THRESHOLD="32768")
        variables.pop("LD_PRELOAD", None)
        if preload:
            variables["LD_PRELOAD"] = preload
        variables.update(env or {})
        variables = {key: value for key, value in variables.items() if value is not None}
        process = subprocess.Popen([str(word) for word in command], env=variables, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=guard)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"{command} hangs\n{out[-2000:]}\n{err[-2000:]}") from None
        reports = [json.loads(pathlib.Path(name).read_text()) for name in glob.glob(folder + "/*.json")]
        return Result(process.returncode, out, err, reports)


class Skipped(Exception):
    pass


def need(there, otherwise):
    if not there:
        raise Skipped(otherwise)


def program(name):
    return str(PROGRAMS / name)


def mpi(ranks, name, *arguments, options=(), **how):
    return run([*MPIRUN, "-n", ranks, *options, program(name), *arguments], **how)


def expect(condition, result):
    assert condition, f"status {result.status}\n{result.out[-3000:]}\n{result.err[-3000:]}\n" \
                      f"{json.dumps(result.reports)[:3000]}"


def expect_sums(result, ranks, text="sums are right"):
    expect(result.status == 0 and result.out.count(text) == ranks, result)


def random_program(ranks, seed, **how):
    """What it prints, by rank, and its Result. (mpirun mixes what ranks print within a line.)"""
    with tempfile.TemporaryDirectory() as folder:
        result = mpi(ranks, "differential", seed, 60, folder, **how)
        expect(result.status == 0, result)
        prints = [(pathlib.Path(folder) / str(rank)).read_text().splitlines()
                  for rank in range(ranks)]
    assert all(len(lines) == 61 for lines in prints), prints
    return prints, result


def differential(ranks, seeds, **how):
    for seed in seeds:
        theirs, _ = random_program(ranks, seed, preload=None)
        mine, ours = random_program(ranks, seed, **how)
        expect(ours.taken() > 0 and ours.taken("reduce") > 0, ours)
        expect(not ours.lines(), ours)
        assert mine == theirs, "\n".join(
            f"{a}\n{b}" for one, other in zip(mine, theirs)
            for a, b in zip(one, other) if a != b)[:3000]


# The same results as the MPI alone.

def RandomProgramsOfTwoRanksGiveTheSameResults():
    differential(2, range(1, 9))


def RandomProgramsOfThreeRanksGiveTheSameResults():
    differential(3, range(11, 17))


def RandomProgramsOfFourRanksGiveTheSameResults():
    differential(4, range(21, 25))


def RandomProgramsOfSevenRanksGiveTheSameResults():
    differential(7, range(31, 33))


def RandomProgramsGiveTheSameResultsWhenMemoryCannotBeRead():
    differential(3, range(41, 45), env={"ONECOPY_TEST_REFUSE_EVERY": "3"})


def RandomProgramsGiveTheSameResultsWithNoThresholdAtAll():
    differential(2, range(51, 54), env={"ONECOPY_MPI_THRESHOLD": "0"})


def IntegersAtTheEndsOfTheirRangesWrapAroundAndCompareAsTheirTypeDoes():
    for ranks in (2, 3):
        result = mpi(ranks, "exact")
        expect_sums(result, ranks, "exact is right")
        expect(result.taken() == ranks * 25 * 4, result)


def LargeReductionsAreTakenAndSmallOnesAreNot():
    result = mpi(2, "sums")
    expect_sums(result, 2)
    expect(not result.lines(), result)
    expect(result.taken() > 0 and result.taken("reduce") > 0 and result.passed("small") > 0, result)
    expect(result.moved("process_vm") > 0 and result.moved("staged") == 0, result)
    expect(all(report["mode"] == "taken" for report in result.reports), result)


def MemoryThatCannotBeReadIsStaged():
    result = mpi(2, "sums", env={"ONECOPY_TEST_REFUSE_EVERY": "2"})
    expect_sums(result, 2)
    expect(result.moved("staged") > 0, result)


def WrongCallsGetTheMpisOwnAnswers():
    plain = mpi(2, "wrong_calls", preload=None)
    ours = mpi(2, "wrong_calls")
    expect(plain.status == 0 and ours.status == 0 and ours.taken() > 0, ours)
    expect(sorted(plain.out.splitlines()) == sorted(ours.out.splitlines()), ours)


def EveryThreadLevelWorks():
    for level in range(4):
        result = mpi(2, "sums", level)
        expect_sums(result, 2)
        expect(result.taken() > 0, result)


def ThreadsWithTheirOwnCommunicatorsDoNotDisturbEachOther():
    for ranks in (2, 3):
        result = mpi(ranks, "threads", options=["--bind-to", "none"])
        expect_sums(result, ranks, "threads are right")
        expect(result.taken() > 0, result)


def ARankThatWaitsHereKeepsTheMpisMessagesMoving():
    for options in ([], ["--mca", "btl_vader_single_copy_mechanism", "none"]):
        for messages in ("others", "self"):
            result = mpi(2, "progress", messages, options=options, guard=60)
            expect_sums(result, 2, "progress is made")
            expect(result.taken() == 8, result)


def MoreRanksThanCoresEndInTime():
    result = mpi(7, "sums", options=["--bind-to", "none"])
    expect_sums(result, 7)
    expect(result.taken() > 0, result)


def WithMoreRanksThanCoresOnlyLargeArraysAreTaken():
    result = run(["taskset", "-c", min(os.sched_getaffinity(0)), *MPIRUN, "-n", 3, "--bind-to", "none",
                  program("sums")], env={"ONECOPY_MPI_THRESHOLD": None})
    expect_sums(result, 3)
    # Of the seven sizes one has 1 MiB and more; 256 KiB would be taken with a core for each.
    expect(result.taken() == 3 * 2 and result.passed("small") == 3 * 12, result)


def ACommunicatorThatIsFreedServesItsLastMembersToTheEnd():
    result = mpi(3, "freed")
    expect_sums(result, 3, "freed is right")
    expect(result.taken() == 4, result)
    result = mpi(3, "freed", "often", options=["--bind-to", "none"])
    expect_sums(result, 3, "freed is right")
    expect(result.taken() == 4 * 1000 and result.passed("no_channel") == 0, result)


def AThresholdMayBeWrittenWithAUnitAndAnythingElseIsSaid():
    result = mpi(2, "sums", env={"ONECOPY_MPI_THRESHOLD": "1M"})
    expect_sums(result, 2)
    expect(not result.lines() and result.taken() == 2 * 2, result)  # one size of seven, twice
    for wrong in ("64Q", "many", "-1"):
        result = mpi(2, "sums", env={"ONECOPY_MPI_THRESHOLD": wrong})
        expect_sums(result, 2)
        expect(len(result.lines()) == 1 and result.taken() > 0, result)
        expect(f"ONECOPY_MPI_THRESHOLD={wrong} is no number of bytes" in result.err, result)
    result = mpi(2, "sums", env={"ONECOPY_MPI_THRESHOLD": ""})
    expect(result.status == 0 and not result.lines() and result.taken() > 0, result)


# No rank takes part before it is known that all do (hazard D3).

def ARankWithoutOnecopyMakesTheJobPassThroughWithOneLine():
    for parts in (["env", "-u", "LD_PRELOAD", program("sums"), ":", "-n", 1, program("sums")],
                  [program("sums"), ":", "-n", 1, "env", "-u", "LD_PRELOAD", program("sums")],
                  ["env", "ONECOPY=0", program("sums"), ":", "-n", 2, program("sums")]):
        result = run([*MPIRUN, "-n", 1, *parts])
        expect(result.status == 0 and result.out.count("sums are right") >= 2, result)
        expect(len(result.lines(PASSED_ON)) == 1 and len(result.lines()) == 1, result)
        expect(result.taken() == 0 and result.passed("not_agreed") > 0, result)


def RanksWithOtherSettingsPassThroughWithOneLine():
    result = run([*MPIRUN, "-n", 1, "env", "ONECOPY_MPI_THRESHOLD=5", program("sums"), ":",
                  "-n", 1, program("sums")])
    expect_sums(result, 2)
    expect(len(result.lines(PASSED_ON)) == 1 and "other settings" in result.err, result)


def AnotherProgramInTheJobPassesThroughIfItIsNotOurs():
    result = run([*MPIRUN, "-n", 1, program("sums"), ":", "-n", 1, program("sums_again")])
    expect_sums(result, 2)
    expect(result.taken() > 0, result)  # it is: another program, the same library


def AProgramStartedAloneRunsWithoutALine():
    result = run([program("sums")])
    expect_sums(result, 1)
    expect(not result.lines() and result.taken() == 0, result)


def ALauncherThatDoesNotSayWhoIsHereMakesTheJobPassThroughWithOneLine():
    result = run([*MPIRUN, "-n", 2, "env", "-u", "OMPI_COMM_WORLD_LOCAL_RANK", program("sums")])
    expect_sums(result, 2)
    expect(len(result.lines(PASSED_ON)) == 1 and len(result.lines()) == 1, result)


def ARankStartedByAShellTakesPart():
    result = run([*MPIRUN, "-n", 2, "sh", "-c", program("sums") + "; true"])
    expect_sums(result, 2)
    expect(result.taken() > 0, result)


def TooFewDescriptorsOnAnyRankMakeTheJobPassThroughWithOneLine():
    result = run([*MPIRUN, "-n", 3, program("sums"), ":",
                  "-n", 1, "sh", "-c", "ulimit -n 48; exec " + program("sums")])
    expect_sums(result, 4)
    expect(len(result.lines(PASSED_ON)) == 1 and len(result.lines()) == 1, result)
    expect("rank 3: 12 file descriptors for 4 ranks" in result.err and result.taken() == 0, result)


# Nothing but MPI programs notices the library (hazards D4, D9).

def ShellsLaunchersAndInterpretersDoNotNotice():
    for command in (["sh", "-c", "echo fine"], ["/usr/bin/python3", "-c", "print('fine')"],
                    [*MPIRUN, "-n", 1, "echo", "fine"]):
        result = run(command, env={"ONECOPY_VERBOSE": "1"})
        expect(result.status == 0 and result.out == "fine\n" and not result.lines(), result)


def SwitchedOffItDoesNothing():
    result = mpi(2, "sums", env={"ONECOPY": "0"})
    expect_sums(result, 2)
    expect(not result.lines() and not result.reports, result)


def APythonThatLoadsItsMpiLateIsTakenOver():
    result = run([*MPIRUN, "-n", 2, "/usr/bin/python3", PROGRAMS / "sums.py"])
    expect_sums(result, 2, "numpy is right")
    expect(result.taken() > 0 and not result.lines(), result)


def EveryLifetimeThatMpiAllowsIsRight():
    for how in ("never", "attribute", "half", "handler", "many", "again"):
        result = mpi(2, "lifetimes", how)
        expect_sums(result, 2, "lifetimes are right")
        if how != "never":
            expect(result.taken() > 0, result)
        if how in ("attribute", "half", "handler"):  # wherever they come from
            expect(result.taken() == 4, result)
        if how == "many":
            expect(result.passed("no_channel") > 0, result)
        if how == "again":
            expect(result.passed("no_channel") == 0, result)


def ReductionsThatTheMpiMakesForItselfMayBeTaken():
    with tempfile.TemporaryDirectory() as folder:
        result = mpi(3, "lifetimes", "file", folder + "/file", options=["--mca", "io", "romio321"],
                     env={"ONECOPY_MPI_THRESHOLD": "0"})
        expect_sums(result, 3, "lifetimes are right")
        expect(result.taken() > 3, result)


def TheUsersOwnPreloadStaysInPlace():
    need(TOOL, "the tool was not built")
    result = run([TOOL, "mpi", "--", *MPIRUN, "-n", 2, program("sums")],
                 preload=program("libprofiler.so"))
    expect_sums(result, 2)
    expect(result.out.count("profiler: ") == 2, result)


# Tools that stand in front of MPI, and Fortran, which comes by other names (hazard D2).

def profiled(result, ranks, text):
    expect_sums(result, ranks, text)
    expect(result.taken() > 0 and not result.lines(), result)


def AProfilerInFrontSeesEveryCall():
    result = mpi(2, "sums", preload=program("libprofiler.so") + " " + STUB)
    profiled(result, 2, "sums are right")
    expect(result.out.count("profiler: 14 allreduces, 7 reduces") == 2, result)


def AProfilerBehindSeesEveryCall():
    for name, preload in (("sums", STUB + " " + program("libprofiler.so")),
                          ("sums_with_profiler", STUB)):
        result = mpi(2, name, preload=preload)
        profiled(result, 2, "sums are right")
        expect(result.out.count("profiler: 14 allreduces, 7 reduces") == 2, result)


def AProfilerThatWrapsOneFunctionOnlyDisturbsNothing():
    half = program("libhalf_profiler.so")
    for preload in (STUB + " " + half, half + " " + STUB):
        result = mpi(2, "sums", preload=preload)
        profiled(result, 2, "sums are right")
        expect(result.out.count("profiler: the end") == 2, result)


def AProfilerBehindInOneRankOnlyMakesTheJobPassThrough():
    result = run([*MPIRUN, "-n", 1, program("sums"), ":", "-n", 1, program("sums_with_profiler")])
    expect_sums(result, 2)
    expect(len(result.lines(PASSED_ON)) == 1 and result.taken() == 0, result)


def FortranOfEveryKindIsTakenOver():
    for name in ("fortran_mpif", "fortran_mpi", "fortran_f08"):
        result = mpi(2, name)
        expect_sums(result, 2, "fortran is right")
        expect(result.taken() == 4 and result.taken("reduce") == 2 and not result.lines(), result)


def AProfilerAndFortranGoTogether():
    profiler = program("libprofiler.so")
    for name in ("fortran_mpif", "fortran_mpi", "fortran_f08"):
        for preload in (profiler + " " + STUB, STUB + " " + profiler):
            result = mpi(2, name, preload=preload)
            expect_sums(result, 2, "fortran is right")
            expect(result.taken() == 4 and not result.lines(), result)


# Other libraries, MPIs and devices (hazards D5, D7).

def NothingForeignIsDraggedIn():
    libraries = sorted(LIBRARIES.glob("libonecopy_mpi*.so"))
    assert len(libraries) >= 2, libraries
    for library in libraries:
        text = subprocess.run(["readelf", "-dW", library], check=True, text=True,
                              capture_output=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
        wrong = [name for name in needed
                 if not re.fullmatch(r"libc\.so\.6|libm\.so\.6|ld-linux.*", name)]
        assert not wrong, f"{library} needs {wrong}"
        assert "TEXTREL" not in text and "RUNPATH" not in text and "RPATH" not in text, library


def NothingButTheTakenFunctionsIsExported():
    taken = {"Init", "Init_thread", "Finalize", "Reduce", "Allreduce"}
    expected = {"libonecopy_mpi.so": {p + "MPI_" + name for name in taken for p in ("", "P")},
                "libonecopy_mpi_openmpi.so": {"onecopy_mpi_part"}}
    for name, symbols in expected.items():
        text = subprocess.run(["readelf", "--dyn-syms", "-W", LIBRARIES / name], check=True,
                              text=True, capture_output=True).stdout
        rows = [line.split() for line in text.splitlines() if re.match(r"\s*\d+:", line)]
        exported = {row[7] for row in rows if row[6] != "UND" and len(row) > 7}
        assert exported == symbols, f"{name} exports {exported}"


def AnMpiThatWasNotTestedIsPassedThroughWithOneLine():
    result = run([program("fake_user")])
    expect(result.status == 0, result)
    expect(result.out == "fake: init\nfake: allreduce 1 -2 3 -4\nfake: reduce 5 -6 7 -8 9\n"
                         "fake: finalize\n", result)
    expect(len(result.lines(PASSED_ON)) == 1 and "Somebody Else" in result.err, result)
    plain = run([program("fake_user")], preload=None)
    expect(plain.out == result.out, plain)


def AMissingPartIsPassedThroughWithOneLine():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(STUB, folder)
        result = mpi(2, "sums", preload=folder + "/libonecopy_mpi.so")
        expect_sums(result, 2)
        expect(len(result.lines(PASSED_ON)) == 1 and len(result.lines()) == 1, result)


def MpichIsPassedThrough():
    need(os.path.exists(program("sums_mpich")), "MPICH was not found")
    for verbose in ("0", "1"):
        result = run(["mpirun.mpich", "-n", 2, program("sums_mpich")],
                     env={"ONECOPY_VERBOSE": verbose})
        expect_sums(result, 2)
        expect(len(result.lines()) == int(verbose), result)


def AGpusLibraryOnAnyRankMakesTheJobPassThroughWithOneLine():
    device = program("libcuda.so.1")
    parts = ["-n", 1, "env", "LD_PRELOAD=" + STUB + " " + device, program("sums"), ":",
             "-n", 1, program("sums")]
    result = run([*MPIRUN, *parts])
    expect_sums(result, 2)
    expect(len(result.lines(PASSED_ON)) == 1 and len(result.lines()) == 1, result)
    expect("GPU" in result.err and result.taken() == 0, result)
    result = run([*MPIRUN, *parts], env={"ONECOPY_GPU": "host-only"})
    expect_sums(result, 2)
    expect(not result.lines() and result.taken() > 0, result)


def AGpusLibraryThatComesLaterOnOneRankStopsTheTakingOver():
    result = mpi(3, "lifetimes", "device", program("libcuda.so.1"))
    expect_sums(result, 3, "lifetimes are right")
    expect(result.taken() == 3 and result.passed("declined") == 3, result)


# Death.

def TheDeathOfARankIsAnErrorForTheOthers():
    for when in ("between", "within"):
        result = mpi(3, "dies", when, options=["--enable-recovery"], guard=40)
        for call in ("reduce", "allreduce", "reduce elsewhere"):  # the later ones as well
            expect(result.out.count(f": {call}: told of the death") == 2, result)
        expect("rank 1 of the communicator has ended" in result.err, result)


# The command.

def TheCommandPreloadsAndReports():
    need(TOOL, "the tool was not built")
    result = run([TOOL, "mpi", "--report", "--", *MPIRUN, "-n", 2, program("sums")], preload=None)
    expect_sums(result, 2)
    text = result.out + result.err
    expect("allreduce" in text and "process_vm" in text and "2 ranks" in text, result)


def TheCommandPassesTheProgramsStatusOn():
    need(TOOL, "the tool was not built")
    expect_status = {("sh", "-c", "exit 7"): 7, ("true",): 0, ("sh", "-c", "kill -TERM $$"): 143}
    for command, status in expect_status.items():
        result = run([TOOL, "mpi", "--", *command], preload=None)
        expect(result.status == status, result)


def TheCommandSwitchedOffLeavesTheProgramAlone():
    need(TOOL, "the tool was not built")
    result = run([TOOL, "mpi", "--off", "--", *MPIRUN, "-n", 2, program("sums")], preload=None)
    expect_sums(result, 2)
    expect(not result.reports or result.taken() == 0, result)


def TheCommandWithoutAProgramIsWrongUse():
    need(TOOL, "the tool was not built")
    for arguments in ([], ["--"], ["--", "/does/not/exist"]):
        result = run([TOOL, "mpi", *arguments], preload=None)
        expect(result.status == 2 and len(result.err.splitlines()) == 1, result)
        expect(result.err.startswith("onecopy: mpi: "), result)


if __name__ == "__main__":
    try:
        globals()[sys.argv[4]]()
    except AssertionError as failure:
        print(failure)
        sys.exit(1)
    except Skipped as reason:
        print("skipped:", reason)
        sys.exit(SKIPPED)
