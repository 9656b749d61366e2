"""Every known divergence, changed a little: no change may pass the run.

Each trial that a record covers is observed once on the real frameworks. Then one thing at a time
is changed in what was observed, and the trial is judged anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from helpers.suite import suite

from harness.case import ScheduleCase
from harness.judge import Judge
from harness.judgement import Judgement
from harness.observation import Observation, Raised
from harness.plan import Trial, plan
from harness.suite import in_turn
from harness.verdict import Verdict
from harness.workers import Workers, default_environments

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

Changed = Iterator[tuple[str, Observation]]


def with_values(observation: Observation, name: str, values: np.ndarray) -> Observation:
    sequence = replace(observation.sequences[name], values=values)
    return replace(observation, sequences={**observation.sequences, name: sequence})


def values_changed(observation: Observation) -> Changed:
    """Each value: a half more and a hundredth, none at all, and another sign."""
    before = "a value before an exception" if observation.raised else "a value"
    for name, sequence in observation.sequences.items():
        for at, value in enumerate(sequence.values):
            for other in (value * 1.5 + 0.01, np.nan, np.inf, -value - 1e-3):
                if other != value and not (np.isnan(other) and np.isnan(value)):
                    values = sequence.values.copy()
                    values[at] = other
                    kind = before if np.isfinite(other) else f"{before} that is no number"
                    yield kind, with_values(observation, name, values)


def lengths_changed(observation: Observation) -> Changed:
    """Every sequence a step shorter, and for an exception also a step longer."""
    kind = "the step of an exception" if observation.raised else "the length"
    sequences = observation.sequences
    if any(len(sequence.values) for sequence in sequences.values()):
        shorter = {n: replace(s, values=s.values[:-1]) for n, s in sequences.items()}
        yield kind, replace(observation, sequences=shorter)
    if not observation.raised:
        for name in sequences:
            left = {n: s for n, s in sequences.items() if n != name}
            yield "a missing sequence", replace(observation, sequences=left)
    if observation.raised and sequences:
        last = {n: s.values[-1:] if len(s.values) else [0.1] for n, s in sequences.items()}
        longer = {n: replace(s, values=np.append(s.values, last[n])) for n, s in sequences.items()}
        yield kind, replace(observation, sequences=longer)
        yield "an exception at construction", replace(observation, sequences={})


def exceptions_changed(observation: Observation) -> Changed:
    if observation.raised:
        other = Raised("OSError", ("Exception",), "No space left on device")
        yield "another exception", replace(observation, raised=other)
        yield "no exception", replace(observation, raised=None)
    else:
        added = Raised("ValueError", ("Exception",), "no more")
        yield "an exception beside the values", replace(observation, raised=added)


def one_sequence_right(observation: Observation, trial: Trial) -> Changed:
    """One of two sequences as the reference model says."""
    case = trial.case
    if len(observation.sequences) < 2 or case.expected.raises or case.expected.accepted:
        return
    for name, sequence in observation.sequences.items():
        group = int(name.partition(" ")[2] or 0)
        due = case.reference_of(group)[: len(sequence.values)]
        due = np.where(
            np.isnan(case.expected_of(group)[: len(due)]), due, case.expected_of(group)[: len(due)]
        )
        if not np.allclose(due, sequence.values, rtol=1e-6, atol=1e-12, equal_nan=True):
            yield "one of two sequences", with_values(observation, name, due)


def rounded_otherwise(judgement: Judgement) -> Iterator[Observation]:
    """The same on another machine: every value that arithmetic has made, as far as it may move.

    That is a unit in the last place where a record has the value, and the budget where the
    reference model has; a rate that nothing is computed for has none, on any machine.
    """
    observation = judgement.observation
    for towards in (np.inf, -np.inf):
        sequences = dict(observation.sequences)
        for c in judgement.comparisons:
            dtype = np.dtype(c.precision)
            finite = np.where(np.isfinite(c.observed), c.observed, 0.0)
            next_to = np.nextafter(finite.astype(dtype), dtype.type(towards))
            step = np.abs(next_to.astype(np.float64) - finite)
            room = np.where(c.is_judged & ~c.unlike, c.allowed, np.inf)
            error = np.abs((finite - c.reference) - c.remainder) if c.is_judged else 0.0
            computed = np.isfinite(c.observed) & (c.observed != 0)
            moves = np.where(computed & (error + step <= room), step, 0.0)
            values = c.observed + np.copysign(moves, towards)
            sequences[c.name] = replace(sequences[c.name], values=values)
        yield replace(observation, sequences=sequences)


@pytest.fixture(scope="module")
def recorded() -> tuple[Judge, list[tuple[Trial, Observation]]]:
    """A judge with the suite's records, and what the trials that they cover give."""
    loaded = suite()
    with Workers(default_environments()) as workers:
        environments = workers.environments()
        judge = Judge(
            loaded.known_divergences, {e.name: e.version for e in environments}, explains=False
        )
        named = {name for record in loaded.known_divergences for name in record.cases}
        trials = [
            trial
            for trial in plan(loaded.cases, environments)
            if trial.skip is None and trial.case.name in named
        ]
        seen = list(workers.run(in_turn(trials)))
    known = [
        (trial, observation)
        for trial, observation in seen
        if judge.judge(trial, observation).verdict is Verdict.KNOWN_DIVERGENCE
    ]
    return judge, known


def test_no_change_of_a_known_divergence_passes(recorded, capsys):
    judge, known = recorded
    assert len(known) > 300
    tried: Counter[str] = Counter()
    passed = []
    for trial, observation in known:
        if not isinstance(trial.case, ScheduleCase):
            continue
        changes = [
            *values_changed(observation),
            *lengths_changed(observation),
            *exceptions_changed(observation),
            *one_sequence_right(observation, trial),
        ]
        for kind, changed in changes:
            tried[kind] += 1
            if not judge.judge(trial, changed).verdict.fails:
                passed.append((kind, trial.id, changed))
    with capsys.disabled():
        unseen = Counter(kind for kind, *_ in passed)
        print(f"\n{len(known)} known divergences")
        for kind, number in sorted(tried.items()):
            print(f"{number:6} changes of {kind}, {unseen[kind]} unseen")
    assert not passed, [
        (kind, name, str(changed.sequences)[:300]) for kind, name, changed in passed[:5]
    ]


def test_rounding_of_another_machine_passes(recorded):
    judge, known = recorded
    off = [
        (trial.id, judge.judge(trial, changed).reasons)
        for trial, observation in known
        if isinstance(trial.case, ScheduleCase)
        for changed in rounded_otherwise(judge.judge(trial, observation))
        if judge.judge(trial, changed).verdict.fails
    ]
    assert not off, (len(off), off[:5])
