"""The wall time of `conform run` as a multiple of a bare script that makes the same calls.

    make bench                         3 rounds
    python benchmarks/overhead.py 9
    python benchmarks/overhead.py 1 1/5    one round of a fifth of the cases

The two take turns, and the ratio of each round is that of two runs that lie side by side in time,
so that a machine that is busy with other things slows both. The CPU time of all processes is told
beside it: shared out evenly over two idle cores, the run could be no faster than half of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.case import ScheduleCase
from harness.load import load
from harness.plan import Selection, plan
from harness.project import CASES
from harness.workers import Workers, default_environments
from harness.workers.messages import request

ROOT = Path(__file__).resolve().parent.parent
CONFORM = Path(sys.executable).with_name("conform")


def requests(shard: str) -> list[tuple[str, dict[str, object]]]:
    """Every request of a run of the suite's own cases, with its steps written out."""
    cases = Selection(shard=shard).share(load([CASES]).cases)
    with Workers(default_environments()) as workers:
        trials = plan(cases, workers.environments())
    runnable = [t for t in trials if t.skip is None and isinstance(t.case, ScheduleCase)]
    runnable.sort(key=lambda trial: trial.target.mode)
    return [
        (t.implementation.framework, {**request(t), "steps": t.case.observed_steps.tolist()})
        for t in runnable
    ]


def timed(command: list[str], folder: str) -> tuple[float, float]:
    """Wall time and CPU time in seconds, in a folder where MindSpore may leave its files."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{said.read()}")
    return wall, usage.ru_utime + usage.ru_stime


def main(rounds: int, shard: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.json"
        path.write_text(json.dumps(requests(shard)))
        bare_command = [sys.executable, str(ROOT / "benchmarks/bare.py"), str(path)]
        suite_command = [str(CONFORM), "run", "--report", str(Path(folder) / "report")]
        suite_command += ["--shard", shard] if shard else []
        print("round  bare script  (CPU)     conform run  (CPU)     ratio")
        ratios = []
        for number in range(1, rounds + 1):
            (bare, bare_cpu), (suite, suite_cpu) = (
                timed(command, folder) for command in (bare_command, suite_command)
            )
            ratios.append(suite / bare)
            print(
                f"{number:5}  {bare:9.2f} s  {bare_cpu:6.2f} s  {suite:9.2f} s  {suite_cpu:6.2f} s"
                f"  {ratios[-1]:6.2f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f} (0.35 is aimed at, on two idle cores)")


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 3,
        sys.argv[2] if len(sys.argv) > 2 else "",
    )
