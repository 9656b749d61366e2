"""What was read of a trace, in the order of the file, and the trace that it makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.catalogue import Precision
from harness.comparison import APPLIED, REPORTED
from harness.errors import TraceUnreadable
from harness.listing import counted
from harness.reference.arithmetic import Float64, Int64
from harness.traces.trace import Header, Trace

MAX_STEPS = 50_000_000
"""More are refused: they would not fit into the memory of a usual machine."""


@dataclass(frozen=True)
class Block:
    """Entries that have the same sequences: each holds from its step to its `until`.

    All arrays have the shape `(n,)`; the steps are at least 0, and not beyond `until`.
    """

    steps: Int64
    until: Int64
    rates: dict[str, Float64]


@dataclass(frozen=True)
class Resumption:
    """From here on the run goes on at `step`; what was recorded from there on counts no more."""

    step: int


def sequence_name(kind: str, group: int) -> str:
    """`reported` of group 0, `reported 1` of group 1."""
    return f"{kind} {group}" if group else kind


def made(
    header: Header,
    precision: dict[str, Precision],
    parts: list[Block | Resumption],
    problems: list[str],
) -> Trace:
    """The trace: in order, each step once, with NaN where a sequence has no rate.

    Args:
        header: where it comes from.
        precision: of the reported and of the applied rates; float64 where nothing is said.
        parts: in the order of the file.
        problems: what was found to be wrong so far.

    Raises:
        TraceUnreadable: there is no rate in it, or there are too many.
    """
    problems = list(problems)
    blocks, replaced = _without_replaced(parts)
    if replaced:
        problems.append(
            f"{counted(replaced, 'step')} were recorded again after a resumption: the later count"
        )
    # As floats: the steps of a few thousand lines may be more than an int64 holds.
    length = int(sum((block.until - block.steps + 1.0).sum() for block in blocks))
    if not length:
        raise TraceUnreadable(f"{header.source}: there is no rate in it")
    if length > MAX_STEPS:
        raise TraceUnreadable(
            f"{header.source}: {length:,} steps; more than {MAX_STEPS:,} are not compared"
        )
    names = sorted({name for block in blocks for name in block.rates}, key=_order)
    courses = {name: _course(name, blocks, problems) for name in names}
    steps = next(iter(courses.values()))[0]
    for others, _ in courses.values():
        if not np.array_equal(steps, others):
            steps = np.union1d(steps, others)
    sequences = {name: _spread(steps, *course) for name, course in courses.items()}
    for name, (_, rates) in courses.items():
        for what, odd in (("not a number", np.isnan(rates)), ("infinite", np.isinf(rates))):
            if odd.any():
                verb = "is" if odd.sum() == 1 else "are"
                ends = "; no rate is known there" if what == "not a number" else ""
                problems.append(f"{name}: {counted(int(odd.sum()), 'rate')} {verb} {what}{ends}")
    return Trace(
        header,
        steps,
        sequences,
        {name: precision.get(name.split()[0], Precision.FLOAT64) for name in names},
        tuple(problems),
        tuple(sorted({part.step for part in parts if isinstance(part, Resumption)})),
    )


def _without_replaced(parts: list[Block | Resumption]) -> tuple[list[Block], int]:
    """The blocks without what a later resumption goes back behind, and how many steps that is."""
    kept: list[Block] = []
    limit, replaced = None, 0
    for part in reversed(parts):
        if isinstance(part, Resumption):
            limit = part.step if limit is None else min(limit, part.step)
            continue
        block = part
        if limit is not None:
            there = block.steps < limit
            until = np.minimum(block.until, limit - 1)
            replaced += int((block.until - np.maximum(until, block.steps - 1)).sum())
            block = Block(
                block.steps[there],
                until[there],
                {name: rates[there] for name, rates in block.rates.items()},
            )
        kept.append(block)
    return kept[::-1], replaced


def _course(name: str, blocks: list[Block], problems: list[str]) -> tuple[Int64, Float64]:
    """A sequence's steps in order, and its rates."""
    own = [block for block in blocks if name in block.rates]
    begin = np.concatenate([block.steps for block in own])
    lengths = np.concatenate([block.until for block in own]) - begin + 1
    rates = np.concatenate([block.rates[name] for block in own])
    if (lengths == 1).all():
        steps = begin
    else:
        starts = np.cumsum(lengths) - lengths
        steps = np.arange(int(lengths.sum())) + np.repeat(begin - starts, lengths)
        rates = np.repeat(rates, lengths)
    if (np.diff(steps) > 0).all():
        return steps, rates
    if (np.diff(steps) < 0).any():
        problems.append(f"{name}: its steps are not in order; they were sorted")
    order = np.argsort(steps, kind="stable")
    steps, rates = steps[order], rates[order]
    last = np.append(np.diff(steps) > 0, True)
    if not last.all():
        again = np.flatnonzero(~last)
        one, other = rates[again], rates[again + 1]
        other_rates = ~((one == other) | (np.isnan(one) & np.isnan(other)))
        differ = (
            f", and {other_rates.sum():,} of them with another rate" if other_rates.any() else ""
        )
        problems.append(
            f"{name}: {counted(len(again), 'rate')} of a step that comes again"
            f"{differ}; the last of each step counts"
        )
    return steps[last], rates[last]


def _spread(steps: Int64, known: Int64, rates: Float64) -> Float64:
    if len(known) == len(steps):
        return rates
    spread = np.full(len(steps), np.nan)
    spread[np.searchsorted(steps, known)] = rates
    return spread


def _order(name: str) -> tuple[int, bool, str]:
    kind, _, number = name.partition(" ")
    return int(number or 0), kind != REPORTED, "" if kind == APPLIED else kind
