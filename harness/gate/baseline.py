"""`reports/baseline.json`: what each trial gave, its rates and its exception among it.

Every trial stands on a line of its own, and so does every sequence of rates, which trials name by
its digest. Nothing says when or on which machine it was run, so that the difference between two
baselines is what has changed.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_FLOOR, Context
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.catalogue import Precision
from harness.errors import BaselineUnusable, DuplicateKey, NoBaseline, OldBaseline
from harness.files import read_bytes
from harness.report.model import CaseEntry, ExceptionEntry, Report, SequenceEntry, TrialEntry
from harness.report.unique import loads
from harness.verdict import Verdict

FORMAT = 2
DIGITS = 6
"""Of an extreme error; it is rounded away from the errors between the two."""
MESSAGE = 120
"""Characters of an exception's message that are kept; a digest stands for the rest."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptSequence(_Model):
    """Rates in their precision; `steps` and what follows only where the report is thinned.

    `digest` is that of all `length` rates, and `ulp_errors` has the least and the greatest error of
    any of them, in ULP, where they are known.
    """

    precision: str
    values: list[float]
    steps: list[int] | None = None
    length: int | None = None
    digest: str = ""
    ulp_errors: tuple[float, float] | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, content: Any) -> Any:
        """A sequence that is kept in full is a list: its precision, and then its values."""
        if not isinstance(content, list) or not content:
            return content
        return {"precision": content[0], "values": content[1:]}

    @model_validator(mode="after")
    def _as_long(self) -> KeptSequence:
        if self.steps is not None and len(self.steps) != len(self.values):
            raise ValueError(f"{len(self.values)} values at {len(self.steps)} steps")
        return self

    @property
    def rates(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The values as float64; in the file they have the digits that their precision needs."""
        values = np.array(self.values, dtype=np.float64)
        if self.precision not in list(Precision):
            return values
        with np.errstate(over="ignore"):
            return values.astype(np.dtype(self.precision)).astype(np.float64)


class KeptException(_Model):
    """What a trial raised; `message` without what differs between machines."""

    type: str
    message: str
    step: int | None = None


class KeptTrial(_Model):
    """What a trial gave; `sequences` has the key of each sequence in the baseline."""

    verdict: Verdict
    known_divergence: str | None = None
    exception: KeptException | None = None
    sequences: dict[str, str] = Field(default_factory=dict)


class Baseline(_Model):
    """What the gate compares a report with.

    `environments` are the packages and their versions by the environment's name, `cases` the
    digests of the reference by the case's file and name, `sequences` stand by a digest of what is
    kept of them, `trials` by their ids.
    """

    format: Literal[2] = 2
    full: bool
    environments: dict[str, dict[str, str]]
    cases: dict[str, dict[str, str]]
    sequences: dict[str, KeptSequence]
    trials: dict[str, KeptTrial]

    @field_validator("trials")
    @classmethod
    def _named_as_trials(cls, trials: dict[str, KeptTrial]) -> dict[str, KeptTrial]:
        for name in trials:
            if not re.fullmatch(r".+::[^:]+::[^/]+/[^/]+/[^/]+", name, re.DOTALL):
                raise ValueError(f"{name!r} is not the id of a trial")
        return trials

    @model_validator(mode="after")
    def _whole(self) -> Baseline:
        for name, trial in self.trials.items():
            for key in trial.sequences.values():
                if key not in self.sequences:
                    raise ValueError(f"{name!r} names the sequence {key}, which is not there")
        return self

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
    entries = {case.name: case for case in report.cases}
    sequences: dict[str, KeptSequence] = {}
    return Baseline(
        full=report.full,
        environments={
            environment.name: {environment.framework: environment.version or ""}
            | environment.packages
            for environment in report.environments
            if environment.failure is None
        },
        cases=cases,
        trials={trial.id: _kept(trial, entries[trial.case], sequences) for trial in report.trials},
        sequences=sequences,
    )


def _kept(trial: TrialEntry, case: CaseEntry, sequences: dict[str, KeptSequence]) -> KeptTrial:
    """What is kept of a trial, whose sequences are added to `sequences`."""
    keys = {}
    for sequence in trial.sequences:
        kept = _kept_sequence(sequence, case)
        keys[sequence.name] = _key(kept)
        sequences[keys[sequence.name]] = kept
    return KeptTrial(
        verdict=Verdict(trial.verdict),
        known_divergence=trial.known_divergence,
        exception=None if trial.exception is None else kept_exception(trial.exception),
        sequences=keys,
    )


def _key(kept: KeptSequence) -> str:
    """What a sequence is called: the same where what is kept of it is the same."""
    return sha256(_line(kept).encode()).hexdigest()[:10]


def _kept_sequence(sequence: SequenceEntry, case: CaseEntry) -> KeptSequence:
    if len(case.steps) == case.length:
        return KeptSequence(precision=sequence.precision, values=sequence.observed)
    ends = sequence.ulp_errors
    return KeptSequence(
        precision=sequence.precision,
        values=sequence.observed,
        steps=case.steps[: len(sequence.observed)],
        length=sequence.length,
        digest=sequence.digest,
        ulp_errors=None if ends is None else (rounded_down(ends[0]), rounded_up(ends[1])),
    )


def kept_exception(exception: ExceptionEntry) -> KeptException:
    """What is kept of an exception."""
    message = _anywhere(exception.message)
    if len(message) > MESSAGE:
        message = f"{message[:MESSAGE]} … {sha256(message.encode()).hexdigest()[:8]}"
    return KeptException(type=exception.type, message=message, step=exception.step)


def _anywhere(message: str) -> str:
    """A message without addresses, folders and layout, which differ between machines and runs.

    >>> _anywhere("<Net at 0x7f12ab> in /tmp/conform-xy/net.py:12,\\n see C:\\\\Temp\\\\a.log")
    '<Net at 0x…> in …/net.py:12, see …/a.log'
    """
    folders = r"(?<![\w./])(?:[A-Za-z]:)?(?:[\\/][\w.+~@-]+)+[\\/]([\w.+~@-]+)"
    message = re.sub(folders, r"…/\1", message)
    return " ".join(re.sub(r"\b0x[0-9a-fA-F]+\b", "0x…", message).split())


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
    """The baseline's file: JSON, sorted, a line for each environment, case, sequence and trial."""
    parts = {
        "format": str(baseline.format),
        "full": json.dumps(baseline.full),
        "environments": _lines(
            {
                name: dict(sorted(packages.items()))
                for name, packages in baseline.environments.items()
            }
        ),
        "cases": _block({file: _lines(names) for file, names in baseline.cases.items()}),
        "sequences": _block({key: _line(each) for key, each in baseline.sequences.items()}),
        "trials": _lines({name: _plain(trial) for name, trial in baseline.trials.items()}),
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
        plain["sequences"] = dict(sorted(trial.sequences.items()))
    return plain


def _line(sequence: KeptSequence) -> str:
    """A sequence as JSON, each value with as few digits as identify it in its precision."""
    precision = json.dumps(sequence.precision)
    values = ", ".join(map(_digits(sequence.precision), sequence.values))
    if sequence.steps is None:
        return f"[{', '.join(filter(None, [precision, values]))}]"
    rest = sequence.model_dump(mode="json", exclude={"precision", "values"})
    return f'{{"precision": {precision}, "values": [{values}], {json.dumps(rest)[1:]}'


def _digits(precision: str) -> Callable[[float], str]:
    dtype = np.dtype(precision if precision in list(Precision) else "float64")

    def digits(value: float) -> str:
        if math.isfinite(value):
            return "-0.0" if value == 0 and math.copysign(1, value) < 0 else str(dtype.type(value))
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'

    return digits


def read(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        NoBaseline: there is no such file.
        OldBaseline: it is of an earlier format.
        BaselineUnusable: it is not a baseline, or one of a later format.
    """
    content = _content(path)
    number = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
    if number == 1:
        raise OldBaseline(path, number, FORMAT, trials=content.get("trials"))
    if number != FORMAT:
        raise BaselineUnusable(path, f"has the format {number!r}, and this suite reads {FORMAT}")
    try:
        baseline = Baseline.model_validate(content)
    except ValidationError as error:
        raise BaselineUnusable(path, f"is not a baseline: {_first(error)}") from None
    for key, kept in baseline.sequences.items():
        if _key(kept) != key:
            raise BaselineUnusable(path, f"was changed by hand: sequence {key} has other values")
    return baseline


def _content(path: Path) -> Any:
    try:
        return loads(read_bytes(path).decode())
    except FileNotFoundError:
        raise NoBaseline(path) from None
    except OSError as error:
        raise BaselineUnusable(path, f"cannot be read: {error.strerror}") from None
    except DuplicateKey as error:
        raise BaselineUnusable(path, str(error)) from None
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise BaselineUnusable(path, f"is not JSON: {error}") from None


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
