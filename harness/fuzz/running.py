"""A search from its beginning to its end: workers, time, files, and what remains of it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import harness
from harness.case import ScheduleCase
from harness.catalogue import mappings
from harness.errors import ConformError, NothingSelected, NothingToRun, UnknownName
from harness.fuzz import written
from harness.fuzz.clock import TimeIsUp, limited, stop_ringing
from harness.fuzz.known import Known
from harness.fuzz.search import Asked, Finding, Listener, Search, Tally, families_like
from harness.judge import Judge
from harness.load import load
from harness.naming import fits
from harness.plan import Selection, plan
from harness.project import RECORDS, own_records
from harness.reference import FAMILIES
from harness.suite import judgements, why_nothing
from harness.verdict import Verdict
from harness.workers import Environment, EnvironmentSpec, Workers


class End(StrEnum):
    """How a search came to its end."""

    COMPLETE = "all examples done"
    TIME = "the time was up"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Kept:
    """A finding that was written down.

    `covered` says whether its draft covers it when it is run again; None where no time was left.
    """

    finding: Finding
    path: Path
    covered: bool | None


@dataclass
class Result:
    """What is known of a search so far."""

    asked: Asked
    tallies: dict[str, Tally] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    environments: Sequence[Environment] = ()
    incidents: Sequence[str] = ()
    seconds: float = 0.0
    end: End = End.COMPLETE

    @property
    def fails(self) -> bool:
        """Whether there is something new, be it only an incident, or nothing was tried."""
        crashed = any(environment.crashed for environment in self.environments)
        return bool(self.kept or self.incidents or crashed or not self.trials)

    @property
    def examples(self) -> int:
        """How many are done."""
        return sum(tally.examples for tally in self.tallies.values())

    @property
    def apis(self) -> Counter[str]:
        """The trials of each implementation that a framework was asked for."""
        return sum((tally.apis for tally in self.tallies.values()), Counter[str]())

    @property
    def trials(self) -> int:
        """All of them."""
        return self.apis.total()

    @property
    def untried(self) -> list[str]:
        """The families of which no trial was run."""
        return [family for family, tally in self.tallies.items() if not tally.trials]

    @property
    def met(self) -> Counter[str]:
        """The records whose divergences were met again, and how often."""
        return sum((tally.met for tally in self.tallies.values()), Counter[str]())


def asked(
    seed: int, families: Sequence[str], implementations: Sequence[str], examples: int | None
) -> Asked:
    """What is to be searched; only families that one of the implementations has.

    Raises:
        UnknownName: for a family or an implementation that there is not.
        NothingSelected: none of the implementations has any of the families.
    """
    for glob in families:
        if not families_like([glob], list(FAMILIES)):
            raise UnknownName("family", glob, FAMILIES)
    Selection(implementations=tuple(implementations)).check(())
    able = tuple(
        family
        for family in families_like(families, list(FAMILIES))
        if not implementations
        or any(fits(m.api, glob) for m in mappings(family=family) for glob in implementations)
    )
    if not able:
        raise NothingSelected("none of these implementations has schedules of these families")
    return Asked(seed, able, tuple(implementations), examples)


# They import a framework, or what lies beside them where the user's interpreter runs them.
OTHER_PROCESSES = ("harness.adapters.", "harness.verification.drivers.")


def _import_everything() -> None:
    """Hypothesis draws constants from the modules that it finds: it shall always find the same."""
    for module in pkgutil.walk_packages(harness.__path__, "harness."):
        if not module.name.startswith(OTHER_PROCESSES):
            importlib.import_module(module.name)


def run(
    search_for: Asked,
    specs: Sequence[EnvironmentSpec],
    folder: Path,
    seconds: float | None = None,
    add: bool = False,
    on_examples: Callable[[int], None] = lambda _: None,
    on_kept: Callable[[Kept], None] = lambda _: None,
) -> Result:
    """Search, and keep what is found; an interruption and the end of the time end it in order.

    Args:
        search_for: what to search.
        specs: where.
        folder: for the files of the findings, each written as soon as it is found, and `fuzz.json`.
        seconds: after which it ends.
        add: write the findings among the suite's known divergences too.
        on_examples: told how many examples are done.
        on_kept: told of each finding.

    Raises:
        NothingToRun: no environment could be started.
        ReportUnwritable: a finding cannot be written.
    """
    if add and not RECORDS.is_dir():
        raise ConformError(f"there is no {RECORDS} to add to; leave --add out")
    _import_everything()
    began, result = time.monotonic(), Result(search_for)
    with _in_order(result), Workers(specs) as workers, limited(seconds):
        result.environments = workers.environments()
        able = [e for e in result.environments if not e.failure]
        if not able:
            raise NothingToRun(why_nothing(result.environments))
        known = Known(own_records(), {e.name: e.version for e in able})
        keeper = _Keeper(search_for, folder, add, workers, able, result.kept, on_kept)
        search = Search(search_for, workers, able, known, Listener(on_examples, keeper.keep))
        result.tallies = search.tallies
        try:
            search.run()
        except BaseException:  # be it a fault of the suite: what was found is kept
            stop_ringing()
            for finding in search.left():
                keeper.keep(finding, again=False)
            raise
        finally:
            result.incidents = tuple(workers.incidents)
    result.seconds = time.monotonic() - began
    written.write(folder, "fuzz.json", json.dumps(_as_json(result), indent=1) + "\n")
    return result


@contextmanager
def _in_order(result: Result) -> Iterator[None]:
    try:
        yield
    except TimeIsUp:
        result.end = End.TIME
    except KeyboardInterrupt:
        result.end = End.INTERRUPTED


@dataclass(frozen=True)
class _Keeper:
    """Writes each finding down, and runs what it has written."""

    asked: Asked
    folder: Path
    add: bool
    workers: Workers
    environments: Sequence[Environment]
    kept: list[Kept]
    on_kept: Callable[[Kept], None]

    def keep(self, finding: Finding, again: bool = True) -> None:
        versions = {e.name: e.version for e in self.environments}
        version = versions[finding.trial.target.environment]
        content = written.text(finding, self.asked.seed, version)
        file = f"fuzz-{finding.origin.replace('/', '-')}-{finding.trial.implementation.short}.yaml"
        path = written.write(self.folder, file, content)
        if self.add:
            path = written.write(RECORDS, file, content)
        kept = Kept(finding, path, self._is_covered(path, versions) if again else None)
        self.kept.append(kept)
        self.on_kept(kept)

    def _is_covered(self, path: Path, versions: dict[str, str]) -> bool:
        """Whether a run of the file says *known divergence*."""
        loaded = load([path])
        trials = [t for t in plan(loaded.cases, self.environments) if t.skip is None]
        judge = Judge(loaded.known_divergences, versions)
        verdicts = [j.verdict for j in judgements(judge, trials, self.workers)]
        return bool(verdicts) and all(v is Verdict.KNOWN_DIVERGENCE for v in verdicts)


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "seed": result.asked.seed,
        "examples_asked_for": result.asked.examples,
        "implementations": list(result.asked.implementations),
        "end": result.end.value,
        "seconds": round(result.seconds, 1),
        "environments": {e.name: e.version or e.failure for e in result.environments},
        "incidents": list(result.incidents),
        "examples": result.examples,
        "trials": result.trials,
        "not_tried": result.untried,
        "tried": dict(sorted(result.apis.items())),
        "families": {family: _tally(tally) for family, tally in result.tallies.items()},
        "met_again": dict(result.met.most_common()),
        "new": [_finding(kept) for kept in result.kept],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    widest = tally.widest
    return {
        "examples": tally.examples,
        "trials": tally.trials,
        "verdicts": {verdict.value: times for verdict, times in sorted_by_name(tally.verdicts)},
        "met_again": sum(tally.met.values()),
        "new": tally.new,
        "widest_disagreement": widest
        and {
            "first": widest.first,
            "second": widest.second,
            "step": widest.step,
            "difference": widest.difference,
            "share_of_both_budgets": widest.share,
        },
    }


def sorted_by_name(verdicts: Counter[Verdict]) -> list[tuple[Verdict, int]]:
    """The verdicts that there are, in an order that does not depend on who was first."""
    return sorted(verdicts.items(), key=lambda item: item[0].value)


def _finding(kept: Kept) -> dict[str, Any]:
    finding = kept.finding
    case = finding.trial.case
    assert isinstance(case, ScheduleCase)
    return {
        "origin": finding.origin,
        "family": case.family,
        "implementation": finding.trial.implementation.api,
        "target": str(finding.trial.target),
        "verdict": finding.judgement.verdict.value,
        "reasons": list(finding.judgement.reasons),
        "times": finding.times,
        "diagnosis": finding.judgement.diagnosis and str(finding.judgement.diagnosis),
        "file": str(kept.path),
        "covered_by_its_draft": kept.covered,
    }
