"""`conform run --changed` where something may have changed: load, decide, run, join."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import suite
from harness.changed import state
from harness.changed.deciding import Changes, Decision, as_environment, digests
from harness.changed.joining import Before, joined
from harness.changed.state import Asked, NoState, State, Told
from harness.changed.surroundings import Surroundings, digest
from harness.errors import ReportUnreadable
from harness.load import Loaded
from harness.plan import Selection, Trial, plan
from harness.report import FILES
from harness.report.model import Gathering, Report, from_run, this_suite
from harness.report.reading import FORMAT, parse
from harness.report.write import write_texts
from harness.suite import Listener
from harness.verdict import Verdict
from harness.workers import Environment, EnvironmentSpec, Workers


@dataclass(frozen=True)
class Last:
    """The last report, in its file, and what was noted of it."""

    file: Path
    report: Report
    state: State


def last_of(noted: State, folder: Path) -> Last | NoState:
    """The report in a folder, if something can be taken from it."""
    file = folder / state.REPORT
    text = file.read_bytes()
    if f'"format":"{FORMAT}"'.encode() not in text[:100].replace(b" ", b""):
        return NoState(f"{file} is not of the format {FORMAT}")
    try:
        report = parse(text, str(file))
    except ReportUnreadable as error:
        return NoState(str(error))
    if report.incidents:
        return NoState("a worker died while it was starting")
    return Last(file, report, noted)


@dataclass(frozen=True)
class Joint:
    """The report of a run that took what it could, and why it ran what it did."""

    report: Report
    decision: Decision
    environments: tuple[Environment, ...]

    @property
    def lines(self) -> list[str]:
        """What was run and what was taken, and then the reasons."""
        run, total = len(self.decision.again), len(self.report.trials)
        taken = self.report.taken
        if taken is None:
            return [f"{run} of {total} trials run", *self.decision.why]
        start = f"{run} of {total} trials run, {taken.trials} taken from {taken.report}"
        return [f"{start} of {taken.started}", *self.decision.why]


@dataclass(frozen=True)
class Running:
    """A run that takes from the last report what has not changed."""

    loaded: Loaded
    specs: Sequence[EnvironmentSpec]
    selection: Selection
    full: bool
    time_limit: float
    fail_fast: bool
    listener: Listener

    def made(self, last: Last, now: Surroundings) -> Joint:
        """Run what is affected; where that is nothing, no framework is started.

        Raises:
            NothingSelected: the selection leaves no trial.
            NothingToRun: no environment could be started.
        """
        report = last.report
        changes = Changes(report, last.state, now, digests(self.loaded), self.time_limit)
        began, clock = datetime.now(UTC), time.perf_counter()
        environments = [as_environment(entry) for entry in report.environments]
        as_noted = {each.name for each in environments} == {spec.name for spec in self.specs}
        planned = self._planned(environments) if as_noted else []
        decision = changes.decide(planned, environments)
        if planned and not decision.again:
            new = report.model_copy(
                update={
                    "suite": this_suite(),
                    "started": began.isoformat(timespec="seconds"),
                    "seconds": time.perf_counter() - clock,
                    "selection": self.selection.given,
                    "stopped_early": False,
                    "full": self.full,
                    **{name: [] for name in ("cases", "trials", "agreements")},
                    "taken": None,
                }
            )
        else:
            with Workers(self.specs, self.time_limit) as workers:
                environments = workers.environments()
                planned = self._planned(environments)
                decision = changes.decide(planned, environments)
                options = self.selection, self.listener, self.fail_fast, self.full
                _, ran = everything(self.loaded, workers, *options, only=decision.again)
            # As it is read, since it is made one with a report that was.
            new = parse(ran.model_dump_json(), "this run")
        before = Before(str(last.file), report, decision.taken)
        whole = joined(new, before, planned, self.loaded)
        return Joint(whole, decision, tuple(environments))

    def _planned(self, environments: list[Environment]) -> list[Trial]:
        every = plan(self.loaded.cases, environments, self.full)
        return [trial for trial in every if self.selection.wants(trial)]


def everything(
    loaded: Loaded,
    workers: Workers,
    selection: Selection,
    listener: Listener,
    fail_fast: bool = False,
    full: bool = False,
    only: Collection[str] | None = None,
) -> tuple[suite.Run, Report]:
    """Run all trials, or those of the ids in `only`; the report is made as they are done.

    Raises:
        NothingSelected, NothingToRun, UnknownName, DeviceAbsent: as `suite.run` does.
    """
    gathering = Gathering()
    options = selection, listener, fail_fast, full
    run = suite.run(loaded, workers, *options, take=gathering.take, only=only)
    return run, from_run(run, gathering)


def note(
    report: Report,
    since: str,
    asked: Asked,
    now: Surroundings,
    checkout: list[str],
    loaded: Loaded,
    folder: Path,
) -> None:
    """Note beside the report in `folder` what its trials depended on.

    Raises:
        ReportUnwritable: with the reason.
    """
    counts: dict[str, int] = {
        v.value: report.counts[v.value] for v in Verdict if v.value in report.counts
    }
    noted = State(
        report=digest(folder / state.REPORT),
        files=list(FILES),
        asked=asked,
        told=Told(report.started, len(report.trials), counts, since),
        settled=not (report.fails or report.stopped_early),
        surroundings=now,
        cases=digests(loaded),
        checkout=checkout,
    )
    write_texts([(state.NAME, state.text(noted))], folder)
