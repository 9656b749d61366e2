"""What changed since the baseline, for a report that is about to be written."""

from __future__ import annotations

from pathlib import Path

from harness.errors import NoBaseline
from harness.gate.baseline import read
from harness.gate.comparison import compare, left_out
from harness.report.model import ChangesEntry, Report


def since(report: Report, path: Path) -> ChangesEntry | None:
    """What changed since the baseline in a file; None if there is none, or a part alone was run.

    Raises:
        BaselineUnusable: the file is no baseline.
    """
    try:
        baseline = read(path)
    except NoBaseline:
        return None
    if left_out(report, baseline):
        return None
    return compare(report, baseline, str(path)).entry
