"""The wall time of a run beside the time spent inside framework calls: what is the suite's own.

    make bench            3 runs
    python benchmarks/share.py 5

The frameworks work side by side, MindSpore in several processes, so the time that counts is that
of the busiest of them: its import, and its calls shared out over its processes. What is left of the
wall time is planning, waiting, judging and writing reports, the start of Python among it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFORM = Path(sys.executable).with_name("conform")


def measured() -> tuple[float, dict[str, float]]:
    """Seconds of a run, and those that each framework was busy for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(CONFORM), "run", "--report", folder]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"conform run failed:\n{done.stdout}{done.stderr}")
        report = json.loads((Path(folder) / "report.json").read_text())
    processes = {e["name"]: e["processes"] for e in report["environments"]}
    busy = {e["name"]: e["start_seconds"] for e in report["environments"]}
    for trial in report["trials"]:
        busy[trial["environment"]] += trial["seconds"] / processes[trial["environment"]]
    return wall, busy


def main(runs: int) -> None:
    shares = []
    print("run  wall time  inside the frameworks            the suite's own share")
    for number in range(1, runs + 1):
        wall, busy = measured()
        shares.append(1 - max(busy.values()) / wall)
        inside = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in busy.items())
        print(f"{number:3}  {wall:7.1f} s  {inside:32}  {shares[-1]:.1%}", flush=True)
    print(f"median share {statistics.median(shares):.1%} (to stay within 10 %)")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
