"""What a known divergence has to say of a trial: worked out from the trial, and put into words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness import closeness
from harness.budget import room
from harness.case import CONSTRUCTION, Observed, Rates, ScheduleCase
from harness.comparison import Comparison, steps_reached
from harness.divergence import place
from harness.judgement import Judgement
from harness.observation import Observation
from harness.signature import signature_text
from harness.verdict import Verdict

MANY = 3
"""Equal rates in a row that are written as one range of steps."""


def observed(judgement: Judgement) -> dict[str, Any]:
    """`observed` of a record that covers a trial which is not as due, as a case file has it."""
    observation, case = judgement.observation, judgement.trial.case
    if not isinstance(observation, Observation):
        raise ValueError(f"{judgement.trial.id} gave no answer that could be recorded")
    look: dict[str, Any] = {}
    if judgement.verdict is Verdict.ACCEPTED:
        look["accepted"] = True
    look |= _rates(judgement)
    if observation.raised is not None:
        look["raises"] = observation.raised.type
        first = next(iter(observation.raised.message.splitlines()), "").strip()
        if first:
            look["message"] = _pattern(first)
        if isinstance(case, ScheduleCase):
            at = steps_reached(case, observation)
            look |= {} if at == CONSTRUCTION else {"at": at}
    elif observation.signature is not None:
        look["signature"] = signature_text(observation.signature)
    if judgement.other_faults:
        look["reason"] = "|".join(map(_pattern, judgement.other_faults))
    return look


def _pattern(text: str) -> str:
    """A regular expression for a text, which is found in it even where it is cut."""
    return "".join(f"\\{c}" if c in r"\.^$*+?{}[]|()" else c for c in text[:100])


def _rates(judgement: Judgement) -> dict[str, Any]:
    """The rates that are not as due: of all sequences together, where they agree."""
    off = {
        c.name: dict(zip(c.steps[here].tolist(), c.observed[here].tolist(), strict=True))
        for c in judgement.comparisons
        for here in [c.unlike if c.is_judged else np.ones(len(c.steps), dtype=bool)]
    }
    off = {name: rates for name, rates in off.items() if rates}
    if not off:
        return {}
    first = judgement.comparisons[0]
    lead = dict(zip(first.steps.tolist(), first.observed.tolist(), strict=True))
    steps = sorted({step for rates in off.values() for step in rates})
    if len(off) == len(judgement.comparisons) and all(
        _agrees(c, lead, steps) for c in judgement.comparisons
    ):
        return {"values": _ranges({step: lead[step] for step in steps})}
    return {"sequences": {name: {"values": _ranges(rates)} for name, rates in off.items()}}


def _agrees(comparison: Comparison, lead: Mapping[int, float], steps: list[int]) -> bool:
    """Whether a sequence has the rates of the first, in its own precision, at some steps."""
    own = dict(zip(comparison.steps.tolist(), comparison.observed.tolist(), strict=True))
    if not all(step in own and step in lead for step in steps):
        return False
    mine, its = (np.array([of[step] for step in steps]) for of in (own, lead))
    precision = comparison.precision
    return bool(closeness.alike(mine, its, room(its, precision, precision)).all())


def _ranges(rates: dict[int, float]) -> dict[int | str, float]:
    """The same with one key for equal rates in a row.

    >>> _ranges({0: 0.5, 1: 0.1, 2: 0.1, 3: 0.1, 5: 0.1})
    {0: 0.5, '1-3': 0.1, 5: 0.1}
    """
    rows: list[list[int]] = []
    for step, rate in rates.items():
        last = rows[-1][-1] if rows else None
        same = last is not None and last + 1 == step and _same(rates[last], rate)
        rows[-1].append(step) if same else rows.append([step])
    ranges: dict[int | str, float] = {}
    for row in rows:
        if len(row) >= MANY:
            ranges[f"{row[0]}-{row[-1]}"] = rates[row[0]]
        else:
            ranges.update((step, rates[step]) for step in row)
    return ranges


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def in_words(look: Observed) -> Iterator[str]:
    """What a record says, part by part."""
    yield from _in_words(look)
    for name, rates in look.sequences.items():
        said = list(_in_words(rates)) or ["as due"]
        yield from (f"{name}: {text}" for text in said)
    if look.signature is not None:
        yield look.signature
    if look.raises is not None:
        text = f" ({look.message})" if look.message else ""
        yield f"{look.raises}{text} {place(CONSTRUCTION if look.at is None else look.at)}"
    if look.accepted:
        yield "accepted"
    if look.reason is not None:
        yield look.reason


def _in_words(rates: Rates) -> Iterator[str]:
    for key, rate in (rates.values or {}).items():
        if isinstance(key, int):
            yield f"{rate!r} at step {key}"
        else:
            yield f"{rate!r} at steps {key.replace('-', ' to ')}"
    if rates.schedule is not None:
        terms = ", ".join(f"{name}: {value}" for name, value in rates.schedule.items())
        yield f"the schedule {{{terms}}}"
