"""What a comparison of two runs is worth: whether it covers all that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from harness.comparison import group_of
from harness.listing import counted
from harness.traces.comparing import Compared, Comparison, PairVerdict
from harness.traces.trace import Trace

Counts: TypeAlias = Mapping[str, int]
"""How many rates of each sequence were observed."""

TELLING = 0.1
"""Of the greatest rate: two sequences that may differ by more cannot be said to agree."""


def judged(
    comparison: Comparison,
    traces: tuple[Trace, Trace],
    observed: tuple[Counts, Counts],
    updates: int,
    derived: bool = True,
) -> Comparison:
    """The comparison with what it covers; two agree only where each of `updates` was compared.

    A rate that is NaN differs from a number, and two of them do not agree. Where the error is
    allowed that is `derived` from the precisions of both, it has to be small enough to tell.
    """
    one, other = observed
    lengths = [min(one[s.name], other[s.name]) for s in comparison.sequences]
    sequences = tuple(map(_with_nan, comparison.sequences, lengths))
    unknown = [note for each in map(_unknown, sequences, lengths) for note in each]
    vague = [note for sequence in sequences if derived for note in _vague(sequence)]
    comparison = replace(comparison, sequences=sequences)
    verdict = comparison.verdict
    if any(sequence.diverging for sequence in sequences):
        verdict = PairVerdict.DIFFER
    elif verdict is PairVerdict.AGREE and (vague or not _is_complete(comparison, traces, updates)):
        verdict = PairVerdict.INCOMPLETE
    notes = (*comparison.notes, *unknown, *vague, _coverage(comparison, updates))
    return replace(comparison, verdict=verdict, notes=notes)


def _is_complete(comparison: Comparison, traces: tuple[Trace, Trace], updates: int) -> bool:
    return (
        not comparison.missing
        and all(len(trace.steps) == updates for trace in traces)
        and all(sequence.compared == updates for sequence in comparison.sequences)
    )


def _with_nan(sequence: Compared, observed: int) -> Compared:
    """The sequence with each observed NaN that the other has a number for as a difference."""
    one, other = np.isnan(sequence.one[:observed]), np.isnan(sequence.other[:observed])
    wrong = one != other
    if not wrong.any():
        return sequence
    first = int(sequence.steps[np.argmax(wrong)])
    return replace(
        sequence,
        compared=sequence.compared + int(wrong.sum()),
        diverging=sequence.diverging + int(wrong.sum()),
        first=first if sequence.first is None else min(first, sequence.first),
    )


def _unknown(sequence: Compared, observed: int) -> Iterator[str]:
    """Where both have an observed NaN, in a sentence."""
    both = np.isnan(sequence.one[:observed]) & np.isnan(sequence.other[:observed])
    if both.any():
        first = int(sequence.steps[np.argmax(both)])
        yield (
            f"{sequence.name}: NaN in both at {counted(int(both.sum()), 'update')}, "
            f"from update {first:,} on"
        )


def _vague(sequence: Compared) -> Iterator[str]:
    """From where on so much is allowed that the sequences cannot be told apart."""
    sizes = np.fmax(np.abs(sequence.one), np.abs(sequence.other))
    much = sequence.allowed > TELLING * np.max(sizes, initial=0.0, where=np.isfinite(sizes))
    if sequence.compared and much.any() and sizes.any():
        step = int(sequence.steps[np.argmax(much)])
        yield (
            f"{sequence.name}: in {sequence.precision} rounding may add up to more than "
            f"{TELLING:.0%} of the greatest rate from update {step:,} on, too much to say that the "
            "two agree; say with --rtol what is to pass"
        )


def _coverage(comparison: Comparison, updates: int) -> str:
    """`compared: reported and applied rates of group 0, all 200 updates`."""
    compared = [sequence for sequence in comparison.sequences if sequence.compared]
    total = f"{updates:,} update{'' if updates == 1 else 's'}"
    if not compared:
        return f"compared: nothing of {total}"
    kinds = list(dict.fromkeys(sequence.name.split()[0] for sequence in compared))
    groups = sorted({group_of(sequence.name) for sequence in compared})
    few = min(sequence.compared for sequence in compared)
    much = "all" if few == updates else f"{few:,} of"
    of_groups = "" if groups == [0] else f" of {counted(len(groups), 'group')}"
    return f"compared: {' and '.join(kinds)} rates{of_groups} at {much} {total}"
