"""What changed from one version of a framework to the next, implementation by implementation.

Made from a report on several environments: nothing is judged here, trials of the same case are held
against each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from packaging.version import InvalidVersion, Version

from harness.catalogue import Precision
from harness.closeness import spacing
from harness.report.model import EnvironmentEntry, Report, TrialEntry
from harness.verdict import Verdict

LAST_BITS = 64.0
"""ULP up to which two versions are said to differ in the last bits, and not in the rates."""
NAMED = 3
"""Cases that are named where some differ."""
NEW, GONE = "is new", "is gone"
_ABSENT = {Verdict.UNAVAILABLE, Verdict.UNSUPPORTED}


@dataclass(frozen=True)
class Release:
    """An implementation in one version: how its trials ended, and what is new in it."""

    version: str
    environment: str
    present: bool
    verdicts: dict[Verdict, int]
    signature: str | None
    deprecation: str
    changes: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """`–` where it is not there, `+` where it is new, `Δ` where something changed, else `=`."""
        if not self.present:
            return "–"
        return "+" if self.changes == (NEW,) else "Δ" if self.changes else "="


@dataclass(frozen=True)
class History:
    """An implementation through the versions, oldest first."""

    implementation: str
    releases: tuple[Release, ...]

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell."""
        return any(release.changes for release in self.releases)


@dataclass(frozen=True)
class Histories:
    """A framework's versions, and its implementations through them."""

    framework: str
    versions: tuple[str, ...]
    implementations: tuple[History, ...]


@dataclass(frozen=True)
class _Seen:
    """An implementation's trials in one environment, by case, device and mode."""

    environment: EnvironmentEntry
    trials: dict[tuple[str, str, str], TrialEntry] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        return any(Verdict(trial.verdict) not in _ABSENT for trial in self.trials.values())

    @property
    def signature(self) -> str | None:
        """As the interpreter says it, whichever case asked."""
        found = (trial.signature for trial in self.trials.values() if trial.signature is not None)
        return next(found, None)

    @property
    def deprecation(self) -> str:
        """What its documentation says of its end."""
        return next(filter(None, (trial.deprecation for trial in self.trials.values())), "")


def histories(report: Report) -> list[Histories]:
    """For each framework of which the report has several versions, what changed between them."""
    found = []
    for framework in dict.fromkeys(each.framework for each in report.environments):
        environments = sorted(
            (
                each
                for each in report.environments
                if each.framework == framework and each.failure is None
            ),
            key=lambda each: _order(each.version),
        )
        if len(environments) > 1:
            versions = tuple(each.version or "?" for each in environments)
            every = tuple(_histories(report, environments))
            found.append(Histories(framework, versions, every))
    return found


def _histories(report: Report, environments: list[EnvironmentEntry]) -> Iterator[History]:
    names = {each.name for each in environments}
    seen: dict[str, dict[str, _Seen]] = {}
    for trial in report.trials:
        if trial.environment in names:
            empty = {each.name: _Seen(each) for each in environments}
            place = seen.setdefault(trial.implementation, empty)
            place[trial.environment].trials[trial.case, trial.device, trial.mode] = trial
    for implementation in sorted(seen):
        row = [seen[implementation][each.name] for each in environments]
        changes: list[tuple[str, ...]] = [()]
        changes += [tuple(_changes(before, after)) for before, after in pairwise(row)]
        yield History(
            implementation,
            tuple(_release(each, new) for each, new in zip(row, changes, strict=True)),
        )


def _release(seen: _Seen, changes: tuple[str, ...]) -> Release:
    return Release(
        version=seen.environment.version or "?",
        environment=seen.environment.name,
        present=seen.present,
        verdicts=dict(Counter(Verdict(trial.verdict) for trial in seen.trials.values())),
        signature=seen.signature,
        deprecation=seen.deprecation,
        changes=changes,
    )


