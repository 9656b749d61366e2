"""Cases, trials, observations and runs made by hand, for tests that need no framework."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harness import closeness
from harness.case import CaseFile, KnownDivergence, ScheduleCase, SurfaceCase
from harness.catalogue import IMPLEMENTATIONS, Unsupported
from harness.judge import Judge
from harness.judgement import Judgement
from harness.observation import Lost, Observation, Parameter, Raised, Sequence
from harness.plan import Selection, Skip, Target, Trial, calls_of
from harness.suite import Run
from harness.workers import Environment

TORCH_EXPONENTIAL = "torch.optim.lr_scheduler.ExponentialLR"
TORCH_STEP = "torch.optim.lr_scheduler.StepLR"
LIST = "mindspore.nn.exponential_decay_lr"
CELL = "mindspore.nn.ExponentialDecayLR"
EXPERIMENTAL_EXPONENTIAL = "mindspore.experimental.optim.lr_scheduler.ExponentialLR"
EXPERIMENTAL_STEP = "mindspore.experimental.optim.lr_scheduler.StepLR"

HALVING = {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 1}
HALVES = [0.5, 0.25, 0.125, 0.0625]
"""The rates of HALVING, which are exact in every precision."""

TORCH = Environment(
    name="torch",
    framework="torch",
    python="3.11.7",
    version="2.13.0",
    packages={"torch": "2.13.0", "numpy": "1.26.4"},
    devices=("cpu",),
)
MINDSPORE = Environment(
    name="mindspore",
    framework="mindspore",
    python="3.11.7",
    version="2.10.0",
    packages={"mindspore": "2.10.0", "numpy": "1.26.4"},
    devices=("cpu",),
)
TARGETS = {
    "torch": Target("torch", "cpu", "eager"),
    "mindspore": Target("mindspore", "cpu", "graph"),
}


def case_file(*cases: dict[str, Any], records: Iterable[dict[str, Any]] = ()) -> CaseFile:
    """Cases and known divergences as a file would give them."""
    content = {"format": 1, "cases": list(cases), "known_divergences": list(records)}
    file = CaseFile.model_validate(content)
    for line, item in enumerate([*file.cases, *file.known_divergences], start=3):
        item.located("cases/made.yaml", line)
    return file


def schedule_case(**fields: Any) -> ScheduleCase:
    """A case that halves the rate at each of four updates, with some keys replaced or added."""
    case = {
        "name": "halves",
        "description": "The rate halves at every update.",
        "source": "by hand",
        "family": "exponential",
        "schedule": HALVING,
        "steps": 4,
        "expected": {"values": HALVES},
    }
    return case_file({**case, **fields}).cases[0]


def growing_case(steps: Any, expected: Any, **fields: Any) -> ScheduleCase:
    """A case whose rate is 10 ** step, so that its range is known by heart."""
    schedule = {"base_lr": 1.0, "decay_rate": 10.0, "decay_steps": 1}
    return schedule_case(
        name="grows", schedule=schedule, steps=steps, expected={"values": expected}, **fields
    )


def surface_case(surface: dict[str, Any], api: str = TORCH_EXPONENTIAL) -> SurfaceCase:
    """A case about the signature of one API."""
    return case_file(
        {
            "name": "signature",
            "description": "The signature is as documented.",
            "source": "by hand",
            "surface": {api: surface},
        }
    ).cases[0]


def record(**fields: Any) -> KnownDivergence:
    """A known divergence of the case that `schedule_case` makes, with some keys replaced."""
    content = {
        "name": "stands still",
        "description": "The rate stands still.",
        "source": "by hand",
        "cases": ["halves"],
        "implementations": [TORCH_EXPONENTIAL],
        "versions": ">=2.13",
        "seen": ["2.13.0"],
        "kind": "semantics",
        "severity": "misleads",
        "observed": {"values": {"1-3": 0.5}},
        "expected": "a rate that halves",
        "explanation": "made up",
        "remedy": "none is needed",
        "until": "the rate halves",
    }
    return case_file(records=[{**content, **fields}]).known_divergences[0]


def trial(case: ScheduleCase | SurfaceCase, api: str = TORCH_EXPONENTIAL) -> Trial:
    """The trial of `case` on one API, to be run."""
    implementation = IMPLEMENTATIONS[api]
    target = TARGETS[implementation.framework]
    if isinstance(case, SurfaceCase):
        return Trial(case, implementation, target)
    calls = calls_of(case, implementation)
    if isinstance(calls, Unsupported):
        raise ValueError(f"{api} cannot express {case.name}: {calls.reason}")
    return Trial(case, implementation, target, calls[0], groups=tuple(calls[1:]))


def skipped(case: ScheduleCase, skip: Skip, api: str = TORCH_EXPONENTIAL) -> Trial:
    """A trial that is not run."""
    implementation = IMPLEMENTATIONS[api]
    return Trial(case, implementation, TARGETS[implementation.framework], skip=skip)


def sequence(precision: Any, values: Iterable[float]) -> Sequence:
    """Rates as an adapter would have seen them in `precision`."""
    with np.errstate(over="ignore"):
        return Sequence(precision, np.array(list(values)).astype(precision).astype(np.float64))


def seen(trial: Trial, reported: Iterable[float], applied: Iterable[float] | None = None, **rest):
    """An observation of `trial` in the precisions that are due; applied as reported by default."""
    implementation, reported = trial.implementation, list(reported)
    sequences = {
        "reported": sequence(implementation.precision, reported),
        "applied": sequence(
            implementation.applied_precision, reported if applied is None else applied
        ),
    }
    return Observation(sequences=sequences, **rest)


def from_exact(observed: np.ndarray, rates: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """How far observed rates are from the exact ones: rates of float64, and what those lack.

    Where that is not known, 2 ULP are the reference's own.
    """
    error = closeness.error(observed, rates, np.nan_to_num(remainder))
    own = np.where(np.isnan(remainder) & np.isfinite(rates), 2 * np.spacing(np.abs(rates)), 0.0)
    return np.maximum(error - own, 0.0)


def off_by_four_budgets(rate: float, remainder: float, budget: float) -> float:
    """A rate that is off by four budgets, of either sign; the next float where there is none."""
    if budget:
        return rate + (remainder + 4 * budget)
    return float(np.nextafter(rate, 0.0 if np.isinf(rate) else np.inf))


def off_by_half_a_budget(rate: float, remainder: float, budget: float) -> float:
    """A rate that is off by half a budget, of either sign; `rate` where no float is in there."""
    moved = rate + (remainder + budget / 2)
    return rate if abs((moved - rate) - remainder) > abs(budget / 2) else moved


def raised(type_: str, message: str = "", bases: tuple[str, ...] = ("Exception",)) -> Observation:
    """An observation that ended in an exception before any rate was seen."""
    return Observation(raised=Raised(type_, bases, message))


def signature(*parameters: str) -> Observation:
    """An observed signature; parameters as `name`, `name=default` or, by keyword, `*, name=1`."""
    made = []
    for text in parameters:
        kind = "KEYWORD_ONLY" if text.startswith("*, ") else "POSITIONAL_OR_KEYWORD"
        name, _, default = text.removeprefix("*, ").partition("=")
        made.append(Parameter(name, kind, default or None))
    return Observation(signature=tuple(made))


def judged(
    trial: Trial,
    observation: Observation | Lost | None,
    *records: KnownDivergence,
    version: str = "2.13.0",
    explains: bool = True,
) -> Judgement:
    """The judgement on one trial."""
    versions = {trial.target.environment: version}
    return Judge(records, versions, explains=explains).judge(trial, observation)


def run_of(*judgements: Judgement, **fields: Any) -> Run:
    """A run with these judgements."""
    content = {
        "started": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        "seconds": 1.5,
        "environments": (TORCH, MINDSPORE),
        "selection": Selection(),
        "judgements": judgements,
        "records": (),
        "stopped_early": False,
    }
    return Run(**{**content, **fields})
