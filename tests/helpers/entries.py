"""Reports made by hand, for tests of the page."""

from __future__ import annotations

from harness.report.model import (
    AgreementEntry,
    CallEntry,
    CaseEntry,
    DeviationEntry,
    DivergenceEntry,
    EnvironmentEntry,
    ExtremeEntry,
    Report,
    SequenceEntry,
    SuiteEntry,
    TrialEntry,
)
from harness.verdict import Verdict

API = "torch.optim.lr_scheduler.ExponentialLR"
MARKUP = '"><script>window.injected = 1</script><img src=x onerror="window.injected = 1">'
HALVES = [0.5, 0.25, 0.125, 0.0625]


def case(name="halves", reference=HALVES, **changes):
    fields = {
        "name": name,
        "description": "The rate halves at every update.",
        "source": "by hand",
        "file": "cases/exponential/halves.yaml",
        "line": 3,
        "tags": ["by-hand"],
        "dimension": "values",
        "situation": ["somebody sets the rate <b>anew</b>"],
        "due": ["prints what matches <i>this</i>"],
        "family": "exponential",
        "schedule": {"base_lr": 0.5, "decay_rate": 0.5},
        "steps_per_epoch": 2,
        "length": len(reference),
        "steps": list(range(len(reference))),
        "reference": reference,
        "expected": reference,
    }
    return CaseEntry(**{**fields, **changes})


def sequence(observed=HALVES, **changes):
    fields = {
        "name": "reported",
        "precision": "float64",
        "length": len(observed),
        "diverging": 0,
        "greatest_absolute_error": None,
        "greatest_relative_error": None,
        "greatest_ulp_error": None,
        "greatest_budget_share": None,
        "observed": observed,
        "budget": [1e-9] * len(observed),
    }
    return SequenceEntry(**{**fields, **changes})


def trial(verdict=Verdict.CONFORMS, case="halves", mode="eager", **changes):
    fields = {
        "id": f"{case}::{API}::torch/cpu/{mode}",
        "case": case,
        "family": "exponential",
        "implementation": API,
        "framework": "torch",
        "environment": "torch",
        "device": "cpu",
        "mode": mode,
        "verdict": verdict.value,
        "fails": verdict.fails,
        "reasons": [],
        "call": CallEntry(
            written="ExponentialLR(optimizer, gamma=0.5)",
            arguments={"gamma": 0.5},
            base_lr=0.5,
            optimizer="SGD",
            advanced="step() each update",
        ),
        "form": "recursive",
        "precision": "float64",
        "first_divergence": None,
        "diagnosis": None,
        "cause": None,
        "sequences": [sequence()],
        "signature": None,
        "exception": None,
        "warnings": [],
        "printed": "",
        "seconds": 0.1,
        "known_divergence": None,
        "command": "conform explain halves",
    }
    return TrialEntry(**{**fields, **changes})


def environment(**changes):
    fields = {
        "name": "torch",
        "framework": "torch",
        "version": "2.13.0",
        "python": "3.11.7",
        "packages": {"torch": "2.13.0", "numpy": "1.26.4"},
        "devices": ["cpu"],
        "modes": ["eager"],
        "absent_devices": {"cuda": "there is no driver"},
        "failure": None,
        "processes": 1,
        "start_seconds": 1.0,
        "printed": "",
    }
    return EnvironmentEntry(**{**fields, **changes})


def divergence(**changes):
    fields = {
        "name": "no-verbose",
        "description": "The page gives ExponentialLR a parameter that is gone.",
        "kind": "documentation",
        "cases": ["recorded"],
        "severity": "misleads",
        "implementations": [API],
        "upstream": "a thread of theirs",
        "target": "*",
        "versions": ">=2.13",
        "seen": ["2.13.0"],
        "expected": "a line printed at each change",
        "observed": "TypeError",
        "explanation": "The parameter was removed.",
        "remedy": "Leave it out.",
        "until": "the page no longer has it",
        "source": "the mapping page",
        "file": "cases/known_divergences/mapping_page.yaml",
        "line": 5,
    }
    return DivergenceEntry(**{**fields, **changes})


def report(cases, trials, **changes):
    verdicts = [entry.verdict for entry in trials]
    fields = {
        "suite": SuiteEntry(name="lr-schedule-conformance", version="0.1.0", commit=None),
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
        "selection": {},
        "stopped_early": False,
        "full": False,
        "incidents": [],
        "counts": {verdict: verdicts.count(verdict) for verdict in verdicts},
        "fails": any(entry.fails for entry in trials),
        "environments": [environment()],
        "cases": cases,
        "trials": trials,
        "agreements": [],
        "known_divergences": [],
        "coverage": [],
    }
    return Report(**{**fields, **changes})


def diverging(case="diverges", mode="eager"):
    observed = [0.5, 0.25, 0.2, 0.1]
    extreme = ExtremeEntry(value=12345.678, step=2)
    return trial(
        Verdict.DIVERGES,
        case,
        mode,
        reasons=["reported rate at step 2 is not as due"],
        first_divergence=DeviationEntry(
            sequence="reported",
            step=2,
            against="expected",
            due=0.125,
            observed=0.2,
            error=0.075,
            budget=1.25e-9,
        ),
        sequences=[
            sequence(
                observed, diverging=2, greatest_ulp_error=extreme, greatest_budget_share=extreme
            )
        ],
    )


def everything():
    """A report with something of every kind."""
    unsupported = {"reasons": ["has no staircase"], "sequences": [], "call": None}
    return report(
        [case("halves"), case("diverges"), case("recorded"), case(MARKUP)],
        [
            trial(),
            trial(mode="other"),
            diverging(),
            diverging(mode="other"),
            trial(Verdict.UNSUPPORTED, "diverges", "third", **unsupported),
            trial(Verdict.KNOWN_DIVERGENCE, "recorded", known_divergence="no-verbose"),
            trial(Verdict.CONFORMS, MARKUP),
        ],
        known_divergences=[divergence()],
        agreements=[
            AgreementEntry(
                case="diverges",
                sequence="reported",
                first=f"diverges::{API}::torch/cpu/eager",
                second=f"diverges::{API}::torch/cpu/other",
                step=2,
                difference=1.5e-8,
                budget_share=0.1234,
            )
        ],
    )
