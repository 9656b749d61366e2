"""Traces in tables: CSV, with other separators too, with a header or without."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import IO

import numpy as np

from harness.catalogue import Precision
from harness.comparison import APPLIED, REPORTED
from harness.errors import TraceUnreadable
from harness.reference.arithmetic import Float64
from harness.traces.gathered import Block, Resumption, made, sequence_name
from harness.traces.layout import Layout, layout, whole
from harness.traces.trace import Header, Trace

BLOCK_CHARACTERS = 1 << 22
SEPARATORS = ",;\t"
UNKNOWN = {"", "nan", "null", "none", "na", "n/a"}


def read(source: str, file: IO[str], columns: Sequence[str] = ()) -> Trace:
    """The trace in a text file.

    Raises:
        TraceUnreadable: with the line.
    """
    try:
        return _Reading(source, columns).trace(file)
    except csv.Error as error:
        raise TraceUnreadable(f"{source}: {error}") from None


class _Reading:
    def __init__(self, source: str, columns: Sequence[str]) -> None:
        self.source, self.columns = source, columns
        self.problems: list[str] = []
        self.parts: list[Block | Resumption] = []
        self.exact = False
        """Whether a rate has more digits than a float32."""
        self.counted = 0

    def trace(self, file: IO[str]) -> Trace:
        at, first = next(
            ((n, s) for n, s in enumerate(file, 1) if s.strip() and not s.startswith("#")),
            (0, ""),
        )
        if not at:
            raise TraceUnreadable(f"{self.source}: there is no rate in it")
        separator = max(SEPARATORS, key=first.count)
        self.separator = separator if separator in first else None
        names, lines = self._names(at, first)
        found = layout(names, self.columns)
        if not found.rates:
            raise TraceUnreadable(
                f"{self.source}: none of its columns is known to hold a rate: "
                f"{', '.join(names)}; name it with --column"
            )
        if self.columns and not {*self.columns} & {*found.rates.values()}:
            taken = found.rates[min(found.rates)]
            self.problems.append(f"it has no column {self.columns[0]!r}; {taken!r} was taken")
        if found.step is None:
            self.problems.append("it has no steps; they were counted from 0, row by row")
        at += 1 - len(lines)
        while lines := lines + file.readlines(BLOCK_CHARACTERS):
            self._take(lines, at, names, found)
            at += len(lines)
            lines = []
        precision = Precision.FLOAT64 if self.exact else Precision.FLOAT32
        if not self.exact:
            self.problems.append("its rates have nine digits at most: they were taken for float32")
        both = {REPORTED: precision, APPLIED: precision}
        return made(Header(self.source), both, self.parts, self.problems)

    def _names(self, line: int, first: str) -> tuple[list[str], list[str]]:
        """The columns' names; and the first line again, where it is none of names."""
        cells = self._cells([first])[0]
        if not all(map(_is_number, cells)):
            return [cell.strip() for cell in cells], []
        names = {1: ["lr"], 2: ["step", "lr"]}.get(len(cells))
        if names is None:
            raise TraceUnreadable(
                f"{self.source}:{line}: {len(cells)} columns without names; let the first line "
                "name them: step, lr, and group if there are several"
            )
        return names, [first]

    def _cells(self, lines: list[str]) -> list[list[str]]:
        if self.separator is None:
            return [line.split() for line in lines]
        return list(csv.reader(lines, delimiter=self.separator))

    def _take(self, lines: list[str], at: int, names: list[str], found: Layout) -> None:
        """Lines of the file, `at` being the number of the first."""
        wanted = [name for name in (found.step, found.group, *found.rates.values()) if name]
        try:
            columns = self._regular(lines, [names.index(name) for name in wanted], len(names))
            if columns is None:
                rows = self._cells([line for line in lines if line.strip()])
                cells = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
                columns = [_floats(cells.get(name, ())) for name in wanted]
            self._take_columns(dict(zip(wanted, columns, strict=True)), found)
        except (ValueError, csv.Error) as error:
            if len(lines) > 1:
                for number, line in enumerate(lines, at):
                    self._take([line], number, names, found)
            what = str(error)
            there = len(self._cells(lines)[0])
            if there != len(names):
                what = f"{there} columns, and {len(names)} before"
            raise TraceUnreadable(f"{self.source}:{at}: {what}") from None

    def _regular(self, lines: list[str], places: list[int], width: int) -> list[Float64] | None:
        """The columns at these places, by numpy; None where a cell is not plainly a number."""
        if self.separator and "".join(lines).count(self.separator) != (width - 1) * len(lines):
            return None
        try:
            table = np.loadtxt(
                lines, delimiter=self.separator, comments=None, usecols=places, ndmin=2
            )
        except ValueError:
            return None
        return list(table.T) if len(table) == len(lines) else None

    def _take_columns(self, columns: dict[str, Float64], found: Layout) -> None:
        rates = {name: columns[written] for name, written in found.rates.items()}
        count = len(next(iter(rates.values())))
        if found.step is None:
            steps = np.arange(self.counted, self.counted + count)
        else:
            steps = whole(columns[found.step])
        self.counted += count
        self.exact = self.exact or any(map(_is_exact, rates.values()))
        if found.group is None:
            self.parts.append(Block(steps, steps, rates))
            return
        groups = whole(columns[found.group])
        for group in np.unique(groups).tolist():
            its = groups == group
            own = {sequence_name(name, group): values[its] for name, values in rates.items()}
            self.parts.append(Block(steps[its], steps[its], own))


def _is_exact(rates: Float64) -> bool:
    """Whether a rate has more significant digits than nine, which is what float32 needs at most."""
    return any(float(f"{rate:.9g}") != rate for rate in rates[np.isfinite(rates)].tolist())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in UNKNOWN
    return True


def _floats(cells: Sequence[str]) -> Float64:
    try:
        return np.array(list(map(float, cells)))
    except ValueError:
        return np.array([_number(cell) for cell in cells])


def _number(cell: str) -> float:
    if cell.strip().lower() in UNKNOWN:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no number") from None
