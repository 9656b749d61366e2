"""One report of several: shards of a run, machines, or what pytest's processes have each judged.

- A case stands once; two of the same name that differ are refused.
- An environment of the same name and versions stands once; where versions or devices differ, the
  later ones are called `torch (2)` and so on, in the ids of their trials too. Where one machine
  lacks a framework that another has, what is unavailable there is left out if the other ran it.
- Shards have to be of one division. Those that are missing are named, with their cases.
- A trial in several reports stands once. Where verdicts differ, the worse one is kept and an
  incident says so; where only values differ, the trial that used more of its budget is.
- Thinned sequences keep the steps that all reports have.
- What changed since a baseline is left out: it is to be found for the whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from harness.errors import ReportsDisagree
from harness.report.model import (
    AgreementEntry,
    CaseEntry,
    CoverageCell,
    CoverageEntry,
    DivisionEntry,
    EnvironmentEntry,
    Model,
    Report,
    SequenceEntry,
    SuiteEntry,
    TakenEntry,
    TrialEntry,
    budget_use_of,
)
from harness.verdict import Verdict

M = TypeVar("M", bound=Model)

_UNAVAILABLE = Verdict.UNAVAILABLE.value
#: From the best to the worst.
_ORDER = [
    *(Verdict.UNAVAILABLE, Verdict.UNSUPPORTED, Verdict.CONFORMS, Verdict.KNOWN_DIVERGENCE),
    *(verdict for verdict in Verdict if verdict.fails),
]


@dataclass(frozen=True)
class Part:
    """A report that becomes part of another, and where it comes from."""

    place: str
    report: Report


def merged(parts: Sequence[Part]) -> Report:
    """The one report of all `parts`, of which there is at least one.

    Raises:
        ReportsDisagree: two cases of one name differ, two versions of the suite judged, or shards
            are not of one division.
    """
    reports = [part.report for part in parts]
    suite, division = _suite(parts), _division(parts)
    merging = _Merging()
    for part in parts:
        merging.add(part)
    trials, incidents = merging.trials(), merging.incidents
    fails = bool(incidents) or any(trial.fails for trial in trials)
    return Report(
        suite=suite,
        commit=_listed(report.commit for report in reports),
        uncommitted=_listed(report.uncommitted for report in reports) or "",
        started=min(report.started for report in reports),
        seconds=sum(report.seconds for report in reports),
        selection=_selection([report.selection for report in reports], division),
        stopped_early=any(report.stopped_early for report in reports),
        full=all(report.full for report in reports),
        incidents=incidents,
        counts=dict(sorted(Counter(trial.verdict for trial in trials).items())),
        fails=fails,
        budget_use=budget_use_of(trials),
        environments=list(merging.environments.values()),
        cases=list(merging.cases.values()),
        trials=trials,
        agreements=merging.agreements(trials),
        known_divergences=_once(reports),
        coverage=_coverage(reports),
        changes=None,
        taken=_taken(reports, trials),
        division=division if division and division.missing else None,
    )


@dataclass
class _Merging:
    """What has been made one so far."""

    environments: dict[str, EnvironmentEntry] = field(default_factory=dict)
    cases: dict[str, CaseEntry] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    _origin: dict[str, str] = field(default_factory=dict)
    _trials: dict[str, tuple[TrialEntry, CaseEntry, str]] = field(default_factory=dict)
    _agreements: dict[str, list[AgreementEntry]] = field(default_factory=lambda: defaultdict(list))
    _shared: set[str] = field(default_factory=set)

    def add(self, part: Part) -> None:
        """Make `part` one with those before."""
        names = {each.name: self._environment(each) for each in part.report.environments}
        entries = {entry.name: entry for entry in part.report.cases}
        for entry in part.report.cases:
            self._case(entry, part.place)
        for trial in part.report.trials:
            self._trial(_renamed(trial, names), entries[trial.case], part.place)
        ids = {trial.id: _renamed(trial, names).id for trial in part.report.trials}
        for each in part.report.agreements:
            told = _changed(each, first=ids[each.first], second=ids[each.second])
            self._agreements[each.case].append(told)
        self.incidents += [i for i in part.report.incidents if i not in self.incidents]

    def _environment(self, entry: EnvironmentEntry) -> str:
        """The name that the environment has in the report of all."""
        name, number = entry.name, 1
        while name in self.environments and not _alike(self.environments[name], entry):
            number += 1
            name = f"{entry.name} ({number})"
        known = self.environments.get(name)
        self.environments[name] = (
            _changed(entry, name=name) if known is None else _one_environment(known, entry)
        )
        return name

    def _case(self, entry: CaseEntry, place: str) -> None:
        known = self.cases.get(entry.name)
        if known is None:
            self.cases[entry.name], self._origin[entry.name] = entry, place
            return
        self._shared.add(entry.name)
        if differing := _differing(known, entry):
            raise ReportsDisagree(
                f"the case {entry.name} is not the same in {self._origin[entry.name]} "
                f"({known.file}:{known.line}) and {place} ({entry.file}:{entry.line}): "
                f"its {', '.join(differing)} differ; run both with the same cases"
            )
        if known.steps != entry.steps:
            self.cases[entry.name] = _at(known, sorted({*known.steps} & {*entry.steps}))

    def _trial(self, trial: TrialEntry, entry: CaseEntry, place: str) -> None:
        known = self._trials.get(trial.id)
        if known is None:
            self._trials[trial.id] = trial, entry, place
            return
        first, _, where = known
        if first.verdict != trial.verdict:
            worse = max(first, trial, key=_badness)
            self.incidents.append(
                f"{trial.id}: {first.verdict} in {where}, {trial.verdict} in {place}; "
                f"kept as {worse.verdict}"
            )
        if _badness(trial) > _badness(first):
            self._trials[trial.id] = trial, entry, place

    def trials(self) -> list[TrialEntry]:
        """The trials in the order of their cases, at the steps that their cases have."""
        started = {name for name, each in self.environments.items() if each.failure is None}
        answered = {
            (trial.case, trial.implementation, trial.environment)
            for trial, *_ in self._trials.values()
            if trial.verdict != _UNAVAILABLE and trial.environment in started
        }
        by_case: dict[str, list[TrialEntry]] = {name: [] for name in self.cases}
        for trial, entry, _ in self._trials.values():
            key = trial.case, trial.implementation, trial.environment
            if trial.verdict != _UNAVAILABLE or key not in answered:
                by_case[trial.case].append(_trial_at(trial, entry, self.cases[trial.case]))
        return [trial for trials in by_case.values() for trial in trials]

    def agreements(self, trials: Iterable[TrialEntry]) -> list[AgreementEntry]:
        """Those of each report, and anew where a case's trials come from several."""
        by_case: dict[str, list[TrialEntry]] = defaultdict(list)
        for trial in trials:
            by_case[trial.case].append(trial)
        return [
            agreement
            for name, entry in self.cases.items()
            for agreement in (
                agreements_of(entry, by_case[name])
                if name in self._shared
                else self._agreements[name]
            )
        ]


