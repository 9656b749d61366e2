"""What commands cost that run no trial, or those of one case.

    python benchmarks/commands.py [TIMES]

The least wall time and the least CPU time, user and system, of all their processes, in seconds, of
each command called so often (3 by default).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

CONFORM = Path(sys.executable).with_name("conform")
COMMANDS = (
    ("--version",),
    ("check", "--no-cache"),
    ("check",),
    ("list", "cases"),
    ("explain", "steps/every-update", "torch.optim.lr_scheduler.ExponentialLR"),
    ("explain", "steps/every-update", "mindspore.nn.exponential_decay_lr"),
    ("explain", "steps/every-update"),
)


def cost(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Wall time and CPU time of one call, its workers among it."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([CONFORM, *arguments], stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("| command | wall time | CPU time |\n| --- | ---: | ---: |")
    for arguments in COMMANDS:
        walls, cpus = zip(*(cost(arguments) for _ in range(times)), strict=True)
        command = " ".join(("conform", *arguments))
        print(f"| `{command}` | {min(walls):.2f} s | {min(cpus):.2f} s |", flush=True)


if __name__ == "__main__":
    main()
