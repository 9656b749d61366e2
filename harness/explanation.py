"""`conform explain`: one case on one implementation, in full."""

from __future__ import annotations

import numpy as np
import yaml
from rich.console import Console
from rich.text import Text

from harness import closeness, listing, recording
from harness.case import Case, ScheduleCase
from harness.comparison import Comparison
from harness.console import STYLES
from harness.divergence import RECORDABLE
from harness.errors import NothingSelected, NothingToRun
from harness.judge import Judge
from harness.judgement import Judgement
from harness.load import Loaded
from harness.observation import Observation
from harness.plan import Selection, Trial, implementations_of, plan
from harness.reproducer import advanced, script, written
from harness.reproducer.source import source
from harness.signature import signature_text
from harness.situation import situation
from harness.suite import judgements
from harness.workers import Workers

MAX_ROWS = 60
"""Steps that a table shows; a longer one keeps its first, its last and its telling ones."""


def explain(
    case: Case,
    loaded: Loaded,
    workers: Workers,
    implementation: str | None,
    target: str,
    script_only: bool,
    out: Console,
) -> None:
    """Run the fitting trials of `case` in workers that have been started, and show each of them.

    Raises:
        NothingSelected: no trial fits.
        NothingToRun: no trial that fits can run here.
    """
    patterns = (implementation,) if implementation else ()
    selection = Selection(implementations=patterns, targets=(target,))
    selection.check([case])
    environments = workers.environments()
    # Who names a target may mean any mode; without one, those of a plain run are enough.
    planned = plan([case], environments, full=target != "*")
    trials = [trial for trial in planned if selection.wants(trial)]
    if not trials:
        apis = sorted({each.api for each in implementations_of(case)})
        raise NothingSelected(
            f"no trial of {case.name!r} fits; its implementations are: {', '.join(apis)}"
        )
    if script_only:
        _print_script(trials, out)
        return
    versions = {environment.name: environment.version for environment in environments}
    judge = Judge(loaded.known_divergences, versions, explains_known=True)
    judged = {j.trial.id: j for j in judgements(judge, trials, workers)}
    _print_case(case, out)
    for trial in trials:
        _print_judgement(judged[trial.id], out)


def _print_script(trials: list[Trial], out: Console) -> None:
    for trial in trials:
        if trial.skip is None:
            out.print(Text(script(trial)), end="")
            return
    reason = trials[0].skip.reason if trials[0].skip else ""
    raise NothingToRun(f"{trials[0].id} cannot run here: {reason}")


def _print_case(case: Case, out: Console) -> None:
    out.print(Text(case.name, style="bold"))
    _line(out, f"  {case.description}")
    _line(out, f"  source: {case.source}")
    _line(out, f"  file: {case.file}:{case.line}")
    if isinstance(case, ScheduleCase):
        terms = case.schedule.model_dump(exclude_unset=True, by_alias=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in terms.items())
        _line(out, f"  schedule: {case.family}({shown}), {case.steps_per_epoch} steps per epoch")
        for line in situation(case):
            _line(out, f"  {line}")
        for api, arguments in case.arguments.items():
            framework = api.partition(".")[0]
            given = ", ".join(
                f"{name}={source(value, framework)}" for name, value in arguments.items()
            )
            _line(out, f"  but {api} is given {given}, whatever the schedule says")


def _print_judgement(judgement: Judgement, out: Console) -> None:
    trial, observation = judgement.trial, judgement.observation
    out.print()
    verdict = judgement.verdict
    out.print(
        Text.assemble(
            (f"{trial.implementation.api} on {trial.target}: ", "bold"),
            (verdict.value, STYLES.get(verdict, "bold red")),
        )
    )
    for reason in judgement.reasons:
        _line(out, f"  {reason}")
    if judgement.why:
        _line(out, f"  diagnosis: {judgement.why}")
    if judgement.verdict in RECORDABLE:
        look = yaml.safe_dump(recording.observed(judgement), default_flow_style=True, width=10**6)
        _line(out, f"  if it is to be a known divergence, its observed: {look.strip()}")
    if judgement.record:
        _line(out, f"  record: {judgement.record.name}: {judgement.record.explanation}")
        _line(out, f"  remedy: {judgement.record.remedy}")
    if trial.skip is not None:
        return
    _line(out, f"  call: {call_text(trial)}")
    if isinstance(observation, Observation):
        if observation.signature is not None:
            _line(out, f"  signature: {signature_text(observation.signature)}")
        for warning in observation.warnings:
            _line(out, f"  warned: {warning}")
    for line in getattr(observation, "printed", "").splitlines():
        _line(out, f"  | {line}")
    for comparison in judgement.comparisons:
        out.print()
        _line(out, f"{comparison.name} rate, {comparison.seen_in}")
        _line(out, _table(comparison))
    out.print()
    _line(out, "# reproducer: needs only the framework; alone with --script")
    out.print(Text(script(trial)), end="")


def call_text(trial: Trial) -> str:
    """The call as a user would write it, and how it is advanced."""
    if trial.call is None or trial.call.base_lr is None:
        return written(trial)
    optimizer = f"{trial.optimizer}(..., lr={trial.call.base_lr!r})"
    return f"{optimizer}; {written(trial)}; {advanced(trial)}"


def _table(comparison: Comparison) -> str:
    if not comparison.is_judged:
        pairs = zip(comparison.steps.tolist(), comparison.observed.tolist(), strict=True)
        rows = [{"step": step, "observed": repr(rate)} for step, rate in pairs]
        return listing.table(rows[:MAX_ROWS])
    reference, observed = comparison.reference, comparison.observed
    error = closeness.error(observed, reference, comparison.remainder)
    ulp = error / closeness.spacing(reference, np.dtype(comparison.precision))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error == 0, 0, error / comparison.allowed)
    spacing = closeness.spacing(comparison.best, np.dtype(comparison.precision))
    from_best = closeness.error(observed, comparison.best) / spacing
    wrong = set(comparison.diverging.tolist())
    rows = [
        {
            "step": int(comparison.steps[i]),
            "expected": ""
            if np.isnan(comparison.expected[i])
            else repr(comparison.expected[i].item()),
            "reference": repr(reference[i].item()),
            "observed": repr(observed[i].item()),
            "error (ULP)": f"{ulp[i]:.2f}",
            "from best (ULP)": "" if np.isnan(comparison.best[i]) else f"{from_best[i]:.0f}",
            "budget used": f"{share[i]:.1%}",
            "": "<- not as due" if int(comparison.steps[i]) in wrong else "",
        }
        for i in _rows_to_show(comparison)
    ]
    left_out = len(observed) - len(rows)
    note = f"\n({left_out} steps left out)" if left_out else ""
    return listing.table(rows) + note


def _rows_to_show(comparison: Comparison) -> list[int]:
    length = len(comparison.observed)
    if length <= MAX_ROWS:
        return list(range(length))
    telling = [
        extreme.step
        for extreme in (comparison.absolute, comparison.ulp, comparison.share, comparison.first)
        if extreme is not None
    ]
    around = np.searchsorted(comparison.steps, telling)
    half = MAX_ROWS // 2
    kept = {*range(half), *range(length - half + 5, length), *around.tolist()}
    return sorted(i for i in kept if i < length)


def _line(out: Console, text: str) -> None:
    out.print(Text(text))