def _suite(parts: Sequence[Part]) -> SuiteEntry:
    first = parts[0]
    for part in parts:
        one, other = first.report.suite.version, part.report.suite.version
        if one != other:
            raise ReportsDisagree(
                f"{first.place} was made by version {one} of the suite and {part.place} by "
                f"{other}, which may judge in another way; run both with the same version"
            )
    return _changed(first.report.suite, commit=_listed(p.report.suite.commit for p in parts))


def _listed(items: Iterable[str | None]) -> str | None:
    """Each item once."""
    return ", ".join(filter(None, dict.fromkeys(items))) or None


def _division(parts: Sequence[Part]) -> DivisionEntry | None:
    """The one division that all shards among `parts` are of, with all of these."""
    shards = [part for part in parts if part.report.division or "shard" in part.report.selection]
    for part in shards:
        one, other = shards[0].report.division, part.report.division
        if one is None or other is None:
            place = shards[0].place if one is None else part.place
            raise ReportsDisagree(
                f"{place} is a shard and does not say of which division; run it again with this "
                "version of the suite: conform run --shard"
            )
        if (one.digest, one.cases) != (other.digest, other.cases):
            raise ReportsDisagree(
                f"{shards[0].place} and {part.place} are shards of different divisions: the cases, "
                f"the durations.json or the number of shards ({len(one.cases)} and "
                f"{len(other.cases)}) differed, so cases may be in neither; run all shards again "
                "from one commit, with the same reports/durations.json"
            )
    if not shards or len(shards) < len(parts):  # a whole run holds what any shard does
        return None
    divisions = [part.report.division for part in shards if part.report.division]
    numbers = sorted({number for each in divisions for number in each.shards})
    return _changed(divisions[0], shards=numbers)


