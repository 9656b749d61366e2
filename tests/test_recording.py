"""What a record has to say of a trial: worked out, it covers the trial, and nothing like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from helpers.making import (
    CELL,
    HALVES,
    judged,
    raised,
    record,
    schedule_case,
    seen,
    signature,
    surface_case,
    trial,
)

from harness.case import Observed
from harness.observation import Lost, Raised
from harness.recording import in_words, observed
from harness.verdict import Verdict

STILL = [0.5] * 4
ENOUGH = Raised("ValueError", ("Exception",), "enough (of [it])\nand more")


def still(**expected):
    made = trial(schedule_case(**({"expected": expected} if expected else {})))
    return made, seen(made, STILL)


def half_right():
    made = trial(schedule_case())
    return made, seen(made, HALVES, STILL)


def apart():
    made = trial(schedule_case())
    return made, seen(made, STILL, [0.5, 0.4, 0.4, 0.4])


def in_float32():
    made = trial(schedule_case(), CELL)
    return made, seen(made, [0.5, 0.1, 0.1, np.float32(0.1)])


def ended(rates, **expected):
    made, _ = still(**expected)
    return made, replace(seen(made, rates), raised=ENOUGH)


def at_once():
    return trial(schedule_case()), raised("TypeError", "no such thing")


def no_number():
    made = trial(schedule_case())
    return made, seen(made, [0.5, np.nan, np.nan, np.inf])


def silent():
    return still(values=HALVES, warns="soon gone")


def no_rate():
    made = trial(schedule_case())
    return made, replace(seen(made, [0.5, 0.3]), misshapen="get_last_lr() gave [1, 2]")


def another_signature():
    return trial(surface_case({"has": {"verbose": {}}})), signature("optimizer", "gamma")


TRIALS = {
    "all the same": still,
    "one sequence": half_right,
    "each another way": apart,
    "float32": in_float32,
    "an exception at once": at_once,
    "an exception later": lambda: ended(HALVES[:2]),
    "wrong rates and an exception": lambda: ended(STILL[:3]),
    "another exception than the one due": lambda: ended(STILL[:3], raises="KeyError", at=3),
    "none where one was due": lambda: still(raises="ValueError"),
    "one where any rate would do": lambda: ended(STILL[:2], accepted=True),
    "no numbers": no_number,
    "no warning": silent,
    "no rate": no_rate,
    "another signature": another_signature,
}


@pytest.mark.parametrize("kind", TRIALS)
def test_what_is_worked_out_covers_the_trial(kind):
    made, observation = TRIALS[kind]()
    judgement = judged(made, observation)
    assert judgement.verdict.fails
    look = yaml.safe_load(yaml.safe_dump(observed(judgement)))
    one = record(cases=[made.case.name], implementations=[made.implementation.api], observed=look)
    again = judged(made, observation, one)
    assert again.verdict is Verdict.KNOWN_DIVERGENCE, (look, again.reasons)
    for name, sequence in observation.sequences.items():
        for at in range(len(sequence.values)):
            values = sequence.values.copy()
            values[at] = values[at] * 1.5 + 0.01 if np.isfinite(values[at]) else 0.25
            moved = {**observation.sequences, name: replace(sequence, values=values)}
            other = judged(made, replace(observation, sequences=moved), one)
            assert other.verdict.fails, (look, name, at)


def test_it_is_short():
    assert observed(judged(*still())) == {"values": {"1-3": 0.5}}
    assert observed(judged(*half_right())) == {"sequences": {"applied": {"values": {"1-3": 0.5}}}}
    assert observed(judged(*ended(HALVES[:2]))) == {
        "raises": "ValueError",
        "message": r"enough \(of \[it\]\)",
        "at": 2,
    }
    assert observed(judged(*still(raises="ValueError"))) == {
        "accepted": True,
        "values": {"0-3": 0.5},
    }


def test_a_record_in_words():
    look = {
        "values": {0: 0.5, "1-3": 0.25},
        "sequences": {"applied": {}, "applied 1": {"values": {2: 0.1}}},
        "raises": "ValueError",
        "message": "enough",
        "at": 4,
    }
    assert list(in_words(Observed.model_validate(look))) == [
        "0.5 at step 0",
        "0.25 at steps 1 to 3",
        "applied: as due",
        "applied 1: 0.1 at step 2",
        "ValueError (enough) before the rate of step 4",
    ]
    constant = {"family": "constant", "base_lr": 0.5, "factor": 1.0, "total_iters": 1}
    followed = Observed.model_validate({"schedule": constant})
    assert list(in_words(followed)) == [
        "the schedule {family: constant, base_lr: 0.5, factor: 1.0, total_iters: 1}"
    ]


def test_an_answer_that_was_lost_has_nothing_to_record():
    judgement = judged(trial(schedule_case()), Lost(False, "died"))
    with pytest.raises(ValueError, match="no answer that could be recorded"):
        observed(judgement)
