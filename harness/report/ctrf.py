"""`ctrf-report.json`, the Common Test Report Format (https://ctrf.io), for tools that read it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from harness.report.model import CaseEntry, Report, TrialEntry
from harness.verdict import Verdict

SPEC_VERSION = "1.0.0"
STATUSES = ("passed", "failed", "skipped", "pending", "other")


def render(report: Report) -> str:
    """A test for each trial. What was not run is skipped; the verdict stands as `rawStatus`."""
    start = int(datetime.fromisoformat(report.started).timestamp() * 1000)
    cases = {case.name: case for case in report.cases}
    tests = [_test(trial, cases[trial.case]) for trial in report.trials]
    counts = Counter(test["status"] for test in tests)
    content = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "timestamp": report.started,
        "generatedBy": report.suite.name,
        "results": {
            "tool": {"name": report.suite.name, "version": report.suite.version},
            "summary": {
                "tests": len(tests),
                **{status: counts[status] for status in STATUSES},
                "suites": len(report.environments),
                "start": start,
                "stop": start + round(report.seconds * 1000),
                "duration": round(report.seconds * 1000),
            },
            "tests": tests,
            "environment": {
                "appName": report.suite.name,
                "appVersion": report.suite.version,
                **({"commit": report.suite.commit} if report.suite.commit else {}),
                "healthy": not report.fails,
                "extra": {
                    "environments": {
                        environment.name: environment.version or f"not run: {environment.failure}"
                        for environment in report.environments
                    },
                    "incidents": report.incidents,
                    "stopped_early": report.stopped_early,
                },
            },
        },
    }
    # Without an indent, json writes it in C.
    return json.dumps(content, ensure_ascii=False) + "\n"


def _test(trial: TrialEntry, case: CaseEntry) -> dict[str, Any]:
    test: dict[str, Any] = {
        "id": str(uuid5(NAMESPACE_URL, trial.id)),
        "name": trial.id,
        "status": _status(trial),
        "duration": round(trial.seconds * 1000),
        "suite": [trial.environment, trial.implementation, trial.case],
        "rawStatus": trial.verdict,
        "filePath": case.file,
        "line": case.line,
        "tags": case.tags,
        "device": trial.device,
        "labels": {
            "family": trial.family,
            "dimension": case.dimension,
            "implementation": trial.implementation,
            "framework": trial.framework,
            "mode": trial.mode,
        },
    }
    told = [*trial.reasons, *([f"diagnosis: {trial.diagnosis}"] if trial.diagnosis else [])]
    if told:
        test["message"] = "\n".join(told)
    if trial.fails:
        test["snippet"] = trial.command
    if trial.printed:
        test["stdout"] = trial.printed.splitlines()
    return test


def _status(trial: TrialEntry) -> str:
    if trial.fails:
        return "failed"
    return "passed" if Verdict(trial.verdict).ran else "skipped"
