#!/usr/bin/env python3
"""Fails when a source file includes a room of the house that does not stand on its room's line.

The link already refuses a wrong call; this refuses a wrong include. See docs/architecture.md.
"""
import pathlib
import re
import sys

# room: what it may include in quotes besides itself and include/onecopy (hwy is Google Highway)
ALLOWED = {
    "os": set(),
    "plan": set(),
    "attach": {"os", "plan"},
    "reduce": {"attach", "plan", "os", "hwy"},
    "arena": {"attach", "os"},
    "schedule": set(),
    "heap": {"arena", "os"},
    "node": {"schedule", "arena", "reduce", "attach", "plan", "os"},
    "collectives": {"node", "schedule", "arena", "reduce", "attach", "plan", "os"},
    "windows": {"node", "arena", "reduce", "attach", "plan", "os"},
    "c_api": {"reduce", "attach", "plan", "os"},
    "cli": {"node", "schedule", "reduce", "attach", "os"},
    "mpi": {"reduce", "attach", "plan", "os"},
}
# The plan layer is compiled into a kernel module: nothing but the compiler's own headers.
PLAN_SYSTEM = {"stddef.h", "stdint.h"}


def main(root: pathlib.Path) -> int:
    wrong = []
    files = 0
    for path in sorted((root / "src").rglob("*.[ch]pp")):
        files += 1
        room = path.relative_to(root / "src").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := re.match(r'#include "(\w+)/', line):
                other = match.group(1)
                if other not in ALLOWED[room] | {room, "onecopy"}:
                    wrong.append(f"{path.relative_to(root)}:{number}: {room} may not include {other}/")
            elif match := re.match(r"#include <(.*)>", line):
                if room == "plan" and match.group(1) not in PLAN_SYSTEM:
                    wrong.append(f"{path.relative_to(root)}:{number}: plan may not include <{match.group(1)}>")
    for path in sorted((root / "include").rglob("*.h*")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r'#include "(?!onecopy/)', line):
                wrong.append(f"{path.relative_to(root)}:{number}: a public header includes {line[9:]}")
    for line in wrong:
        print(line)
    if files == 0:
        print(f"no sources under {root}")
    return 1 if wrong or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
