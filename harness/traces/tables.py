"""Traces in tables: CSV, with other separators too, with a header or without."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import numpy as np

from harness.catalogue import Precision
from harness.comparison import APPLIED, REPORTED
from harness.errors import TraceUnreadable
from harness.listing import counted
from harness.reference.arithmetic import Float64, Int64
from harness.traces.gathered import Block, Resumption, made, sequence_name
from harness.traces.layout import Layout, layout, whole
from harness.traces.trace import Header, Trace

BLOCK_CHARACTERS = 1 << 22
SEPARATORS = ",;\t"
ABSENT = {"", "null", "none", "na", "n/a"}
"""What stands in a cell that has no rate; it says nothing of its step."""


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
        self.idle = 0
        """Rows without a rate."""

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
        if self.idle:
            self.problems.append(f"left out: {counted(self.idle, 'row')} without a rate")
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
            # A line by itself is read cell by cell, for the message.
            columns = (
                self._regular(lines, [names.index(name) for name in wanted], len(names))
                if len(lines) > 1
                else None
            )
            if columns is not None:
                self._take_columns(dict(zip(wanted, columns, strict=True)), found)
                return
            rows = self._cells([line for line in lines if line.strip()])
            cells = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
            self._take_cells({name: cells.get(name, ()) for name in wanted}, found)
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

    def _take_cells(self, cells: dict[str, Sequence[str]], found: Layout) -> None:
        """The same where cells may be empty: each sequence has the rows that have its rate."""
        first = self.counted
        rows = range(len(next(iter(cells.values()))))
        there = {
            name: [row for row in rows if cells[written][row].strip().lower() not in ABSENT]
            for name, written in found.rates.items()
        }
        self.idle += len(rows) - len({row for its in there.values() for row in its})
        if all(len(its) == len(rows) for its in there.values()):
            groups = [(dict(found.rates), list(rows))]
        else:
            groups = [({name: found.rates[name]}, its) for name, its in there.items()]
        for rates, its in groups:
            kept = {name: [column[row] for row in its] for name, column in cells.items()}
            wanted = [name for name in (found.step, found.group, *rates.values()) if name]
            part = Layout(found.step, found.group, rates)
            self.counted = first
            self._take_columns(
                {name: _floats(kept[name]) for name in wanted}, part, kept, np.array(its, np.int64)
            )
        self.counted = first + len(rows)

    def _take_columns(
        self,
        columns: dict[str, Float64],
        found: Layout,
        cells: Mapping[str, Sequence[str]] | None = None,
        rows: Int64 | None = None,
    ) -> None:
        """Numbers by column; the cells that they were, and which rows they are of."""
        rates = {name: columns[written] for name, written in found.rates.items()}
        count = len(next(iter(rates.values())))
        cells = cells or {}
        if found.step is None:
            steps = self.counted + (np.arange(count) if rows is None else rows)
        else:
            steps = whole(columns[found.step], cells.get(found.step, ()))
        self.counted += count
        self.exact = self.exact or any(map(_is_exact, rates.values()))
        if found.group is None:
            self.parts.append(Block(steps, steps, rates))
            return
        groups = whole(columns[found.group], cells.get(found.group, ()))
        for group in np.unique(groups).tolist():
            its = groups == group
            own = {sequence_name(name, group): values[its] for name, values in rates.items()}
            self.parts.append(Block(steps[its], steps[its], own))


def _is_exact(rates: Float64) -> bool:
    """Whether a rate has more significant digits than nine, which is what float32 needs at most."""
    return any(float(f"{rate:.9g}") != rate for rate in rates[np.isfinite(rates)].tolist())


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return cell.strip().lower() in ABSENT
    return True


def _floats(cells: Sequence[str]) -> Float64:
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: str) -> float:
    """A decimal number; what else Python takes for one, such as `1_0`, is refused."""
    if cell.isascii() and "_" not in cell:
        with suppress(ValueError):
            return float(cell)
    raise ValueError(f"{cell[:40]!r} is not a number")
