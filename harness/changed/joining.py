"""One report of the trials that were run and of those that are taken from the report before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.case import Case
from harness.load import Loaded
from harness.plan import Trial
from harness.report.merging import Part, agreements_of, merged
from harness.report.model import (
    AgreementEntry,
    CaseEntry,
    EnvironmentEntry,
    Report,
    TakenEntry,
    TrialEntry,
    coverage_of,
    divergences_of,
)
from harness.verdict import Verdict

OF_THE_RUN = ("suite", "started", "seconds", "selection", "stopped_early", "full")
"""`conform run` adds the checkout and the division."""


@dataclass(frozen=True)
class Before:
    """The report before, with its file, and the ids of what is taken from it."""

    file: str
    report: Report
    taken: frozenset[str]

    def cut(self) -> set[str]:
        """The names of the cases of which not every trial is taken."""
        return {trial.case for trial in self.report.trials if trial.id not in self.taken}


def joined(new: Report, before: Before, planned: Sequence[Trial], loaded: Loaded) -> Report:
    """The report of a run that ran some trials and takes the others from the report before.

    It is what a run of all of them would have made, but that sequences of more than 1,000 steps
    are kept at the steps that both reports have, where a case's trials come from both.

    Args:
        new: on what was run; of the run are its time, selection and incidents.
        before: what the others are taken from.
        planned: all trials, in their order.
        loaded: their cases, and the records.
    """
    if not before.taken:
        return new
    cases = {trial.case.name: trial.case for trial in planned}
    ran = new.model_copy(update={"selection": {}})
    whole = merged([Part("this run", ran), Part(before.file, _kept(before, cases))])
    entries = {trial.id: trial for trial in whole.trials}
    trials = [entries[trial.id] for trial in planned if trial.id in entries]
    names = {trial.case for trial in trials}
    present = [case for name, case in cases.items() if name in names]
    by_name = {entry.name: entry for entry in whole.cases}
    return whole.model_copy(
        update={
            **{field: getattr(new, field) for field in OF_THE_RUN},
            "environments": [_with_modes(each, trials) for each in whole.environments],
            "cases": [by_name[case.name] for case in present],
            "trials": trials,
            "agreements": _agreements(whole, before, trials),
            "known_divergences": divergences_of(
                present, loaded.known_divergences, whole.environments
            ),
            "coverage": coverage_of(present),
            "taken": TakenEntry(
                trials=len(before.taken), report=before.file, started=before.report.started
            ),
        }
    )


def _kept(before: Before, cases: dict[str, Case]) -> Report:
    """Of the report before what is taken from it, with its cases where they stand now."""
    report = before.report
    trials = [
        trial.model_copy(update={"taken_from": trial.taken_from or report.started})
        for trial in report.trials
        if trial.id in before.taken
    ]
    names = {trial.case for trial in trials}
    used, cut = {trial.environment for trial in trials}, before.cut()
    return report.model_copy(
        update={
            "trials": trials,
            "cases": [_moved(e, cases[e.name]) for e in report.cases if e.name in names],
            "environments": [each for each in report.environments if each.name in used],
            "agreements": [a for a in report.agreements if a.case not in cut],
            "incidents": [],
            "selection": {},
            "division": None,
        }
    )


def _moved(entry: CaseEntry, case: Case) -> CaseEntry:
    return entry.model_copy(update={"file": case.file, "line": case.line})


def _with_modes(entry: EnvironmentEntry, trials: Sequence[TrialEntry]) -> EnvironmentEntry:
    ran = {t.mode for t in trials if t.environment == entry.name and Verdict(t.verdict).ran}
    return entry.model_copy(update={"modes": sorted(ran - {"-"})})


def _agreements(
    whole: Report, before: Before, trials: Sequence[TrialEntry]
) -> list[AgreementEntry]:
    """In the cases' order; anew where some trials of a case are gone and none were run."""
    of_case: dict[str, list[TrialEntry]] = defaultdict(list)
    for trial in trials:
        of_case[trial.case].append(trial)
    told: dict[str, list[AgreementEntry]] = defaultdict(list)
    for each in whole.agreements:
        told[each.case].append(each)
    entries = {entry.name: entry for entry in whole.cases}
    for name in before.cut() & of_case.keys():
        if all(trial.taken_from for trial in of_case[name]):
            told[name] = list(agreements_of(entries[name], of_case[name]))
    return [each for name in of_case for each in told[name]]
