"""Each cause, planted in simulated implementations with random parameters, is named."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers.draws import draws
from helpers.planting import PLANTERS, planted

from harness.diagnosis import Cause

TIMES = draws(67)


def test_every_cause_is_planted():
    assert set(PLANTERS) == set(Cause)


@pytest.mark.parametrize("cause", list(Cause), ids=lambda cause: cause.name.lower())
def test_a_planted_cause_is_named_and_hardly_ever_a_wrong_one(cause):
    named, equal = Counter(), 0
    for seed in range(TIMES):
        judgement, others = planted(cause, seed)
        named[judgement.diagnosis.cause if judgement.diagnosis else None] += 1
        equal += others
    right, unknown = named[cause], named[None]
    wrong = TIMES - right - unknown
    print(
        f"\n{cause.value}: {right} of {TIMES} named right, {wrong} wrong, {unknown} without a "
        f"diagnosis; {equal} more were a simpler cause by mathematics"
    )
    assert right >= 0.95 * TIMES
    assert wrong <= 0.01 * TIMES
    assert equal <= TIMES / 2
