"""What the reference and the judge cost over a long schedule, beside bare numpy.

    python benchmarks/long.py [STEPS [FAMILY...]]

For each family, over so many steps (1,000,000): the time that the formula takes as a user would
write it in numpy, that of the reference model (rates and what they lack, to 30 digits), and that of
the judge with one observation once the reference is known (budget, best attainable, comparison,
errors). All are of the processor: the best of REPEATS in turns within one process, the judge once.
The implementation before the judge is the first that can express the schedule, one with a closed
formula if there is any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import thread_time
from typing import Any

import numpy as np

from harness.case import CaseFile, ScheduleCase
from harness.catalogue import Form, Unsupported
from harness.judge import Judge
from harness.observation import Observation, Sequence
from harness.plan import Target, Trial, calls_of, implementations_of
from harness.reference import FAMILIES

REPEATS = 3
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
LR, LOW = 0.1, 1e-4
T = np.arange(STEPS)
HALF, TENTH, LAST = STEPS // 2, STEPS // 10, STEPS - STEPS // 100
MILESTONES = [TENTH, HALF, LAST]


def wave(share: Any) -> Any:
    """Half a cosine."""
    return LOW + (LR - LOW) * 0.5 * (1 + np.cos(np.pi * share))


def one_cycle() -> Any:
    up, down = 0.3 * STEPS - 1, STEPS - 1
    rising = 0.004 + 0.096 * (1 - np.cos(np.pi * T / up)) / 2
    falling = 4e-7 + (0.1 - 4e-7) * (1 + np.cos(np.pi * (T - up) / (down - up))) / 2
    return np.where(up >= T, rising, falling)


def triangles() -> Any:
    cycle = np.floor(1 + T / (2 * TENTH))
    return LOW + (LR - LOW) * np.maximum(0, 1 - np.abs(T / TENTH - 2 * cycle + 1))


CASES: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "chained": (
        {
            "parts": [
                {"constant": {"factor": 0.5, "total_iters": HALF}},
                {"exponential": {"decay_rate": 0.99999, "decay_steps": 1}},
            ]
        },
        lambda: LR * np.where(T < HALF, 0.5, 1.0) * 0.99999**T,
    ),
    "constant": (
        {"factor": 0.5, "total_iters": HALF},
        lambda: LR * np.where(T < HALF, 0.5, 1.0),
    ),
    "cosine": ({"eta_min": LOW, "T_max": LAST}, lambda: wave(np.minimum(T, LAST) / LAST)),
    "cyclic": ({"base_lr": LOW, "max_lr": LR, "step_size_up": TENTH}, triangles),
    "exponential": ({"decay_rate": 0.99999, "decay_steps": 1}, lambda: LR * 0.99999**T),
    "exponential, smooth": (
        {"decay_rate": 0.9, "decay_steps": TENTH},
        lambda: LR * 0.9 ** (T / TENTH),
    ),
    "exponential, stairs": (
        {"decay_rate": 0.9, "decay_steps": 1000, "staircase": True},
        lambda: LR * 0.9 ** (T // 1000),
    ),
    "inverse_time": ({"decay_rate": 0.001}, lambda: LR / (1 + 0.001 * T)),
    "lambda": (
        {"function": {"name": "power", "a": 0.99999}},
        lambda: LR * 0.99999**T,
    ),
    "lambda, inverse_sqrt": (
        {"function": {"name": "inverse_sqrt", "a": 0.01}},
        lambda: LR * (1 + 0.01 * T) ** -0.5,
    ),
    "linear": (
        {"start_factor": 0.1, "end_factor": 1.0, "total_iters": LAST},
        lambda: LR * (0.1 + 0.9 * np.minimum(T, LAST) / LAST),
    ),
    "multiplicative": (
        {"function": {"name": "constant", "a": 0.99999}},
        lambda: LR * np.append(1.0, np.cumprod(np.full(STEPS - 1, 0.99999))),
    ),
    "multistep": (
        {"gamma": 0.1, "milestones": MILESTONES},
        lambda: LR * 0.1 ** np.searchsorted(MILESTONES, T, side="right"),
    ),
    "natural_exponential": ({"decay_rate": 1e-5}, lambda: LR * np.exp(-1e-5 * T)),
    "one_cycle": (
        {"base_lr": 0.004, "max_lr": 0.1, "total_steps": STEPS},
        one_cycle,
    ),
    "piecewise": (
        {"milestones": MILESTONES, "rates_after": [0.05, 0.01, 0.005]},
        lambda: np.array([LR, 0.05, 0.01, 0.005])[np.searchsorted(MILESTONES, T, side="right")],
    ),
    "polynomial": (
        {"end_lr": LOW, "total_iters": LAST, "power": 0.9},
        lambda: (LR - LOW) * (1 - np.minimum(T, LAST) / LAST) ** 0.9 + LOW,
    ),
    "polynomial, square": (
        {"end_lr": LOW, "total_iters": LAST, "power": 2.0},
        lambda: (LR - LOW) * (1 - np.minimum(T, LAST) / LAST) ** 2 + LOW,
    ),
    "sequential": (
        {
            "milestones": [TENTH],
            "parts": [
                {"linear": {"start_factor": 0.1, "end_factor": 1.0, "total_iters": TENTH}},
                {"cosine": {"eta_min": LOW, "T_max": STEPS}},
            ],
        },
        lambda: np.where(T < TENTH, LR * (0.1 + 0.9 * T / TENTH), wave((T - TENTH) / STEPS)),
    ),
    "swa": (
        {"swa_lr": 0.05, "anneal_epochs": LAST},
        lambda: 0.05 + 0.05 * 0.5 * (1 + np.cos(np.pi * np.minimum(T, LAST) / LAST)),
    ),
    "warm_restarts": (
        {"eta_min": LOW, "T_0": STEPS // 100},
        lambda: wave(T % (STEPS // 100) / (STEPS // 100)),
    ),
}


def trial_of(family: str, given: dict[str, Any]) -> Trial:
    """The first implementation that can express it, and a case of nothing but its first rate."""
    name, schedule = family.partition(",")[0], {"base_lr": LR, **given}
    first = FAMILIES[name].model_validate(schedule).rates(np.array([0]), 1).item()
    case = {
        "name": "long",
        "description": "A long schedule.",
        "source": "made up, to measure",
        "family": name,
        "schedule": schedule,
        "steps": 1,
        "expected": {"values": [first]},
    }
    made = CaseFile.model_validate({"format": 1, "cases": [case]}).cases[0]
    made.located("long.yaml", 1)
    # A case in a file may look at 100,000 steps.
    longer = {"steps": STEPS, "expected": made.expected.model_copy(update={"values": {0: first}})}
    case = made.model_copy(update=longer)
    can = []
    for implementation in implementations_of(made):
        calls = calls_of(made, implementation)
        if not isinstance(calls, Unsupported):
            can.append((implementation.form is not Form.CLOSED, len(can), implementation, calls))
    _, _, implementation, calls = min(can)
    target = Target(implementation.framework, "cpu", "eager")
    return Trial(case, implementation, target, calls[0], None, tuple(calls[1:]))


def seconds(work: Callable[[], Any]) -> float:
    """Of processor time."""
    begin = thread_time()
    work()
    return thread_time() - begin


def measured(family: str) -> str:
    """A line of the table."""
    schedule, bare = CASES[family]
    trial = trial_of(family, schedule)
    case = trial.case
    assert isinstance(case, ScheduleCase)
    rates, steps = case.reference, case.observed_steps
    values = rates.astype(np.dtype(trial.implementation.precision)).astype(np.float64)
    seen = Sequence(trial.implementation.precision, values)
    applied = Sequence(trial.implementation.applied_precision, values)
    observation = Observation(
        {"reported": seen, "applied": applied} if trial.shows_applied else {"reported": seen}
    )
    works = (bare, lambda: case.schedule.exact(steps, 1, {}))
    verdicts = []

    def judge() -> None:
        verdicts.append(Judge().judge(trial, observation).verdict)

    np.testing.assert_allclose(bare(), rates, rtol=1e-6, atol=1e-9)
    times = [[seconds(work) for work in works] for _ in range(REPEATS)]
    own, reference = (min(column) for column in zip(*times, strict=True))
    judging = seconds(judge)
    return (
        f"{family:20} {own * 1e3:7.1f} {reference * 1e3:9.1f} {reference / own:6.1f} "
        f"{judging * 1e3:9.1f} {judging / own:6.1f}  {trial.implementation.api} "
        f"({trial.implementation.form}, {verdicts[0]})"
    )


def main() -> None:
    """The program."""
    print(f"{STEPS:,} steps, ms of processor time, best of {REPEATS}")
    print(f"{'family':20} {'bare':>7} {'reference':>9} {'ratio':>6} {'judge':>9} {'ratio':>6}")
    for family in sys.argv[2:] or CASES:
        print(measured(family), flush=True)


if __name__ == "__main__":
    main()
