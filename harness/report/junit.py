"""`junit.xml`, for CI systems: a suite per environment, a test case per trial."""

from __future__ import annotations

import io
import re
from itertools import groupby

from junitparser import Attr, Error, Failure, IntAttr, JUnitXml, Skipped, TestCase, TestSuite

from harness.report.model import CaseEntry, Report, TrialEntry
from harness.verdict import Verdict

_NO_ANSWER = {Verdict.CRASHED.value, Verdict.TIMED_OUT.value}
_NOT_RUN = {Verdict.UNSUPPORTED.value, Verdict.UNAVAILABLE.value}


def render(report: Report) -> str:
    """JUnit XML. What was not run is skipped, what gave no answer is an error."""
    xml = JUnitXml("lr-schedule-conformance")
    cases = {case.name: case for case in report.cases}
    by_environment = sorted(report.trials, key=lambda trial: trial.environment)
    for environment, trials in groupby(by_environment, key=lambda trial: trial.environment):
        suite = TestSuite(environment)
        # All at once: one by one, each would have the statistics counted anew.
        suite.add_testcases([_test_case(trial, cases[trial.case]) for trial in trials])
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    xml.write(file)
    return file.getvalue().decode()


class _Located(TestCase):
    """A test case that says where it is written, as pytest's and GitLab's have it."""

    file = Attr()
    line = IntAttr()


def _test_case(trial: TrialEntry, entry: CaseEntry) -> TestCase:
    case = _Located(
        _clean(f"{trial.case}[{trial.device}/{trial.mode}]"), trial.implementation, trial.seconds
    )
    case.file, case.line = _clean(entry.file), entry.line
    diagnosis = [f"diagnosis: {trial.diagnosis}"] if trial.diagnosis else []
    text = _clean("\n".join([*trial.reasons, *diagnosis]))
    if trial.verdict in _NOT_RUN:
        case.result = [Skipped(text, trial.verdict)]
    elif trial.verdict in _NO_ANSWER:
        case.result = [Error(text, trial.verdict)]
    elif trial.fails:
        case.result = [Failure(text, trial.verdict)]
    if trial.printed:
        case.system_out = _clean(trial.printed)
    return case


def _clean(text: str) -> str:
    """Without what XML cannot hold: control characters, surrogates and two more."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
