"""What the recorder adds to a step of a training, beside reading the rate.

    python benchmarks/recorder.py [STEPS]

A torch optimizer with one parameter group, and with two, whose rates stand still or change at each
step: the time of reading the rates alone, and of `recorder.step()`, in turns within one process.
Their difference is printed, in µs a step: the median of 5 turns.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from harness.traces.lr_recorder import Recorder

TURNS = 5


def optimizer_of(groups: int) -> Any:
    """An SGD with so many groups."""
    weights = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    return torch.optim.SGD(weights, lr=0.1)


def measured(groups: int, changing: bool, steps: int) -> float:
    """µs a step beyond reading the rate."""
    optimizer = optimizer_of(groups)
    factor = 0.99999 if changing else 1.0
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(optimizer, Path(folder) / "trace.jsonl")
        for _ in range(TURNS):
            begin = perf_counter()
            for _ in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] *= factor
                [group["lr"] for group in optimizer.param_groups]
            between = perf_counter()
            for _ in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] *= factor
                recorder.step()
            differences.append((perf_counter() - between) - (between - begin))
        recorder.close()
    return median(differences) / steps * 1e6


def main() -> None:
    """The program."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"torch {torch.__version__}, {steps:,} steps, {TURNS} turns")
    for groups in (1, 2):
        for changing in (False, True):
            what = "change at each step" if changing else "stand still"
            us = measured(groups, changing, steps)
            print(f"{groups} group{'s' * (groups > 1)}, rates that {what}: {us:.2f} µs a step")


if __name__ == "__main__":
    main()
