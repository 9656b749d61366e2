"""What one more case and 1,000 more steps cost, in CPU time and in memory.

    python benchmarks/growth.py          about 3 minutes on an idle core

The whole way from YAML to the report's files, with a worker that knows no framework and answers
with the schedule itself, so that what grows is the suite. Each size is run in a process of its own.
Cases have 10 steps, or one case has many; the last line is of a case that looks at the last 100
steps of a long training.
"""

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ADAPTER = """
import numpy as np

def describe():
    return {"framework": "torch", "version": "2.13.0", "packages": {"numpy": np.__version__},
            "devices": ["cpu"], "absent_devices": {}}

def run(request, report):
    gamma = request["arguments"]["gamma"]
    rates = request["groups"][0]["base_lr"] * gamma ** np.array(request["steps"], dtype=float)
    report("reported", rates)
    report("applied", rates)
"""
API = "torch.optim.lr_scheduler.ExponentialLR"
CASE = """\
  - name: grown/{number}
    description: The rate falls at each step.
    source: made up, to measure
    family: exponential
    schedule: {{base_lr: {base_lr}, decay_rate: 0.999999, decay_steps: 1}}
    steps: {steps}
    expected: {{values: {{{first}: {value}}}}}
    tolerance: {{rtol: 1.0e-9, reason: a made-up number}}
    implementations: [{api}]
"""
IN_A_FILE = 500
SIZES = [(count, 0, 10) for count in (100, 300, 1_000, 3_000)]
SIZES += [(1, 0, steps) for steps in (100, 1_000, 10_000, 100_000)]
SIZES += [(10, 0, steps) for steps in (10_000, 100_000)]
SIZES += [(1, updates - 100, updates) for updates in (1_000, 10_000, 100_000, 1_000_000)]


def one(count: int, start: int, stop: int) -> dict[str, float]:
    """CPU seconds and peak memory of the harness's process for `count` such cases."""
    from harness import report, suite
    from harness.cli import NEW_OBJECTS
    from harness.load import load
    from harness.report.model import Gathering, from_run
    from harness.workers import EnvironmentSpec, Workers

    gc.set_threshold(NEW_OBJECTS)  # as commands do
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "growing_adapter.py").write_text(ADAPTER)
        steps = f"{{start: {start}, stop: {stop}}}" if start else str(stop)
        cases = [
            CASE.format(
                number=number,
                base_lr=0.1 + number * 1e-5,
                steps=steps,
                first=start,
                value=repr((0.1 + number * 1e-5) * 0.999999**start),
                api=API,
            )
            for number in range(count)
        ]
        places = [folder / f"{first}.yaml" for first in range(0, count, IN_A_FILE)]
        for place in places:
            part = cases[int(place.stem) : int(place.stem) + IN_A_FILE]
            place.write_text("format: 1\ncases:\n" + "".join(part))
        spec = EnvironmentSpec("torch", "torch", adapter=folder / "growing_adapter.py")
        began = time.process_time()
        gathering = Gathering()
        with Workers([spec]) as workers:
            run = suite.run(load(places), workers, take=gathering.take)
        report.write(from_run(run, gathering), folder / "report")
        seconds = time.process_time() - began
        if run.fails or len(run.judgements) != count:
            sys.exit(f"not as due: {[j.reasons for j in run.judgements][:1]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak": peak}


def main() -> None:
    """Each size in a process of its own, and what it costs more than the size before."""
    print("   cases  steps of the training  observed   CPU time  peak memory   more for each")
    before: tuple[int, int, int, dict[str, float]] | None = None
    for count, start, stop in SIZES:
        command = [sys.executable, __file__, str(count), str(start), str(stop)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        more = ""
        if before is not None:
            cases, starts, stops, least = before
            seconds, peak = (found[key] - least[key] for key in ("seconds", "peak"))
            if stop == stops and count > cases:
                added = count - cases
                more = f"{1e3 * seconds / added:.2f} ms, {1024 * peak / added:.1f} KiB a case"
            elif count == cases and bool(start) == bool(starts) and stop > stops:
                added = count * (stop - stops) // 1_000
                more = f"{1e3 * seconds / max(1, added):.2f} ms, "
                more += f"{1024 * peak / max(1, added):.1f} KiB a thousand steps"
        print(
            f"{count:8} {stop:22} {stop - start:9} {found['seconds']:8.2f} s "
            f"{found['peak']:8.1f} MiB   {more}",
            flush=True,
        )
        before = count, start, stop, found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(*map(int, sys.argv[1:]))))
    else:
        main()
