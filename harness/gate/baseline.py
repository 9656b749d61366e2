"""`reports/baseline.json`: what each trial gave, as little as tells that it gives something else.

A sequence is kept as its digest and its extreme errors. Every trial stands on a line of its own,
and nothing says when or on which machine it was run, so that the difference between two baselines
is what has changed.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Context
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import BaselineUnusable, NoBaseline
from harness.report.model import Report, SequenceEntry, TrialEntry
from harness.verdict import Verdict

FORMAT = 1
DIGITS = 6
"""Of an extreme error; it is rounded away from the errors between the two."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptTrial(_Model):
    """What a trial gave: of each sequence its digest, with the least and the greatest error in ULP.

    The errors are missing where one of them is not finite.
    """

    verdict: Verdict
    known_divergence: str | None = None
    sequences: dict[str, tuple[str] | tuple[str, float, float]] = Field(default_factory=dict)


class Baseline(_Model):
    """What the gate compares a report with.

    `environments` are the packages and their versions by the environment's name, `cases` the
    digests of the reference by the case's file and name, `trials` stand by their ids.
    """

    format: Literal[1] = 1
    full: bool
    environments: dict[str, dict[str, str]]
    cases: dict[str, dict[str, str]]
    trials: dict[str, KeptTrial]

    @field_validator("trials")
    @classmethod
    def _named_as_trials(cls, trials: dict[str, KeptTrial]) -> dict[str, KeptTrial]:
        for name in trials:
            if not re.fullmatch(r".+::[^:]+::[^/]+/[^/]+/[^/]+", name, re.DOTALL):
                raise ValueError(f"{name!r} is no trial")
        return trials

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each case's reference, by the case's name."""
        return {name: digest for file in self.cases.values() for name, digest in file.items()}

    @property
    def files(self) -> dict[str, str]:
        """The file of each case, by the case's name."""
        return {name: file for file, names in self.cases.items() for name in names}


def baseline_of(report: Report) -> Baseline:
    """The baseline that a report makes."""
    cases: dict[str, dict[str, str]] = {}
    for case in report.cases:
        # A path that holds on one machine alone is no use on others.
        file = Path(case.file).name if Path(case.file).is_absolute() else case.file
        cases.setdefault(file, {})[case.name] = case.digest
    return Baseline(
        full=report.full,
        environments={
            environment.name: {environment.framework: environment.version or ""}
            | environment.packages
            for environment in report.environments
            if environment.failure is None
        },
        cases=cases,
        trials={trial.id: _kept(trial) for trial in report.trials},
    )


def _kept(trial: TrialEntry) -> KeptTrial:
    return KeptTrial(
        verdict=Verdict(trial.verdict),
        known_divergence=trial.known_divergence,
        sequences={sequence.name: _kept_sequence(sequence) for sequence in trial.sequences},
    )


def _kept_sequence(sequence: SequenceEntry) -> tuple[str] | tuple[str, float, float]:
    if sequence.ulp_errors is None:
        return (sequence.digest,)
    least, greatest = sequence.ulp_errors
    return sequence.digest, rounded_down(least), rounded_up(greatest)


def rounded_down(value: float, digits: int = DIGITS) -> float:
    """The greatest number of so many digits that is not above a finite `value`.

    >>> rounded_down(-1 / 3, 2)
    -0.34
    """
    return float(Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(value))


def rounded_up(value: float, digits: int = DIGITS) -> float:
    """The least number of so many digits that is not below a finite `value`."""
    return -rounded_down(-value, digits)


def text(baseline: Baseline) -> str:
    """The baseline's file: JSON, sorted, a line for each environment, case and trial."""
    cases = {file: _lines(names) for file, names in baseline.cases.items()}
    trials = {
        name: json.dumps(_plain(trial), ensure_ascii=False)
        for name, trial in baseline.trials.items()
    }
    parts = {
        "format": str(baseline.format),
        "full": json.dumps(baseline.full),
        "environments": _lines(
            {
                name: dict(sorted(packages.items()))
                for name, packages in baseline.environments.items()
            }
        ),
        "cases": _block(cases),
        "trials": _block(trials),
    }
    return "{\n" + ",\n".join(f'"{key}": {value}' for key, value in parts.items()) + "\n}\n"


def _lines(items: Mapping[str, Any]) -> str:
    return _block({key: json.dumps(item, ensure_ascii=False) for key, item in items.items()})


def _block(items: Mapping[str, str]) -> str:
    """A JSON object with a line for each of its items, which are JSON already."""
    rows = [f"{json.dumps(key, ensure_ascii=False)}: {items[key]}" for key in sorted(items)]
    return "{\n" + ",\n".join(rows) + "\n}" if rows else "{}"


def _plain(trial: KeptTrial) -> dict[str, Any]:
    plain = trial.model_dump(mode="json", exclude_defaults=True)
    if trial.sequences:
        plain["sequences"] = {
            name: [_short(part) for part in trial.sequences[name]]
            for name in sorted(trial.sequences)
        }
    return plain


def _short(part: str | float) -> str | float:
    """A whole number without the `.0` that thousands of lines would end in."""
    return int(part) if isinstance(part, float) and part.is_integer() and abs(part) < 1e6 else part


def read(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        NoBaseline: there is no such file.
        BaselineUnusable: it is no baseline, or one of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoBaseline(path) from None
    except OSError as error:
        raise BaselineUnusable(path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # no JSON, or no UTF-8
        raise BaselineUnusable(path, f"is no JSON: {error}") from None
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        what = f"has the format {content['format']!r}, and this suite reads {FORMAT}"
        raise BaselineUnusable(path, what)
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        raise BaselineUnusable(path, f"is no baseline: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    return f"{_joined(detail['loc'])}{detail['msg']}"


def _joined(location: Iterable[int | str]) -> str:
    return "".join(f"{part}: " for part in location)


def write(baseline: Baseline, path: Path) -> None:
    """Write the file in full beside its place, and put it there.

    Raises:
        BaselineUnusable: with the reason; the file before is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as aside:
            new = Path(aside) / path.name
            new.write_text(text(baseline), encoding="utf-8", newline="\n")
            new.replace(path)
    except OSError as error:
        raise BaselineUnusable(path, f"cannot be written: {error.strerror}") from None
