#!/usr/bin/env python3
"""scripts/main_job.py: which launcher it takes. Argument: the scripts' folder."""
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import main_job  # noqa: E402  (its folder is an argument)


def launcher_among(names: list) -> str:
    """What is taken where PATH has only these commands, in folders of their own, in this order."""
    before = os.environ["PATH"]
    with tempfile.TemporaryDirectory() as scratch:
        folders = []
        for name in names:
            folder = pathlib.Path(scratch, f"of-{name}")
            folder.mkdir()
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
            folders.append(str(folder))
        os.environ["PATH"] = ":".join(folders) or scratch
        try:
            return pathlib.Path(main_job.mpirun(["program"])[0]).name
        finally:
            os.environ["PATH"] = before


def main() -> None:
    assert launcher_among(["mpirun", "mpirun.mpich", "mpirun.openmpi"]) == "mpirun.openmpi"
    assert launcher_among(["mpirun"]) == "mpirun"
    try:
        launcher_among([])
    except main_job.Failure as failure:
        assert "install openmpi-bin" in str(failure), failure
    else:
        raise AssertionError("no launcher, and no complaint")


main()
