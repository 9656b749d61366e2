"""Two reports side by side: what one lacks, and which verdicts, values and versions differ.

Values are compared by their digests, which tell whether whole sequences are the same. How far they
are apart is known at the steps that both reports have: all of them, where nothing was thinned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import ml_dtypes
import numpy as np

from harness.report.model import CaseEntry, EnvironmentEntry, Report, SequenceEntry, TrialEntry

_TYPES: dict[str, tuple[np.dtype[Any], type[np.signedinteger[Any]]]] = {
    "float64": (np.dtype(np.float64), np.int64),
    "float32": (np.dtype(np.float32), np.int32),
    "float16": (np.dtype(np.float16), np.int16),
    "bfloat16": (np.dtype(ml_dtypes.bfloat16), np.int16),
}


@dataclass(frozen=True)
class VersionChange:
    """Something of an environment that is not the same: `what` it is, and both."""

    environment: str
    what: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.environment}: {self.what} {self.first} -> {self.second}"


@dataclass(frozen=True)
class VerdictChange:
    """A trial that is judged in two ways."""

    trial: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.trial}: {self.first} -> {self.second}"


@dataclass(frozen=True)
class ValueChange:
    """A sequence that is not the same in both.

    `ulp` is the greatest distance, in representable numbers between two values, and `step` where it
    is; None where no step tells: the values differ at steps that a report has left out, or in
    their number, or one is not a number, or is in another precision. `whole` says whether every
    step could be looked at.
    """

    trial: str
    sequence: str
    ulp: int | None
    step: int | None
    first: float | None
    second: float | None
    whole: bool
    note: str

    def __str__(self) -> str:
        text = f"{self.trial}: {self.sequence}"
        if self.step is not None:
            far = f"by {self.ulp} ULP" if self.ulp is not None else "beyond measure"
            most = "at most " if self.ulp is not None else ""
            text += f" {most}{far}, at step {self.step}: {self.first!r} -> {self.second!r}"
        return text + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class AnswerChange:
    """A signature, an exception or a warning that is not the same in both."""

    trial: str
    what: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.trial}: {self.what} {self.first} -> {self.second}"


@dataclass(frozen=True)
class Differences:
    """All that two reports do not have in common."""

    only_in_first: tuple[str, ...]
    only_in_second: tuple[str, ...]
    versions: tuple[VersionChange, ...]
    cases: tuple[str, ...]
    verdicts: tuple[VerdictChange, ...]
    values: tuple[ValueChange, ...]
    answers: tuple[AnswerChange, ...]

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def as_json(self) -> dict[str, Any]:
        """For programs. What is not finite stands as `report.json` has it."""
        return {"differs": bool(self), **_plain(asdict(self))}


def differences(first: Report, second: Report) -> Differences:
    """What `first` and `second` do not have in common; times and places do not count."""
    one = {trial.id: trial for trial in first.trials}
    other = {trial.id: trial for trial in second.trials}
    cases = {case.name: case for case in first.cases}
    others = {case.name: case for case in second.cases}
    pairs = [(one[id_], other[id_]) for id_ in one if id_ in other]
    return Differences(
        only_in_first=tuple(id_ for id_ in one if id_ not in other),
        only_in_second=tuple(id_ for id_ in other if id_ not in one),
        versions=tuple(_versions(first, second)),
        cases=tuple(
            name for name in cases if name in others and _differ(cases[name], others[name])
        ),
        verdicts=tuple(
            VerdictChange(a.id, a.verdict, b.verdict) for a, b in pairs if a.verdict != b.verdict
        ),
        values=tuple(
            change for a, b in pairs for change in _values(a, b, cases[a.case], others[b.case])
        ),
        answers=tuple(change for a, b in pairs for change in _answers(a, b)),
    )


def _versions(first: Report, second: Report) -> Iterator[VersionChange]:
    one, other = _told(first), _told(second)
    for name, what in dict.fromkeys([*one, *other]):
        a, b = one.get((name, what), "none"), other.get((name, what), "none")
        if a != b:
            yield VersionChange(name, what, a, b)


def _told(report: Report) -> dict[tuple[str, str], str]:
    """Whatever of the suite and the environments has a version."""
    told = {("suite", "version"): report.suite.version}
    for environment in report.environments:
        told |= {(environment.name, what): text for what, text in _said(environment).items()}
    return told


def _said(environment: EnvironmentEntry) -> Mapping[str, str]:
    if environment.failure is not None:
        return {"not run:": environment.failure}
    return {
        environment.framework: environment.version or "none",
        "Python": environment.python or "none",
        **environment.packages,
        "devices": ", ".join(environment.devices),
    }


def _differ(one: CaseEntry, other: CaseEntry) -> bool:
    """Whether two cases of one name ask for something else; of earlier reports less is known."""
    if one.definition and other.definition:
        return one.definition != other.definition
    return _content(one) != _content(other)


def _content(case: CaseEntry) -> tuple[Any, ...]:
    return (case.family, case.schedule, case.steps_per_epoch, case.situation, case.due, case.length)


def _answers(one: TrialEntry, other: TrialEntry) -> Iterator[AnswerChange]:
    def raised(trial: TrialEntry) -> str | None:
        if trial.exception is None:
            return None
        # Below its first paragraph a framework tells what it was doing, which depends on what the
        # process has done before.
        text, _, _ = trial.exception.message.partition("\n\n")
        return f"{trial.exception.type}: {text}"

    answers = {
        "signature": (one.signature, other.signature),
        "exception": (raised(one), raised(other)),
        "warnings": ("; ".join(one.warnings), "; ".join(other.warnings)),
    }
    for what, (a, b) in answers.items():
        if _lasting(a) != _lasting(b):
            yield AnswerChange(one.id, what, a or "none", b or "none")


def _lasting(text: str | None) -> str:
    """Without what is another in each run: folders, which may be temporary, and addresses."""
    return re.sub(r"/[^\s'\"]*/|\b0x[0-9a-fA-F]+", "", text or "")


def _values(
    one: TrialEntry, other: TrialEntry, case: CaseEntry, others: CaseEntry
) -> Iterator[ValueChange]:
    mine = {sequence.name: sequence for sequence in one.sequences}
    theirs = {sequence.name: sequence for sequence in other.sequences}
    for name in dict.fromkeys([*mine, *theirs]):
        if name not in mine or name not in theirs:
            note = "only in the second" if name in theirs else "only in the first"
            yield ValueChange(one.id, name, None, None, None, None, True, note)
            continue
        a, b = mine[name], theirs[name]
        if a.digest and a.digest == b.digest and a.precision == b.precision:
            continue
        if (change := _sequence(one.id, a, b, case, others)) is not None:
            yield change


def _sequence(
    trial: str, a: SequenceEntry, b: SequenceEntry, case: CaseEntry, others: CaseEntry
) -> ValueChange | None:
    """The greatest distance between two sequences whose digests do not say that they are one."""
    mine = dict(zip(case.steps, a.observed, strict=False))
    theirs = dict(zip(others.steps, b.observed, strict=False))
    steps = [step for step in mine if step in theirs]
    whole = len(case.steps) == case.length and len(others.steps) == others.length
    notes = []
    if a.precision != b.precision:
        notes.append(f"{a.precision} -> {b.precision}")
    if a.length != b.length:
        notes.append(f"{a.length} values -> {b.length}")
    first = np.array([mine[step] for step in steps])
    second = np.array([theirs[step] for step in steps])
    same = (first == second) & (np.signbit(first) == np.signbit(second))
    same |= np.isnan(first) & np.isnan(second)
    if same.all():
        if whole and not notes:
            return None
        if a.digest and b.digest and not notes:
            notes.append("they differ at steps that the reports leave out")
        elif not notes:
            return None
        return ValueChange(trial, a.name, None, None, None, None, whole, ", ".join(notes))
    if not whole:
        notes.append("over the steps that the reports keep")
    beyond = ~same & ~(np.isfinite(first) & np.isfinite(second))
    if a.precision != b.precision:
        beyond = ~same
    at, ulp = int(np.argmax(beyond)), None
    if not beyond.any():
        apart = ulps(first, second, a.precision)
        at = max(np.flatnonzero(~same).tolist(), key=lambda index: apart[index])
        ulp = apart[at]
    return ValueChange(
        trial, a.name, ulp, steps[at], float(first[at]), float(second[at]), whole, ", ".join(notes)
    )


def ulps(first: Any, second: Any, precision: str) -> list[int]:
    """How many representable numbers of `precision` lie from each value to the other.

    >>> ulps(np.array([1.0, 0.0]), np.array([1.0 + 2**-52, -0.0]), "float64")
    [1, 0]
    """
    kind, integer = _TYPES[precision]

    def place(values: Any) -> list[int]:
        bits = np.asarray(values).astype(kind).view(integer).tolist()
        least = int(np.iinfo(integer).min)
        return [number if number >= 0 else least - number for number in bits]

    return [abs(a - b) for a, b in zip(place(first), place(second), strict=True)]


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if isinstance(node, float) and not np.isfinite(node):
        return "NaN" if np.isnan(node) else "Infinity" if node > 0 else "-Infinity"
    return node