def _changes(before: _Seen, after: _Seen) -> Iterator[str]:
    """What is new, in words: the API itself, its signature, deprecation, outcomes, values."""
    if before.present != after.present:
        yield NEW if after.present else GONE
        return
    if not after.present:
        return
    if before.signature is not None and after.signature is not None:
        yield from _signature(before.signature, after.signature)
    if after.deprecation != before.deprecation:
        yield f"documented: {after.deprecation or 'no longer as deprecated'}"
    pairs = [
        (trial, after.trials[key])
        for key, trial in before.trials.items()
        if key in after.trials
        and not {Verdict(trial.verdict), Verdict(after.trials[key].verdict)} & _ABSENT
    ]
    yield from _outcomes(pairs)
    yield from _values(pairs)


def _signature(before: str, after: str) -> Iterator[str]:
    """What differs between two signatures, parameter by parameter.

    >>> list(_signature("(optimizer, eta_min=0, verbose=False)", "(optimizer, eta_min=0.0)"))
    ['eta_min=0 became eta_min=0.0', 'no longer takes verbose=False']
    """
    old, new = _parameters(before), _parameters(after)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"{old[name]} became {new[name]}"
    gone, came = [old[n] for n in old if n not in new], [new[n] for n in new if n not in old]
    if gone:
        yield f"no longer takes {', '.join(gone)}"
    if came:
        yield f"takes {', '.join(came)} too"
    if not gone and not came and list(old) != list(new):
        yield f"the order of the parameters: {after}"


def _parameters(signature: str) -> dict[str, str]:
    """Each parameter as it is written, by its name."""
    written = re.split(r", (?=[*/\w]+(?:[=,]|$))", signature.strip("()"))
    return {text.partition("=")[0]: text for text in written if text}


def _outcomes(pairs: list[tuple[TrialEntry, TrialEntry]]) -> Iterator[str]:
    """Exceptions that came, went, or are others."""
    kinds: dict[str, list[str]] = {}
    for old, new in pairs:
        before, now = old.exception, new.exception
        if before is None and now is not None:
            kinds.setdefault(f"raises {now.type}, where it did not", []).append(new.case)
        elif before is not None and now is None:
            kinds.setdefault(f"no longer raises {before.type}", []).append(new.case)
        elif before is not None and now is not None and before.type != now.type:
            kinds.setdefault(f"raises {now.type} and not {before.type}", []).append(new.case)
        elif before is not None and now is not None and before.message != now.message:
            kinds.setdefault("another text of the exception", []).append(new.case)
    for kind, cases in kinds.items():
        yield f"{kind}: {_some(cases)}"


def _values(pairs: list[tuple[TrialEntry, TrialEntry]]) -> Iterator[str]:
    """Rates that differ: by last bits, or more."""
    bits: dict[str, float] = {}
    others: list[str] = []
    for old, new in pairs:
        if old.exception is not None or new.exception is not None:
            continue
        apart = _apart(old, new)
        if apart > LAST_BITS:
            others.append(new.case)
        elif apart > 0:
            bits[new.case] = max(apart, bits.get(new.case, 0.0))
    if others:
        yield f"other rates: {_some(others)}"
    if bits:
        greatest = max(bits.values())
        yield f"other last bits, by up to {greatest:.3g} ULP: {_some(list(bits))}"


def _apart(old: TrialEntry, new: TrialEntry) -> float:
    """The greatest distance between two trials' rates, in ULP of their precision."""
    greatest = 0.0
    known = {sequence.name: sequence for sequence in old.sequences}
    for sequence in new.sequences:
        other = known.get(sequence.name)
        if other is None or other.digest == sequence.digest:
            continue
        if other.length != sequence.length or other.precision != sequence.precision:
            return float("inf")
        first, second = np.array(other.observed), np.array(sequence.observed)
        if first.shape != second.shape or sequence.precision not in set(Precision):
            return float("inf")
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        unit = spacing(np.maximum(abs(first), abs(second)), np.dtype(sequence.precision))
        with np.errstate(all="ignore"):
            apart = np.where(same, 0.0, abs(first - second) / unit)
        # What differs at thinned steps alone is seen in the digest, and is at least a bit.
        greatest = max(greatest, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)), 1.0)
    return greatest


def _some(cases: list[str]) -> str:
    names = list(dict.fromkeys(cases))
    named = ", ".join(names[:NAMED])
    return named if len(names) <= NAMED else f"{named} and {len(names) - NAMED} more cases"


def _order(version: str | None) -> Version:
    try:
        return Version(version or "0")
    except InvalidVersion:
        return Version("0")