def _alike(one: EnvironmentEntry, other: EnvironmentEntry) -> bool:
    """Whether two environments of the same name are one: also where one could not be started."""
    if one.failure is not None or other.failure is not None:
        return True
    return all(
        getattr(one, what) == getattr(other, what)
        for what in ("framework", "version", "python", "packages", "devices")
    )


def _one_environment(one: EnvironmentEntry, other: EnvironmentEntry) -> EnvironmentEntry:
    if one.failure is not None and other.failure is None:
        return _changed(other, name=one.name)
    return _changed(
        one,
        modes=sorted({*one.modes, *other.modes}),
        processes=max(one.processes, other.processes),
        start_seconds=max(one.start_seconds, other.start_seconds),
    )


def _renamed(trial: TrialEntry, names: dict[str, str]) -> TrialEntry:
    name = names[trial.environment]
    if name == trial.environment:
        return trial
    target = f"{name}/{trial.device}/{trial.mode}"
    id_ = f"{trial.case}::{trial.implementation}::{target}"
    return _changed(trial, id=id_, environment=name)


def _differing(one: CaseEntry, other: CaseEntry) -> list[str]:
    """The fields in which two cases of one name differ, which thinning and places do not count."""
    apart = {"file", "line", "steps", "reference", "expected", "digest", "definition"}
    names = [name for name in CaseEntry.model_fields if name not in apart]
    found = [name for name in names if getattr(one, name) != getattr(other, name)]
    for name in ("reference", "expected"):
        mine = dict(zip(one.steps, getattr(one, name), strict=True))
        others = dict(zip(other.steps, getattr(other, name), strict=True))
        if any(mine[step] != others[step] for step in {*mine} & {*others}):
            found.append(name)
    if one.digest and other.digest and one.digest != other.digest and "reference" not in found:
        found.append("reference")
    if not found and one.definition and other.definition and one.definition != other.definition:
        found.append("arguments, implementations, modes or resumption")
    return found


def _badness(trial: TrialEntry) -> tuple[int, float]:
    """How bad the verdict is, and then how much of its budget was used."""
    return _ORDER.index(Verdict(trial.verdict)), _share(trial) or 0.0


def _share(trial: TrialEntry) -> float | None:
    """The greatest share of its budget that a trial used, at any of its steps."""
    shares = [s.greatest_budget_share for s in trial.sequences]
    return max((share.value for share in shares if share is not None), default=None)


def _at(entry: CaseEntry, steps: list[int]) -> CaseEntry:
    at = np.searchsorted(entry.steps, steps).tolist()
    reference, expected = [entry.reference[i] for i in at], [entry.expected[i] for i in at]
    return _changed(entry, steps=steps, reference=reference, expected=expected)


def _trial_at(trial: TrialEntry, own: CaseEntry, kept: CaseEntry) -> TrialEntry:
    """The trial's sequences at the steps that the case has in the report of all."""
    if own.steps == kept.steps:
        return trial
    at = np.searchsorted(own.steps, kept.steps).tolist()

    def thinned(sequence: SequenceEntry) -> SequenceEntry:
        observed = [sequence.observed[i] for i in at if i < len(sequence.observed)]
        budget = [sequence.budget[i] for i in at if i < len(sequence.budget)]
        return _changed(sequence, observed=observed, budget=budget)

    return _changed(trial, sequences=[thinned(sequence) for sequence in trial.sequences])


