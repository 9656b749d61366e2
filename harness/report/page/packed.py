"""A report as the page carries it: gzip in base64, in two blocks.

`report` is the report as JSON, its sequences taken out, with numbers of rows in their place. `rows`
are these sequences, each distinct one once.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.report.model import CaseEntry, Report, SequenceEntry

Bits = NDArray[np.uint64]
CUT = np.uint64(52 - 12)
"""Bits cut off the significand of a budget, of which the page shows three digits."""


@dataclass(frozen=True)
class Packed:
    """Two blocks of base64, which hold no character that HTML knows."""

    report: str
    rows: str


@dataclass
class Rows:
    """Distinct rows of float64 numbers, which survive bit for bit, but for the payload of a NaN.

    A row is written as the differences of its bits, taken as integers, from those of another row
    that is close by, or else from the number before. They are small, and their bytes are sorted
    by significance, so that they compress. `described` has, for each row, its length, the row it
    is told from (-1 for none), and 1 where that one is first rounded to float32 (a NaN to 0).
    """

    described: list[tuple[int, int, int]] = field(default_factory=list)
    planes: list[bytes] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)
    _values: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, values: Sequence[float] | NDArray[np.float64], base: int = -1) -> int:
        """The number of the row with these values, told from the row `base` where it is new."""
        array = np.asarray(values, np.float64)
        array = np.where(np.isnan(array), np.nan, array)
        key = array.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self.described)
            self._values.append(array)
            self._write(array, base)
        return self._numbers[key]

    def _write(self, array: NDArray[np.float64], base: int) -> None:
        bits, single = array.view(np.uint64), False
        if base >= 0 and len(self._values[base]) < len(array):
            base = -1
        if base >= 0:
            near = self._values[base][: len(array)]
            single = bool(np.array_equal(array, _single(array), equal_nan=True))
            near = np.nan_to_num(_single(near), posinf=np.inf, neginf=-np.inf) if single else near
            before: Bits = near.view(np.uint64)
        else:
            before = np.concatenate([np.zeros(min(1, len(bits)), np.uint64), bits[:-1]])
        difference = (bits - before).astype("<u8")
        self.described.append((len(array), base, int(single)))
        self.planes.append(difference.view(np.uint8).reshape(-1, 8).T.tobytes())


def _single(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def pack(report: Report) -> Packed:
    """The two blocks of a report."""
    rows = Rows()
    references = {case.name: rows.add(case.reference) for case in report.cases}
    cases = [_case(case, rows, references[case.name]) for case in report.cases]
    trials = [
        [_sequence(sequence, rows, references.get(trial.case, -1)) for sequence in trial.sequences]
        for trial in report.trials
    ]
    numbers = json.dumps(
        {"rows": rows.described, "cases": cases, "trials": trials}, separators=(",", ":")
    )
    text = report.model_dump_json(
        exclude={
            "cases": {"__all__": {"reference", "expected"}},
            "trials": {"__all__": {"sequences": {"__all__": {"observed", "budget"}}}},
        }
    )
    return Packed(
        _block(f'{{"report":{text},"numbers":{numbers}}}'.encode()), _block(b"".join(rows.planes))
    )


def _case(case: CaseEntry, rows: Rows, reference: int) -> list[object]:
    """The rows of the reference and of the expected rates, and the indices where these are given.

    Where no rate is expected, the row has the reference's, and the indices leave it out; they are
    null where all are given.
    """
    due = zip(case.expected, case.reference, strict=True)
    expected = rows.add([ref if value is None else value for value, ref in due], reference)
    given = [index for index, value in enumerate(case.expected) if value is not None]
    return [reference, expected, None if len(given) == len(case.expected) else given]


def _sequence(sequence: SequenceEntry, rows: Rows, reference: int) -> list[int]:
    """The rows of the observed rates and of their budgets."""
    return [rows.add(sequence.observed, reference), rows.add(_short(sequence.budget))]


def _short(budget: Sequence[float]) -> NDArray[np.float64]:
    """Rounded to 12 bits: three digits and more, infinities as they are."""
    bits = np.asarray(budget, np.float64).view(np.uint64)
    return (((bits + (np.uint64(1) << (CUT - np.uint64(1)))) >> CUT) << CUT).view(np.float64)


def _block(content: bytes) -> str:
    return b64encode(gzip.compress(content, 6, mtime=0)).decode()
