"""How long `conform compare` takes for two long traces, and how much memory, the whole command.

    python benchmarks/traces.py [STEPS]

Two traces of so many steps (1,000,000), each with another rate at each step: the recorder's JSON
Lines, the same in CSV, and JSON Lines of another program; each pair once alike but for rounding and
once with a rate that is late by one step, which has to be explained too. The wall time and the peak
of the resident memory are those of the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from harness.traces.lr_recorder import entry, head


def rates(steps: int) -> list[float]:
    """A schedule that never stands still."""
    n = np.arange(steps, dtype=np.float64)
    return list((0.05 * (1 + np.cos(np.pi * n / steps)) + 1e-4).tolist())


def write(kind: str, path: Path, values: list[float]) -> None:
    """A trace in one of the formats."""
    with path.open("wb") as file:
        if kind == "recorder":
            file.write(head({"precision": {"reported": "float64"}}))
            file.writelines(entry(n, n, [("reported", [r])]) for n, r in enumerate(values))
        elif kind == "csv":
            file.write(b"step,lr\n")
            file.writelines(b"%d,%s\n" % (n, repr(r).encode()) for n, r in enumerate(values))
        else:
            file.writelines(
                b'{"step": %d, "lr": %s, "loss": 0.5}\n' % (n, repr(r).encode())
                for n, r in enumerate(values)
            )


def main() -> None:
    """The program."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    first = rates(steps)
    seconds = {
        "alike": [r * (1 + 2.0**-52) for r in first],
        "late by a step": [first[0], *first[:-1]],
    }
    program = "from harness.cli import main; main()"
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "one", Path(folder) / "other"
        for kind in ("recorder", "csv", "other JSON Lines"):
            write(kind, one, first)
            for what, values in seconds.items():
                write(kind, other, values)
                begin = perf_counter()
                process = subprocess.Popen(
                    [sys.executable, "-c", program, "compare", one, other, "--report", folder],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                assert process.stdout is not None
                said = process.stdout.read()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                print(
                    f"{kind}, {steps:,} steps, {what}: {perf_counter() - begin:.2f} s, "
                    f"{usage.ru_maxrss / 1024:.0f} MiB, exit code {process.returncode}"
                )
                told = ("diagnosis", "they match", "verdict", "conform:")
                print(
                    "".join(f"    {line}\n" for line in said.splitlines() if line.startswith(told))
                )


if __name__ == "__main__":
    main()
