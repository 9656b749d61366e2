"""How long each of N shards takes by the times of a report: by name, and by recorded durations.

python benchmarks/shards.py [REPORT] [N]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from harness.durations import NAME, Durations, read
from harness.project import REPORTS
from harness.report.reading import read as read_report


def main(place: str = "reports/latest", count: str = "4") -> None:
    """Print the seconds inside framework calls of each shard, and how far they are apart."""
    seconds: dict[str, float] = defaultdict(float)
    for trial in read_report(Path(place)).trials:
        seconds[trial.case] += trial.seconds
    for what, durations in (
        ("dealt out by name", Durations()),
        (f"dealt out by {REPORTS / NAME}", read(REPORTS / NAME)),
    ):
        parts = durations.shares(seconds, int(count))
        loads = [sum(seconds[name] for name in part) for part in parts]
        apart = (max(loads) - min(loads)) / max(loads)
        told = ", ".join(f"{load:.1f}" for load in loads)
        print(f"{what}: {told} s, {100 * apart:.1f} % apart")


if __name__ == "__main__":
    main(*sys.argv[1:])
