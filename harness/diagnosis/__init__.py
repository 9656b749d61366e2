"""Why a trial diverges: the simplest hypothesis that reproduces every observed value.

A hypothesis is another training than the one that was asked for: late by a step, a length one
longer, coarser arithmetic. The reference model and the budget say what its values would be. It is
a diagnosis where all observed values of the diverging sequences are within that budget, and enough
of them are off what was due to speak for it. Nothing is guessed: where none reproduces them, there
is no diagnosis. docs/report.md has the causes in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence as Items
from dataclasses import replace

from harness.case import ScheduleCase
from harness.comparison import APPLIED, REPORTED, Comparison, Due, group_of
from harness.diagnosis.evidence import Group, Prediction
from harness.diagnosis.hypotheses import Hypothesis, numerical, structural
from harness.diagnosis.model import UNEXPLAINED, Cause, Diagnosis
from harness.plan import Trial

__all__ = ["UNEXPLAINED", "Cause", "Diagnosis", "diagnose"]

MAX_ALSO = 3
"""Other hypotheses that are named beside the simplest."""
MAX_TRIED = 40
"""Hypotheses whose rates and budgets are worked out in full; a glance at a few steps costs less."""


def diagnose(
    trial: Trial, case: ScheduleCase, comparisons: Items[Comparison], dues: dict[int, Due]
) -> Diagnosis | None:
    """The simplest cause that reproduces what diverges, or None where none does.

    Args:
        trial: the trial that diverges.
        case: its case.
        comparisons: every observed sequence, held against what was due.
        dues: what was due of each parameter group.
    """
    if any(len(c.observed) != len(dues[group_of(c.name)].steps) for c in comparisons):
        return None
    groups = [_group(trial, case, n, due, comparisons) for n, due in sorted(dues.items())]
    diverging = [group for group in groups if group.sequences and group.off.any()]
    if not diverging:
        return None
    found = list(_found(structural(diverging, groups), diverging))
    if not found:
        found = list(_found(numerical(diverging), diverging, most=1))
    if not found:
        return None
    first, *others = [_diagnosis(hypothesis, diverging) for hypothesis in found]
    return replace(first, also=tuple(others))


def _group(
    trial: Trial, case: ScheduleCase, number: int, due: Due, comparisons: Iterable[Comparison]
) -> Group:
    """A parameter group, its sequences divided into those of diverging kinds and the others."""
    assert trial.call is not None  # as there was something due
    group = Group(
        number,
        case.family,
        case.courses[number],
        (trial.call, *trial.groups)[number],
        case.training_of(number),
        trial.implementation,
        due,
        (),
        (),
    )
    own = [c for c in comparisons if group_of(c.name) == number]
    return replace(
        group,
        sequences=tuple(c for c in own if _is_off(c)),
        others=tuple(c for c in own if not _is_off(c)),
    )


def _is_off(comparison: Comparison) -> bool:
    """Whether a sequence is off the reference, and not only off a case's own numbers."""
    return comparison.share is not None and not comparison.share.value <= 1


def _found(
    candidates: Iterable[Hypothesis], groups: list[Group], most: int = 1 + MAX_ALSO
) -> Iterable[Hypothesis]:
    """The hypotheses that reproduce every diverging sequence, one of each cause, in their order."""
    causes: set[Cause] = set()
    tried = 0
    for hypothesis in candidates:
        if hypothesis.cause in causes:
            continue
        predictions = [hypothesis.prediction(group) for group in groups]
        tried += sum(prediction is not None for prediction in predictions)
        if _hold(hypothesis, groups, predictions):
            causes.add(hypothesis.cause)
            yield hypothesis
        if len(causes) == most or tried >= MAX_TRIED:
            return


def _hold(
    hypothesis: Hypothesis, groups: list[Group], predictions: list[Prediction | None]
) -> bool:
    for group, prediction in zip(groups, predictions, strict=True):
        speaking = None if prediction is None else group.testimony(prediction)
        if speaking is None or speaking < hypothesis.witnesses:
            return False
    return True


def _diagnosis(hypothesis: Hypothesis, groups: list[Group]) -> Diagnosis:
    """The hypothesis in words, and whether it is about one kind of rate only."""
    names = tuple(sequence.name for group in groups for sequence in group.sequences)
    others = [sequence for group in groups for sequence in group.others]
    if _reproduces_others(hypothesis, groups):
        # What is as due is also as the hypothesis has it: it is just not seen there.
        names = (*names, *(sequence.name for sequence in others))
        others = []
    numbers = {group_of(name) for name in names}
    of = f" of group {', '.join(map(str, sorted(numbers)))}" if numbers != {0} else ""
    reported = all(name.startswith(REPORTED) for name in names)
    if others and all(name.startswith(APPLIED) for name in names):
        inner = Diagnosis(
            hypothesis.cause,
            hypothesis.parameters,
            f"the applied rate{of} {hypothesis.phrase}",
            names,
        )
        return Diagnosis(
            Cause.NOT_APPLIED,
            {"applied": hypothesis.cause.value},
            f"the reported rate is as due and is not applied: {inner.sentence}",
            names,
            applied=inner,
        )
    subject = (
        f"the reported rate{of}, not the applied one,"
        if others and reported
        else (f"the observed sequence{of}")
    )
    sentence = f"{subject} {hypothesis.phrase}"
    return Diagnosis(hypothesis.cause, hypothesis.parameters, sentence, names)


def _reproduces_others(hypothesis: Hypothesis, groups: list[Group]) -> bool:
    for group in groups:
        prediction = hypothesis.prediction(group) if group.others else None
        if prediction is not None and not all(
            group.reproduces(prediction, sequence) for sequence in group.others
        ):
            return False
    return True
