"""How long the HTML page takes: to make, to show, and to filter; and how large it is.

    python benchmarks/page.py [reports/latest/report.json]

First for a report made up for it: 3,000 trials of 750 cases, each with two sequences of 200 steps,
all 6,000 distinct: half of them in float32, some roundings off the reference, and one in twelve on
another schedule. Then for the report that is given, if it is there. Needs chromium and
chromedriver.

Making the page is timed around `render`. First paint is the browser's own, measured from the start
of the navigation to the file. Filtering is timed from the input's event
until the list stands, its layout included; the median and the worst of the words typed are printed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from harness.case import DIMENSIONS
from harness.catalogue import IMPLEMENTATIONS
from harness.report.model import (
    CallEntry,
    CaseEntry,
    EnvironmentEntry,
    ExtremeEntry,
    Report,
    SequenceEntry,
    SuiteEntry,
    TrialEntry,
)
from harness.report.page import render

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers.browser import chromium

CASES, TRIALS, STEPS = 750, 4, 200
TYPED = ("e", "ex", "exp", "expo", "cosine", "mindspore graph", "rate falls 7", "nowhere", "")

TIMED = """
const [text, done] = arguments;
const field = document.querySelector('#view-cases [name=q]');
const start = performance.now();
field.value = text;
field.dispatchEvent(new Event('input', {bubbles: true}));
document.body.getBoundingClientRect();
const script = performance.now() - start;
requestAnimationFrame(() => setTimeout(() => done([script, performance.now() - start])));
"""


def made_up() -> Report:
    """3,000 trials of 200 steps, no two sequences alike."""
    random = np.random.default_rng(20240229)
    apis = list(IMPLEMENTATIONS.values())
    cases, trials = [], []
    for number in range(CASES):
        steps = np.arange(STEPS)
        base, rate = random.uniform(1e-4, 1.0), random.uniform(0.95, 0.9999)
        reference = base * rate**steps * (1 + 0.2 * np.cos(steps / random.uniform(3, 30)))
        entry = CaseEntry(
            name=f"made-up/{number}",
            description=f"The rate falls {number} times and swings on its way.",
            source="made up, to measure the page",
            file=f"cases/made-up/{number % 40}.yaml",
            line=number,
            tags=["long"] if number % 9 == 0 else [],
            dimension=list(DIMENSIONS)[number % len(DIMENSIONS)],
            situation=[],
            due=[],
            family=("exponential", "cosine", "cyclic", "polynomial", "linear")[number % 5],
            schedule={"base_lr": base, "decay_rate": rate},
            steps_per_epoch=None,
            length=STEPS,
            steps=steps.tolist(),
            reference=reference.tolist(),
            expected=reference.tolist(),
        )
        cases.append(entry)
        for trial in range(TRIALS):
            api = apis[(number * TRIALS + trial) % len(apis)]
            trials.append(_trial(random, entry, api.api, api.framework, trial, reference))
    counts = {v: sum(t.verdict == v for t in trials) for v in {t.verdict for t in trials}}
    return Report(
        suite=SuiteEntry(name="lr-schedule-conformance", version="0", commit=None),
        started="2026-01-01T00:00:00+00:00",
        seconds=60.0,
        selection={},
        stopped_early=False,
        full=True,
        incidents=[],
        counts=counts,
        fails=True,
        environments=[_environment("torch"), _environment("mindspore")],
        cases=cases,
        trials=trials,
        agreements=[],
        known_divergences=[],
        coverage=[],
    )


def _trial(
    random: np.random.Generator,
    case: CaseEntry,
    api: str,
    framework: str,
    number: int,
    reference: np.ndarray[Any, Any],
) -> TrialEntry:
    diverges = random.random() < 1 / 12
    precision = ("float32", "float64")[number % 2]
    unit = {"float32": 2.0**-24, "float64": 2.0**-53}[precision]
    due = reference * random.uniform(0.5, 1.5, STEPS).cumprod() ** 0.01 if diverges else reference
    budget = unit * reference * (4 + np.arange(STEPS) * random.uniform(0.1, 3))
    sequences = []
    for name in ("reported", "applied"):
        seen = due * (1 + unit * random.integers(-6, 7, STEPS))
        seen = seen.astype(precision).astype(np.float64)
        error = np.abs(seen - reference)
        worst = ExtremeEntry(value=float(error.max()), step=int(error.argmax()))
        sequences.append(
            SequenceEntry(
                name=name,
                precision=precision,
                length=STEPS,
                diverging=STEPS if diverges else 0,
                greatest_absolute_error=worst,
                greatest_relative_error=worst,
                greatest_ulp_error=worst,
                greatest_budget_share=worst,
                observed=seen.tolist(),
                budget=budget.tolist(),
            )
        )
    mode = (
        ("eager", "eager")[number % 2]
        if framework == "torch"
        else ("pynative", "graph")[number % 2]
    )
    target = f"{framework}/cpu/{mode}"
    return TrialEntry(
        id=f"{case.name}::{api}::{target}::{number}",
        case=case.name,
        family=case.family,
        implementation=api,
        framework=framework,
        environment=framework,
        device="cpu",
        mode=mode,
        verdict="diverges" if diverges else "conforms",
        fails=diverges,
        reasons=[f"reported rate at step 1: error {worst.value:.3g}"] if diverges else [],
        call=CallEntry(
            written=f"{api.rpartition('.')[2]}(optimizer, gamma={case.schedule['decay_rate']})",
            arguments=dict(case.schedule),
            base_lr=case.schedule["base_lr"],
            optimizer="SGD",
            advanced="step() after each update",
        ),
        form="closed",
        precision=precision,
        first_divergence=None,
        diagnosis="no single cause explains these values" if diverges else None,
        sequences=sequences,
        signature=None,
        exception=None,
        warnings=[],
        printed="",
        seconds=float(random.random()),
        known_divergence=None,
        command=f"conform explain {case.name} {api} --target {target}",
    )


def _environment(name: str) -> EnvironmentEntry:
    return EnvironmentEntry(
        name=name,
        framework=name,
        version="1",
        python="3.11",
        packages={},
        devices=["cpu"],
        modes=[],
        absent_devices={},
        failure=None,
        processes=1,
        start_seconds=1.0,
        printed="",
    )


def measure(name: str, report: Report) -> None:
    """Print one line for each thing that is measured."""
    start = perf_counter()
    page = render(report)
    seconds = perf_counter() - start
    sequences = sum(len(trial.sequences) for trial in report.trials)
    print(f"{name}: {len(report.trials)} trials, {sequences} sequences")
    print(f"  made in {seconds:.2f} s, {len(page.encode()) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.html"
        file.write_text(page, encoding="utf-8")
        with chromium(Path(folder) / "profile") as browser:
            painted = [_painted(browser, file.as_uri()) for _ in range(5)]
            browser.get(file.as_uri() + "#cases")
            _wait(browser, "#view-cases .case")
            times = [browser.execute_async_script(TIMED, text) for text in TYPED]
            opened = _opened(browser, file.as_uri(), report)
    print(f"  first paint after {median(painted):.0f} ms (median of 5, worst {max(painted):.0f})")
    for said, taken in (
        ("filtered in", [t[0] for t in times]),
        ("painted in", [t[1] for t in times]),
    ):
        print(f"  {said} {median(taken):.0f} ms (median of {len(taken)}, worst {max(taken):.0f})")
    print(f"  a case, opened by its address, has its chart after {opened:.0f} ms")


def _painted(browser: Any, address: str) -> float:
    browser.get("about:blank")
    browser.get(address)
    script = """const done = arguments[0];
    new PerformanceObserver((list) => done(list.getEntries()[0].startTime))
      .observe({type: 'paint', buffered: true});"""
    return float(browser.execute_async_script(script))


def _opened(browser: Any, address: str, report: Report) -> float:
    name = next(trial.case for trial in reversed(report.trials) if trial.sequences)
    browser.get("about:blank")
    browser.get(f"{address}#cases?open={name}")
    _wait(browser, "figure svg")
    return float(browser.execute_script("return performance.now()"))


def _wait(browser: Any, selector: str) -> None:
    deadline = perf_counter() + 20
    while not browser.find_elements("css selector", selector):
        if perf_counter() > deadline:
            raise TimeoutError(f"no {selector} on the page")


if __name__ == "__main__":
    measure("made up", made_up())
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "reports/latest/report.json")
    if path.exists():
        measure(str(path), Report.model_validate_json(path.read_text(encoding="utf-8")))
