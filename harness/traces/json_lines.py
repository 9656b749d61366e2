"""Traces in JSON Lines: the recorder's, and what other programs log so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import groupby
from typing import IO, Any

import numpy as np
from pydantic_core import from_json

from harness.catalogue import Precision
from harness.comparison import APPLIED, REPORTED
from harness.errors import TraceUnreadable
from harness.listing import counted
from harness.reference.arithmetic import Float64, Int64
from harness.traces.gathered import Block, Resumption, made, sequence_name
from harness.traces.layout import Layout, layout, whole
from harness.traces.lr_recorder import FORMAT, VERSION
from harness.traces.trace import Header, Trace

BLOCK_BYTES = 1 << 22
KINDS = (REPORTED, APPLIED)
HEAD, RESUME, IDLE = "format", "resume", "idle"
ABOUT = ("framework", "framework_version", "device", "optimizer", "scheduler")


def read(source: str, file: IO[bytes], columns: Sequence[str] = ()) -> Trace:
    """The trace in `file`, which has no byte order mark.

    Raises:
        TraceUnreadable: with the line.
    """
    return _Reading(source, columns).trace(file)


class _Reading:
    def __init__(self, source: str, columns: Sequence[str]) -> None:
        self.source, self.columns = source, columns
        self.header, self.own = Header(source), False
        self.precision: dict[str, Precision] = {}
        self.parts: list[Block | Resumption] = []
        self.problems: list[str] = []
        self.idle = 0
        """Records of another program that have no rate."""
        self._kinds: dict[tuple[str, ...], str | Layout] = {}

    def trace(self, file: IO[bytes]) -> Trace:
        at = 1
        for block, whole_lines in _blocks(self.source, file):
            if self.own and whole_lines and (regular := _regular(block)) is not None:
                self.parts.append(regular)
                at += len(regular.steps)
                continue
            lines = block.splitlines()
            if not whole_lines and not _is_record(lines[-1]):
                lost = "the last line is incomplete and was left out"
                self.problems.append(lost)
                lines.pop()
            self._take(lines, at)
            at += len(lines)
        layouts = [kind for kind in self._kinds.values() if isinstance(kind, Layout)]
        taken = {key for found in layouts for key in found.rates.values()}
        if self.columns and not self.own and taken and not taken & {*self.columns}:
            self.problems.append(f"it has no key {self.columns[0]!r}; {min(taken)!r} was taken")
        if self.idle:
            self.problems.append(f"left out: {counted(self.idle, 'record')} without a rate")
        return made(self.header, self.precision, self.parts, self.problems)

    def _take(self, lines: list[bytes], at: int) -> None:
        """Lines of any kind; `at` is the number of the first."""
        numbers = [n for n, line in enumerate(lines, at) if line.strip()]
        records = _parsed([lines[n - at] for n in numbers])
        if records is None:
            records = [self._parsed_alone(n, lines[n - at]) for n in numbers]
        kinds = [self._kind(record) for record in records]
        if kinds and kinds[0] == HEAD:
            self._take_head(records[0], numbers[0])
            records, numbers, kinds = records[1:], numbers[1:], kinds[1:]
        if IDLE in kinds and not self.own:
            kept = [n for n, kind in enumerate(kinds) if kind != IDLE]
            self.idle += len(kinds) - len(kept)
            records, numbers = [records[n] for n in kept], [numbers[n] for n in kept]
            kinds = [kinds[n] for n in kept]
        begin = 0
        for kind, alike in groupby(kinds):
            end = begin + len(list(alike))
            self._take_alike(kind, records[begin:end], numbers[begin:end])
            begin = end

    def _kind(self, record: Any) -> str | Layout | None:
        """What a record is, by its keys; None for what is no record."""
        if not isinstance(record, dict):
            return None
        keys = tuple(record)
        if keys not in self._kinds:
            kind = self._kind_of(keys)
            # The same object for the same layout, since a million of them are compared.
            self._kinds[keys] = next((k for k in self._kinds.values() if k == kind), kind)
        return self._kinds[keys]

    def _kind_of(self, keys: tuple[str, ...]) -> str | Layout:
        if not {"step", "until"} & set(keys):
            for word in (HEAD, RESUME):
                if word in keys:
                    return word
        found = layout(keys, self.columns)
        return found if found.step is not None and found.rates else IDLE

    def _parsed_alone(self, number: int, line: bytes) -> Any:
        try:
            return from_json(line)
        except ValueError as error:
            raise self._unreadable(number, f"no JSON: {error}") from None

    def _unreadable(self, number: int, what: str) -> TraceUnreadable:
        return TraceUnreadable(f"{self.source}:{number}: {what}")

    def _take_alike(
        self, kind: str | Layout | None, records: list[Any], numbers: list[int]
    ) -> None:
        if kind is None:
            raise self._unreadable(numbers[0], "no JSON object; a trace has one in each line")
        if kind == HEAD:
            raise self._unreadable(numbers[0], "a second head: two traces in one file")
        try:
            if isinstance(kind, Layout):
                self._take_entries(kind, records)
            elif kind == RESUME:
                steps = _steps([record[RESUME] for record in records])
                self.parts += map(Resumption, steps.tolist())
            else:
                raise ValueError("neither an entry with a step and a rate, nor a resumption")
        except (TypeError, ValueError) as error:
            if len(records) == 1:
                raise self._unreadable(numbers[0], str(error)) from None
            # One of them is at fault, or their lists are of several lengths.
            half = len(records) // 2
            self._take_alike(kind, records[:half], numbers[:half])
            self._take_alike(kind, records[half:], numbers[half:])

    def _take_head(self, record: dict[str, Any], number: int) -> None:
        if self.own or self.parts:
            raise self._unreadable(number, "a second head: two traces in one file")
        if record["format"] != FORMAT or record.get("version") != VERSION:
            raise self._unreadable(
                number,
                f"format {record['format']!r}, version {record.get('version')!r}; this suite reads "
                f"{FORMAT!r}, version {VERSION}",
            )
        every = record.get("steps_per_epoch")
        if every is not None and not (isinstance(every, int) and every > 0):
            raise self._unreadable(number, f"steps_per_epoch is {every!r}")
        about = {key: str(record[key]) for key in ABOUT if record.get(key) is not None}
        self.header = Header(self.source, **about, steps_per_epoch=every)
        known = {str(precision): precision for precision in Precision}
        said = record.get("precision")
        for name, precision in said.items() if isinstance(said, dict) else ():
            if precision in known:
                self.precision[name] = known[precision]
        self.own = True

    def _take_entries(self, found: Layout, records: list[dict[str, Any]]) -> None:
        assert found.step is not None  # or it would be no entry
        ends = "until" if self.own else found.step
        if not all(ends in record for record in records):
            raise ValueError("neither an entry with a step and a rate, nor a resumption")
        if not self.own and self._takes_those_with_rates(found, records):
            return
        steps = _steps([record[found.step] for record in records])
        until = _steps([record[ends] for record in records]) if self.own else steps
        if (until < steps).any():
            raise ValueError("until is before step")
        rates: dict[str, Float64] = {}
        for name, key in found.rates.items():
            values = _floats([record[key] for record in records])
            if values.ndim == 1:
                rates[name] = values
            else:
                for group, column in enumerate(values.T):
                    known = np.array([record[key][group] is not None for record in records])
                    part = {sequence_name(name, group): column}
                    if self.own or known.all():
                        rates |= part
                    else:
                        part = {its: all_of[known] for its, all_of in part.items()}
                        self.parts.append(Block(steps[known], until[known], part))
        if found.group is None:
            self.parts.append(Block(steps, until, rates))
            return
        groups = _steps([record[found.group] for record in records])
        for group in np.unique(groups).tolist():
            its = groups == group
            own = {sequence_name(name, group): values[its] for name, values in rates.items()}
            self.parts.append(Block(steps[its], until[its], own))

    def _takes_those_with_rates(self, found: Layout, records: list[dict[str, Any]]) -> bool:
        """Where a rate is null, take each sequence from the records that have it."""
        keys = found.rates.values()
        if all(record[key] is not None for record in records for key in keys):
            return False
        self.idle += sum(all(record[key] is None for key in keys) for record in records)
        for name, key in found.rates.items():
            if there := [record for record in records if record[key] is not None]:
                self._take_entries(replace(found, rates={name: key}), there)
        return True


def _blocks(source: str, file: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The file by some whole lines at a time, the last perhaps without its end: then with False."""
    rest = b""
    while True:
        new = file.read(BLOCK_BYTES)
        if not new:
            break
        end = new.rfind(b"\n") + 1
        if not end:
            rest += new
            if len(rest) > 4 * BLOCK_BYTES:
                raise TraceUnreadable(f"{source}: a line of more than {len(rest) >> 20} MiB")
            continue
        yield rest + new[:end], True
        rest = new[end:]
    if rest:
        yield rest, False


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(from_json(line), dict)
    except ValueError:
        return False


