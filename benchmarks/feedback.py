"""How long the tests and the CI script take, as multiples of a warm `conform run` of the same hour.

    python benchmarks/feedback.py           conform run, make test-quick, make test
    python benchmarks/feedback.py --ci      .ci/run too, in a fresh clone of the last commit

A `conform run` stands before and after the others, so that a machine which becomes busy shows. The
20 slowest tests of `make test` follow.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFORM = Path(sys.executable).with_name("conform")


def timed(*command: str, cwd: Path = ROOT, **more: str) -> tuple[float, str]:
    """Wall time in seconds, and what was printed; a failure ends the program."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return time.perf_counter() - began, done.stdout


def run() -> float:
    """Seconds of a run of the suite's own cases."""
    with tempfile.TemporaryDirectory() as folder:
        return timed(str(CONFORM), "run", "--report", folder)[0]


def ci() -> float:
    """Seconds of the CI script in a fresh clone, which is removed again."""
    folder = tempfile.mkdtemp()
    try:
        clone = Path(folder) / "clone"
        timed("git", "clone", "--quiet", str(ROOT), str(clone))
        return timed("bash", ".ci/run", cwd=clone, CI="true")[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ci", action="store_true", help="run .ci/run in a fresh clone too")
    options = parser.parse_args()
    run()  # warms the caches of the file system
    runs = [run(), run()]
    seconds = {"make test-quick": timed("make", "test-quick")[0]}
    seconds["make test"], printed = timed("make", "test", PYTEST_ADDOPTS="--durations=20")
    runs.append(run())
    if options.ci:
        seconds[".ci/run"] = ci()
        runs.append(run())
    unit = statistics.median(runs)
    told = ", ".join(f"{each:.1f}" for each in runs)
    print(f"conform run      {unit:7.1f} s  (median of {told})")
    for name, taken in seconds.items():
        print(f"{name:16} {taken:7.1f} s  {taken / unit:5.1f} times a conform run")
    slowest = re.search(r"=+ slowest 20 durations =+\n(.*?)\n(=|\()", printed, re.DOTALL)
    print(slowest[1] if slowest else "")


if __name__ == "__main__":
    main()
