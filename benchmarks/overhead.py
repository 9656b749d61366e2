"""The wall time of `make conform` as a multiple of a bare script that makes the same calls.

    make bench            3 rounds
    python benchmarks/overhead.py 9

The two take turns, and the ratio of each round is that of two runs that lie side by side in time,
so that a machine that is busy with other things slows both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.case import ScheduleCase
from harness.load import load
from harness.plan import plan
from harness.project import CASES
from harness.workers import Workers, default_environments, request

ROOT = Path(__file__).resolve().parent.parent


def requests() -> list[tuple[str, dict[str, object]]]:
    """Every request of a run of the suite's own cases, with its steps written out."""
    with Workers(default_environments()) as workers:
        trials = plan(load([CASES]).cases, workers.environments())
    runnable = [t for t in trials if t.skip is None and isinstance(t.case, ScheduleCase)]
    runnable.sort(key=lambda trial: trial.target.mode)
    return [
        (t.implementation.framework, {**request(t), "steps": t.case.observed_steps.tolist()})
        for t in runnable
    ]


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.json"
        path.write_text(json.dumps(requests()))
        bare_command = [sys.executable, str(ROOT / "benchmarks/bare.py"), str(path)]
        timed(bare_command), timed(["make", "conform"])  # warm the disk
        print("round  bare script  make conform  ratio")
        ratios = []
        for number in range(1, rounds + 1):
            bare, suite = timed(bare_command), timed(["make", "conform"])
            ratios.append(suite / bare)
            print(f"{number:5}  {bare:9.2f} s  {suite:10.2f} s  {ratios[-1]:5.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} (to stay within 1.5)")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
