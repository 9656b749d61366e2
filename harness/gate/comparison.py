"""A report held against a baseline: what changed, and which changes close the gate."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

from harness.gate.baseline import Baseline, KeptException, KeptTrial, baseline_of, rounded_up
from harness.gate.values import Movement, movement
from harness.report.model import (
    CaseEntry,
    ChangeEntry,
    ChangesEntry,
    DivergenceEntry,
    Report,
    TrialEntry,
)
from harness.verdict import Verdict

KINDS: tuple[str, ...] = get_args(ChangeEntry.model_fields["kind"].annotation)
"""The kinds of change, in the order in which they are told."""


@dataclass(frozen=True)
class Change:
    """A change; `group` is what it has in common with others of its kind.

    `drift` is how far the values moved, in ULP, or a bound on that; infinite where none is known.
    """

    entry: ChangeEntry
    group: str
    drift: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What the gate found.

    `compared` counts the trials that are in the baseline too; `still_failing` are the trials that
    fail with the verdict that the baseline has.
    """

    baseline: str
    compared: int
    changes: tuple[Change, ...]
    still_failing: tuple[str, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether something changed that may not pass."""
        return any(change.entry.fails for change in self.changes)

    @property
    def entry(self) -> ChangesEntry:
        """The same for a report."""
        return ChangesEntry(
            baseline=self.baseline, changes=[change.entry for change in self.changes]
        )

    def beyond(self, max_drift: float) -> Outcome:
        """The same, closed too by values that moved by more than `max_drift` ULP."""
        changes = [
            replace(change, entry=change.entry.model_copy(update={"fails": True}))
            if change.entry.kind == "moved" and not change.drift <= max_drift
            else change
            for change in self.changes
        ]
        return replace(self, changes=_sorted(changes))


def left_out(report: Report, baseline: Baseline | None = None) -> str | None:
    """What a report leaves out that a baseline has to hold, or holds; None if it is whole."""
    if report.selection:
        terms = ", ".join(f"{key} {_said(value)}" for key, value in report.selection.items())
        return f"only a part was run: {terms}"
    if report.stopped_early:
        return "the run was stopped early"
    if baseline is not None and baseline.full and not report.full:
        return "the baseline is of every execution mode, and the report is not"
    return None


def dropped(report: Report, trials: Mapping[str, Verdict | None]) -> list[str]:
    """The ids of those `trials` that are not in a report, or ran and did not run in it."""
    ran = {trial.id: Verdict(trial.verdict).ran for trial in report.trials}
    return [
        name
        for name, verdict in trials.items()
        if name not in ran or (verdict is not None and verdict.ran and not ran[name])
    ]


def _said(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def compare(report: Report, baseline: Baseline, name: str, partial: bool = False) -> Outcome:
    """What changed from `baseline` to `report`.

    Args:
        report: of a run.
        baseline: what is held against it.
        name: the baseline's file, to be named.
        partial: whether trials that the report does not have were not to be run.
    """
    comparison = _Comparison(report, baseline)
    changes = [
        *comparison.versions(),
        *comparison.changed_cases(),
        *comparison.incidents(),
        *comparison.contradictions(),
        *comparison.nothing(),
        *comparison.stale(),
        *comparison.trials(),
        *(() if partial else comparison.gone()),
    ]
    return Outcome(
        baseline=name,
        compared=sum(trial.id in baseline.trials for trial in report.trials),
        changes=_sorted(changes),
        still_failing=tuple(trial.id for trial in report.trials if comparison.still_fails(trial)),
    )


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda c: (not c.entry.fails, KINDS.index(c.entry.kind))))


class _Comparison:
    def __init__(self, report: Report, baseline: Baseline) -> None:
        self.report, self.baseline, self.now = report, baseline, baseline_of(report)
        self.case_entries = {case.name: case for case in report.cases}
        self.environments = {e.name: e for e in report.environments}
        self.digests, self.files = baseline.digests, baseline.files

    def versions(self) -> Iterator[Change]:
        for name, packages in self.now.environments.items():
            before = self.baseline.environments.get(name)
            if before is None:
                text = ", ".join(f"{package} {v}" for package, v in sorted(packages.items()))
                yield _change("version", name, f"not in the baseline: {text}")
                continue
            for package in sorted({*packages, *before}):
                old, new = before.get(package, "none"), packages.get(package, "none")
                if old != new:
                    yield _change("version", name, f"{package} {old} before, {new} now")

    @cached_property
    def _changed(self) -> dict[str, CaseEntry]:
        return {
            case.name: case
            for case in self.report.cases
            if self.digests.get(case.name, case.digest) != case.digest
        }

    def changed_cases(self) -> Iterator[Change]:
        text = "the schedule has other rates, so the values of its trials are not compared"
        for case in self._changed.values():
            yield _change("changed case", case.name, text, case)

    def stale(self) -> Iterator[Change]:
        """A change for each record: one that is gone in many trials is one thing to mend."""
        gone: dict[str, list[TrialEntry]] = defaultdict(list)
        for trial in self.report.trials:
            if self._begins_to_fail(trial) and Verdict(trial.verdict) is Verdict.STALE:
                gone[trial.known_divergence or trial.id].append(trial)
        records = {record.name: record for record in self.report.known_divergences}
        for name, trials in gone.items():
            yield _change(
                "stale finding",
                name,
                f"gone in {', '.join(trial.id for trial in trials)}",
                records.get(name) or self.case_entries[trials[0].case],
                group="recorded, and does not occur any more",
                fails=True,
            )

    def incidents(self) -> Iterator[Change]:
        """Workers that died; whatever the trials gave."""
        for text in self.report.incidents:
            yield _change("incident", "the run", text, fails=True)

    def contradictions(self) -> Iterator[Change]:
        """Where the report does not agree with its own verdicts."""
        verdicts = Counter(trial.verdict for trial in self.report.trials)
        failing = sum(number for verdict, number in verdicts.items() if Verdict(verdict).fails)
        for trial in self.report.trials:
            for text in self._contradictions(trial):
                yield self._of(trial, "contradiction", text, fails=True)
        if self.report.fails != bool(failing or self.report.incidents):
            text = f"fails is {_json(self.report.fails)}, and {failing} trials fail"
            yield _change("contradiction", "the report", text, fails=True)
        if +Counter(self.report.counts) != verdicts:
            text = "counts are not those of the trials' verdicts"
            yield _change("contradiction", "the report", text, fails=True)

    def _contradictions(self, trial: TrialEntry) -> Iterator[str]:
        verdict = Verdict(trial.verdict)
        if trial.fails != verdict.fails:
            yield f"fails is {_json(trial.fails)}, and the verdict is {verdict.value}"
        for sequence in trial.sequences if verdict is Verdict.CONFORMS else ():
            share, name = sequence.greatest_budget_share, sequence.name
            if share is not None and not share.value <= 1:
                off = f"is off by {share.value:.3g} times the tolerance at step {share.step}"
                yield f"{verdict.value}, and the {name} rate {off}"
            elif sequence.diverging:
                yield f"{verdict.value}, and the {name} rate diverges at {sequence.diverging} steps"

    def nothing(self) -> Iterator[Change]:
        """A change where there is nothing to compare: no trial of the report ran before."""
        trials = self.baseline.trials
        if not any(trials[t.id].verdict.ran for t in self.report.trials if t.id in trials):
            what = "no trial that ran is in both" if trials else "the baseline has no trials"
            yield _change("nothing compared", "the report", what, fails=True)

    def still_fails(self, trial: TrialEntry) -> bool:
        before, verdict = self.baseline.trials.get(trial.id), Verdict(trial.verdict)
        return verdict.fails and before is not None and before.verdict is verdict

    def _begins_to_fail(self, trial: TrialEntry) -> bool:
        return Verdict(trial.verdict).fails and not self.still_fails(trial)

    def trials(self) -> Iterator[Change]:
        for trial in self.report.trials:
            before, now = self.baseline.trials.get(trial.id), self.now.trials[trial.id]
            if self._begins_to_fail(trial):
                if now.verdict is not Verdict.STALE:
                    yield self._begun(trial, before)
                continue
            if before is None:
                if now.verdict is not Verdict.UNAVAILABLE:
                    yield self._of(trial, "new trial", trial.verdict)
                continue
            if not now.verdict.fails:
                yield from self._other_verdict(trial, before, now)
            # With another verdict, values that are others are no news.
            if now.verdict is before.verdict:
                yield from self._other_exception(trial, before.exception, now.exception)
                if trial.case not in self._changed:
                    yield from self._other_values(trial, before, now)

    def _begun(self, trial: TrialEntry, before: KeptTrial | None) -> Change:
        was = f"{_state(before)} before" if before else "not in the baseline"
        how = f"{was}, {trial.verdict} now"
        said = [*trial.reasons[:1], *([f"diagnosis: {trial.diagnosis}"] if trial.diagnosis else ())]
        return self._of(trial, "new divergence", "; ".join([how, *said]), group=how, fails=True)

    def _other_verdict(
        self, trial: TrialEntry, before: KeptTrial, now: KeptTrial
    ) -> Iterator[Change]:
        old, new = _state(before), _state(now)
        how = f"{old} before, {new} now"
        if old == new:
            return
        if not now.verdict.ran:
            if before.verdict.ran:
                reason = trial.reasons[0] if trial.reasons else "for no reason that was given"
                yield self._of(trial, "lost trial", f"{how}: {reason}", fails=True)
        elif now.verdict is Verdict.KNOWN_DIVERGENCE and not before.verdict.fails:
            # It is on record, so it does not close the gate; it is no less new.
            yield self._of(trial, "new divergence", how)
        else:
            yield self._of(trial, "improved", how)

    def _other_exception(
        self, trial: TrialEntry, before: KeptException | None, now: KeptException | None
    ) -> Iterator[Change]:
        """Another type or step closes the gate; another message, which versions have, does not."""
        if before == now:
            return
        if before and now and (before.type, before.step) == (now.type, now.step):
            text = f"the message is {now.message!r}, and was {before.message!r}"
            yield self._of(trial, "changed exception", text, group="another message")
        else:
            text = f"{_raised(before)} before, {_raised(now)} now"
            yield self._of(trial, "changed exception", text, fails=True)

    def _other_values(
        self, trial: TrialEntry, before: KeptTrial, kept: KeptTrial
    ) -> Iterator[Change]:
        if kept.sequences == before.sequences:  # the same keys, so the same rates
            return
        now = {sequence.name: sequence for sequence in trial.sequences}
        if unseen := [name for name in before.sequences if name not in now]:
            text = f"not observed any more: {', '.join(unseen)}"
            yield self._of(trial, "lost trial", text, fails=True)
        case = self.case_entries[trial.case]
        found = {
            name: movement(self.baseline.sequences[key], now[name], trial, case)
            for name in now
            if (key := before.sequences.get(name)) is not None
        }
        moved = {name: moved for name, moved in found.items() if moved is not None}
        if not moved:
            return
        fails = any(each.fault for each in moved.values())
        text = ", ".join(
            f"{name} {each.fault or by(each)}"
            for name, each in moved.items()
            if each.fault or not fails
        )
        furthest = max(each.ulp for each in moved.values())
        yield self._of(trial, "moved", text, group="", fails=fails, drift=furthest)

    def gone(self) -> Iterator[Change]:
        """Trials that the report does not have; one that could not run before is no loss."""
        for name, trial in self.baseline.trials.items():
            if name in self.now.trials or not trial.verdict.ran:
                continue
            case_name, _, target = name.split("::")
            case = self.case_entries.get(case_name)
            text = self._why_gone(case, target)
            where = case or self.files.get(case_name)
            yield _change("lost trial", name, text, where, fails=True)

    def _why_gone(self, case: CaseEntry | None, target: str) -> str:
        name, device, _ = target.split("/")
        environment = self.environments.get(name)
        if environment is None:
            return f"there is no environment {name}"
        if environment.failure is not None:
            return f"{name} was not run: {environment.failure.strip().splitlines()[-1]}"
        if case is None:
            return "there is no such case"
        if device not in environment.devices:
            reason = environment.absent_devices.get(device, "it is not there")
            return f"{name} has no device {device}: {reason}"
        return "the case is not tried on this API and target"

    def _of(
        self,
        trial: TrialEntry,
        kind: str,
        text: str,
        group: str | None = None,
        fails: bool = False,
        drift: float = 0.0,
    ) -> Change:
        case = self.case_entries[trial.case]
        return _change(kind, trial.id, text, case, group=group, fails=fails, drift=drift)


def _change(
    kind: str,
    subject: str,
    text: str,
    where: CaseEntry | DivergenceEntry | str | None = None,
    group: str | None = None,
    fails: bool = False,
    drift: float = 0.0,
) -> Change:
    """A change; `where` is what its file and line are taken from, or the file alone."""
    content = {
        "kind": kind,
        "subject": subject,
        "text": text,
        "file": where if isinstance(where, str) else where and where.file,
        "line": None if isinstance(where, str) else where and where.line,
        "fails": fails,
    }
    return Change(ChangeEntry.model_validate(content), text if group is None else group, drift)


def _state(trial: KeptTrial) -> str:
    """The verdict, and of a known divergence which."""
    of = f" {trial.known_divergence}" if trial.known_divergence else ""
    return f"{trial.verdict.value}{of}"


def _raised(exception: KeptException | None) -> str:
    """What was raised, and when."""
    if exception is None:
        return "nothing raised"
    step = "" if exception.step is None else f" before step {exception.step}"
    return f"raised {exception.type}{step}"


def _json(value: bool) -> str:
    return str(value).lower()


def by(moved: Movement) -> str:
    """`by 1.5 ULP`, or `by at most 1.5 ULP`, rounded up."""
    if math.isinf(moved.ulp):
        return "by an unknown number of ULP"
    return f"by {'at most ' if moved.is_bound else ''}{rounded_up(moved.ulp, 3):g} ULP"
