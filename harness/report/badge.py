"""`badge.json`, from which shields.io draws a badge (https://shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json

from harness.report.model import Report
from harness.verdict import Verdict

LABEL = "learning-rate schedules"


def render(report: Report) -> str:
    """The verdict on the run in a few words, and its colour."""
    message, color = _told(report)
    content = {"schemaVersion": 1, "label": LABEL, "message": message, "color": color}
    return json.dumps(content, indent=1) + "\n"


def _told(report: Report) -> tuple[str, str]:
    failing = sum(trial.fails for trial in report.trials)
    conform = report.counts.get(Verdict.CONFORMS.value, 0)
    known = report.counts.get(Verdict.KNOWN_DIVERGENCE.value, 0)
    if failing:
        return f"{failing:,} of {len(report.trials):,} fail", "red"
    if report.fails:
        return "a process died", "red"
    if not conform + known:
        return "nothing was run", "lightgrey"
    message = f"{conform:,} conform" + (f", {known:,} known" if known else "")
    return (f"{message}, stopped early", "yellow") if report.stopped_early else (message, "green")
