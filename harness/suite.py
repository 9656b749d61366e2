"""One run: plan, workers, judge, in one direction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.agreement import Agreement, agreements
from harness.case import Case, KnownDivergence
from harness.errors import NothingSelected, NothingToRun
from harness.judge import Judge
from harness.judgement import Judgement
from harness.load import Loaded
from harness.plan import Environment, Selection, Trial, plan
from harness.verdict import Verdict
from harness.workers import Workers


@dataclass(frozen=True)
class Run:
    """Everything that a report needs to know of a run; `judgements` stand in the plan's order."""

    started: datetime
    seconds: float
    environments: tuple[Environment, ...]
    selection: Selection
    judgements: tuple[Judgement, ...]
    records: tuple[KnownDivergence, ...]
    stopped_early: bool
    full: bool = False
    processes: dict[str, int] = field(default_factory=dict)
    incidents: tuple[str, ...] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases of the judgements, each once."""
        by_name = {judgement.trial.case.name: judgement.trial.case for judgement in self.judgements}
        return tuple(by_name.values())

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """How far the implementations are apart, case by case."""
        return tuple(agreements(self.judgements))

    @property
    def fails(self) -> bool:
        """Whether anything is not as expected."""
        return bool(self.incidents) or any(j.verdict.fails for j in self.judgements)

    def count(self, verdict: Verdict) -> int:
        """How many trials have `verdict`."""
        return sum(judgement.verdict is verdict for judgement in self.judgements)


def _ignore(_: object) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """Who is told how a run gets on."""

    on_plan: Callable[[list[Trial]], None] = field(default=_ignore)
    on_judgement: Callable[[Judgement], None] = field(default=_ignore)


def run(
    loaded: Loaded,
    workers: Workers,
    selection: Selection | None = None,
    listener: Listener | None = None,
    fail_fast: bool = False,
    full: bool = False,
    only: Collection[str] | None = None,
) -> Run:
    """Run every selected trial of the loaded cases in workers that have been started.

    Where `only` is given, ids of trials, the others are left out.

    Raises:
        NothingSelected: the selection leaves no trial.
        NothingToRun: no environment could be started.
    """
    selection, listener = selection or Selection(), listener or Listener()
    started, clock = datetime.now(UTC), time.perf_counter()
    environments = workers.environments()
    if all(environment.failure for environment in environments):
        raise NothingToRun(why_nothing(environments))
    planned = plan(loaded.cases, environments, full)
    trials = [trial for trial in planned if selection.wants(trial)]
    if only is not None:
        trials = [trial for trial in trials if trial.id in only]
    if not trials:
        raise NothingSelected(
            "the selection leaves no trial; see: conform list cases, conform list targets"
        )
    listener.on_plan(trials)
    judge = Judge(loaded.known_divergences, {e.name: e.version for e in environments})
    judged: dict[str, Judgement] = {}
    for judgement in judgements(judge, trials, workers):
        judged[judgement.trial.id] = judgement
        listener.on_judgement(judgement)
        if fail_fast and judgement.verdict.fails:
            break
    done = tuple(judged[trial.id] for trial in trials if trial.id in judged)
    return Run(
        started=started,
        seconds=time.perf_counter() - clock,
        environments=tuple(environments),
        selection=selection,
        judgements=done,
        records=loaded.known_divergences,
        stopped_early=len(done) < len(trials),
        full=full,
        processes=workers.processes,
        incidents=tuple(workers.incidents),
    )


def judgements(judge: Judge, trials: list[Trial], workers: Workers) -> Iterator[Judgement]:
    """Run and judge `trials`, in the order in which they are done."""
    for trial in trials:
        if trial.skip is not None:
            yield judge.judge(trial, None)
    # A framework switches between modes at a cost, so each mode is gone through in one go.
    runnable = sorted((t for t in trials if t.skip is None), key=lambda t: t.target.mode)
    for trial, observation in workers.run(runnable):
        yield judge.judge(trial, observation)


def why_nothing(environments: Iterable[Environment]) -> str:
    """What to say where no framework could be started, and the remedy."""
    reasons = "\n".join(f"  {e.name}: {e.failure}" for e in environments)
    return (
        f"no framework could be started, so nothing was run:\n{reasons}\n"
        "remedy: install torch or mindspore where conform is installed; see: conform doctor"
    )