def agreements_of(case: CaseEntry, trials: Iterable[TrialEntry]) -> Iterator[AgreementEntry]:
    """The widest disagreement of each sequence, at the steps that the report has."""
    seen: dict[str, list[tuple[str, SequenceEntry]]] = defaultdict(list)
    for trial in trials:
        for sequence in trial.sequences:
            if sequence.length:
                seen[sequence.name].append((trial.id, sequence))
    for name, compared in seen.items():
        if len(compared) < 2:
            continue
        length = min(len(s.observed) for _, s in compared)
        observed = np.array([s.observed[:length] for _, s in compared])
        allowed = np.array([s.budget[:length] for _, s in compared])
        finite = np.where(np.isfinite(observed), observed, np.nan)
        low = np.argmin(np.nan_to_num(finite, nan=np.inf), axis=0)
        high = np.argmax(np.nan_to_num(finite, nan=-np.inf), axis=0)
        at = np.arange(length)
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = np.nan_to_num(finite[high, at] - finite[low, at])
            share = difference / (allowed[high, at] + allowed[low, at])
        # Before a group joins there is nothing to tell apart.
        share = np.where(np.isnan(allowed).all(axis=0), -1.0, np.where(difference == 0, 0.0, share))
        widest = int(np.argmax(share))
        yield AgreementEntry(
            case=case.name,
            sequence=name,
            first=compared[int(low[widest])][0],
            second=compared[int(high[widest])][0],
            step=case.steps[widest],
            difference=float(difference[widest]),
            budget_share=float(share[widest]),
        )


def _selection(selections: list[dict[str, Any]], division: DivisionEntry | None) -> dict[str, Any]:
    """What the user left out of the whole: nothing where any part is whole, or all shards are."""
    if {} in selections:
        return {}
    distinct = [s for i, s in enumerate(selections) if s not in selections[:i]]
    rest = [{key: value for key, value in s.items() if key != "shard"} for s in distinct]
    if all(each == rest[0] for each in rest):
        if division is None or not division.missing:
            return rest[0]
        return {
            **rest[0],
            "shard": ", ".join(f"{n}/{len(division.cases)}" for n in division.shards),
        }
    return {"any_of": [", ".join(f"{k} {_said(v)}" for k, v in s.items()) for s in distinct]}


def _said(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _taken(reports: Iterable[Report], trials: Iterable[TrialEntry]) -> TakenEntry | None:
    """How many trials the reports took from others, with the first of these."""
    taken = [report.taken for report in reports if report.taken is not None]
    if not taken:
        return None
    first = min(taken, key=lambda each: each.started)
    return _changed(first, trials=sum(trial.taken_from is not None for trial in trials))


def _once(reports: Iterable[Report]) -> list[Any]:
    entries = [entry for report in reports for entry in report.known_divergences]
    return list({(entry.name, entry.file): entry for entry in reversed(entries)}.values())[::-1]


def _coverage(reports: Sequence[Report]) -> list[CoverageEntry]:
    """Added up for reports that have no case in common; otherwise the greatest, which is the least
    that it can be, and exact where one report's cases are among the other's."""
    seen: set[str] = set()
    rows: dict[str, dict[str, CoverageCell]] = {}
    for report in reports:
        names = {case.name for case in report.cases}
        apart = seen.isdisjoint(names)
        seen |= names
        for entry in report.coverage:
            cells = rows.setdefault(entry.implementation, {})
            for name, cell in entry.dimensions.items():
                cells[name] = _one_cell(cells.get(name), cell, apart)
    return [CoverageEntry(implementation=api, dimensions=cells) for api, cells in rows.items()]


def _one_cell(one: CoverageCell | None, other: CoverageCell, apart: bool) -> CoverageCell:
    if one is None:
        return other
    cases = one.cases + other.cases if apart else max(one.cases, other.cases)
    return CoverageCell(cases=cases, reason="" if cases else one.reason or other.reason)


def _changed(entry: M, **fields: Any) -> M:
    return entry.model_copy(update=fields)