def _parsed(lines: list[bytes]) -> list[Any] | None:
    """All at once, which is several times as fast; None where one of them is at fault."""
    try:
        records = from_json(b"[" + b",".join(lines) + b"]")
    except ValueError:
        return None
    return records if len(records) == len(lines) else None


def _steps(values: list[Any]) -> Int64:
    return whole(_floats(values), ["null" if value is None else value for value in values])


def _floats(values: list[Any]) -> Float64:
    """Numbers, or lists of equal length, as an array; null is NaN.

    Raises:
        ValueError, TypeError: one of them is something else.
    """
    for value in values:
        items = value if isinstance(value, list) else (value,)
        for item in items:
            if item is not None and (isinstance(item, bool) or not isinstance(item, (int, float))):
                raise ValueError(f"{item!r} is not a number")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError("a number beyond the range of float64") from None


def _regular(block: bytes) -> Block | None:
    """Lines that are all of the shape in which the recorder writes them; None for any other.

    Numbers between texts that are always the same are read by numpy, three times as fast as JSON.
    """
    first = block[: block.index(b"\n")]
    try:
        record = from_json(first)
    except ValueError:
        return None
    if not isinstance(record, dict) or list(record)[:2] != ["step", "until"]:
        return None
    names = list(record)[2:]
    if not names or not all(n in KINDS and isinstance(record[n], list) for n in names):
        return None
    between = [b',"until":', *(b',"%s":[' % name.encode() for name in names)]
    between[2:] = [b"]" + text for text in between[2:]]
    count = block.count(b"\n")
    for text, instead in [(b'{"step":', b""), (b"]}\n", b"\n"), *((t, b",") for t in between)]:
        if block.count(text) != count:
            return None
        block = block.replace(text, instead)
    lengths = [len(record[name]) for name in names]
    try:
        table = np.loadtxt(BytesIO(block), delimiter=",", comments=None, ndmin=2)
        steps, until = whole(table[:, 0]), whole(table[:, 1])
    except ValueError:
        return None
    if table.shape != (count, 2 + sum(lengths)) or (until < steps).any():
        return None
    rates, at = {}, 2
    for name, length in zip(names, lengths, strict=True):
        for group in range(length):
            rates[sequence_name(name, group)] = table[:, at].copy()
            at += 1
    return Block(steps, until, rates)
