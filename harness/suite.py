"""One run: plan, workers, judge, in one direction."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness import faults
from harness.case import Case, KnownDivergence
from harness.errors import NothingSelected, NothingToRun
from harness.judge import Judge
from harness.judgement import Judgement
from harness.load import Loaded
from harness.plan import Selection, Trial, plan
from harness.verdict import Verdict
from harness.workers import Environment, Workers


@dataclass(frozen=True)
class Run:
    """Everything that a report needs to know of a run; `judgements` stand in the plan's order.

    They lack their values where the run was told who takes these.
    """

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


Taker = Callable[[list[Judgement]], None]
"""Who is given the judgements of a case, once all of them are there, in the plan's order."""


def run(
    loaded: Loaded,
    workers: Workers,
    selection: Selection | None = None,
    listener: Listener | None = None,
    fail_fast: bool = False,
    full: bool = False,
    take: Taker | None = None,
    only: Collection[str] | None = None,
) -> Run:
    """Run every selected trial of the loaded cases in workers that have been started.

    Where somebody takes the judgements of each case, the run keeps no sequence for longer than
    there are trials of its case to come. Where `only` is given, ids of trials, the others are left
    out.

    Raises:
        NothingSelected: the selection leaves no trial.
        NothingToRun: no environment could be started.
        UnknownName, DeviceAbsent: a device that was asked for is not here.
    """
    selection, listener = selection or Selection(), listener or Listener()
    started, clock = datetime.now(UTC), time.perf_counter()
    environments = workers.environments()
    if all(environment.failure for environment in environments):
        raise NothingToRun(why_nothing(environments))
    selection.check_devices(environments)
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
    judged = _Judged(trials, take)
    for judgement in judgements(judge, trials, workers):
        judged.add(judgement)
        listener.on_judgement(judgement)
        if fail_fast and judgement.verdict.fails:
            break
    done = judged.all()
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


class _Judged:
    """The judgements of a run, given away case by case where somebody takes them."""

    def __init__(self, trials: list[Trial], take: Taker | None) -> None:
        self._take = take
        self._place = {trial.id: place for place, trial in enumerate(trials)}
        self._due = Counter(trial.case.name for trial in trials)
        self._waiting: dict[str, list[Judgement]] = defaultdict(list)
        self._done: list[Judgement] = []

    def add(self, judgement: Judgement) -> None:
        name = judgement.trial.case.name
        self._waiting[name].append(judgement)
        if len(self._waiting[name]) == self._due[name]:
            self._give(name)

    def all(self) -> tuple[Judgement, ...]:
        """Those of cases that were left in the middle too, in the plan's order."""
        for name in list(self._waiting):
            self._give(name)
        return tuple(sorted(self._done, key=self._place_of))

    def _give(self, name: str) -> None:
        together = sorted(self._waiting.pop(name), key=self._place_of)
        if self._take is not None:
            self._take(together)
            together = [judgement.without_values() for judgement in together]
        self._done += together

    def _place_of(self, judgement: Judgement) -> int:
        return self._place[judgement.trial.id]


def judgements(judge: Judge, trials: list[Trial], workers: Workers) -> Iterator[Judgement]:
    """Run and judge `trials`, in the order in which they are done."""
    for trial in trials:
        if trial.skip is not None:
            yield judge.judge(trial, None)
    for trial, observation in workers.run(in_turn(t for t in trials if t.skip is None)):
        yield judge.judge(trial, observation)


def in_turn(trials: Iterable[Trial]) -> list[Trial]:
    """The order in which trials are sent to the workers."""
    return sorted(trials, key=_turn)


def _turn(trial: Trial) -> tuple[str, str, bool, str, str, int]:
    """When a trial has its turn.

    A framework switches between devices and modes at a cost, and optimizers of a kind share their
    graphs, so each is gone through in one go; and what takes long comes first, so that the
    processes of a framework end together and the sequences of a long case are soon done with.
    """
    target, kind = trial.target, trial.implementation.kind
    once = (target.device, target.mode, trial.awaited, trial.optimizer, kind.value)
    return *once, -trial.training.updates


def why_nothing(environments: Iterable[Environment]) -> str:
    """What to say where no framework could be started, and the remedies that fit."""
    environments = list(environments)
    reasons = "\n".join(f"  {e.name}: {e.failure.strip()}" for e in environments)
    remedies = dict.fromkeys(remedy for e in environments if (remedy := _remedy(e)))
    told = "".join(f"\nremedy: {remedy}" for remedy in remedies)
    return f"no framework could be started, so nothing was run:\n{reasons}{told}"


def _remedy(environment: Environment) -> str:
    """What to do so that an environment can be used; nothing where its failure says it."""
    failure = environment.failure
    if "remedy: " in failure:
        return ""
    if limit := faults.limit_in(failure):
        return limit
    own = environment.name == environment.framework
    where = "where conform is installed" if own else f"in {environment.name}"
    if failure.startswith("ModuleNotFoundError"):
        return f"install {environment.framework} {where}; see: conform doctor"
    if own:
        return "see what is installed, and what is broken: conform doctor"
    if environment.crashed:
        return f"mend {environment.name}, or make it anew; see: conform environments list"
    return f"check interpreter, ssh and packages of {environment.name} in environments.yaml"
