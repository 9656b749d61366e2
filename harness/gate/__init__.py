"""The gate: what is not as it was when the baseline was taken, and whether that may pass."""

from __future__ import annotations

from harness.gate.baseline import Baseline, baseline_of, read, text, write
from harness.gate.comparison import Change, Outcome, compare, dropped, left_out
from harness.gate.since import since

__all__ = [
    "Baseline",
    "Change",
    "Outcome",
    "baseline_of",
    "compare",
    "dropped",
    "left_out",
    "read",
    "since",
    "text",
    "write",
]
