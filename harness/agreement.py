"""The implementations held against each other, case by case.

Two implementations that each keep within their budget of the reference model are never further
apart than the sum of both, so this adds no verdict. It says what a migration wants to know: how far
apart the two frameworks really are, and where.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.comparison import Comparison
from harness.judgement import Judgement


@dataclass(frozen=True)
class Agreement:
    """Two trials of one case that are far apart, in relation to what both are allowed.

    `difference` is that of two rates, at `step`; `share` is its part of both allowances together.
    """

    case: str
    sequence: str
    first: str
    second: str
    step: int
    difference: float
    share: float


def agreements(judgements: Iterable[Judgement]) -> Iterator[Agreement]:
    """The widest disagreement of each case and sequence that two trials or more have observed."""
    seen: dict[tuple[str, str], list[tuple[str, Comparison]]] = defaultdict(list)
    for judgement in judgements:
        for comparison in judgement.comparisons:
            if comparison.is_judged:
                key = judgement.trial.case.name, comparison.name
                seen[key].append((judgement.trial.id, comparison))
    for (case, sequence), compared in seen.items():
        if len(compared) > 1:
            yield _widest(case, sequence, compared)


def _widest(case: str, sequence: str, compared: list[tuple[str, Comparison]]) -> Agreement:
    """Of the lowest and the highest trial at each step, the pair with the greatest share."""
    length = min(len(c.observed) for _, c in compared)
    observed = np.array([c.observed[:length] for _, c in compared])
    allowed = np.array([c.allowed[:length] for _, c in compared])
    finite = np.where(np.isfinite(observed), observed, np.nan)
    unknown = np.isnan(finite)
    low = np.argmin(np.where(unknown, np.inf, finite), axis=0)
    high = np.argmax(np.where(unknown, -np.inf, finite), axis=0)
    at = np.arange(length)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.nan_to_num(finite[high, at] - finite[low, at])
        room = allowed[high, at] + allowed[low, at]
        share = np.where(difference == 0, 0.0, difference / room)
    step = int(np.argmax(share))
    return Agreement(
        case,
        sequence,
        compared[int(low[step])][0],
        compared[int(high[step])][0],
        int(compared[0][1].steps[step]),
        float(difference[step]),
        float(share[step]),
    )
