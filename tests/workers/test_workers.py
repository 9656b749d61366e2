"""Workers with a fake framework: what crashes, hangs or is missing costs its own trials only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from helpers.command import REAL
from helpers.fake_workers import FAKES, cases, spec

from harness.judge import Judge
from harness.observation import Lost, Observation
from harness.plan import plan
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import EnvironmentSpec, Workers, connection, pool

pytestmark = [pytest.mark.usefixtures("plain_python"), pytest.mark.xdist_group("workers")]


def judged(
    *behaviours: str, adapter: str = "fake", time_limit: float = 30.0, python: str | None = None
):
    with Workers([spec(adapter, python=python)], time_limit) as workers:
        trials = plan(cases(*behaviours), workers.environments())
        done = {j.trial.case.name: j for j in judgements(Judge(), trials, workers)}
        return [done[trial.case.name] for trial in trials], workers


def verdicts(*behaviours: str, **options):
    return [judgement.verdict for judgement in judged(*behaviours, **options)[0]]


FAULTS = {
    "exact": (Verdict.CONFORMS, ""),
    "one step late": (Verdict.DIVERGES, "reported rate at step 1: expected 0.25, observed 0.5"),
    "wrong once": (Verdict.DIVERGES, "step 2: expected 0.125, observed 0.125000000125"),
    "not a number": (Verdict.DIVERGES, "step 1: expected 0.25, observed nan"),
    "too short": (Verdict.DIVERGES, "step 3: missing, 0.0625 was due"),
    "not applied": (Verdict.DIVERGES, "applied rate at step 1: expected 0.25, observed 0.5"),
    "half precision": (Verdict.DIVERGES, "the reported rate is float16, not float64"),
    "whole numbers": (Verdict.DIVERGES, "the reported rate is int64, not float64"),
    "words": (Verdict.REFUSED, "could not convert string to float"),
    "unspeakable": (Verdict.REFUSED, "ValueError: half a pair: ?"),
    "raises": (Verdict.REFUSED, "ValueError: no such decay <b>here</b>"),
    "killed": (Verdict.CRASHED, "the process died of signal 9 (SIGKILL)"),
    "exits": (Verdict.CRASHED, "the process died with exit status 7"),
    "leaves": (Verdict.CRASHED, "SystemExit"),
    "hangs": (Verdict.TIMED_OUT, "no answer within 1 s"),
}
"""What a fake may do, its verdict, and what is told of it."""


@pytest.fixture(scope="module")
def each_fault(plain_interpreter):
    """The judgements on a trial of each behaviour, all of one run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(plain_interpreter))
        done, _ = judged(*FAULTS, time_limit=1.0)
    return dict(zip(FAULTS, done, strict=True))


@pytest.mark.parametrize("behaviour", FAULTS)
def test_each_fault_of_a_fake_gets_its_verdict(behaviour, each_fault):
    verdict, telling = FAULTS[behaviour]
    assert each_fault[behaviour].verdict is verdict
    assert telling in " ".join(each_fault[behaviour].reasons)


def test_a_crash_costs_its_own_trial_and_no_other():
    conforms = Verdict.CONFORMS
    behaviours = "exact", "killed", "exact", "exits", "exact", "exact", "exact"
    assert verdicts(*behaviours, python=REAL) == [
        conforms,
        Verdict.CRASHED,
        conforms,
        Verdict.CRASHED,
        conforms,
        conforms,
        conforms,
    ]


def test_a_hang_costs_its_own_trial_and_no_other():
    assert verdicts("exact", "hangs", "exact", "exact", time_limit=1.0) == [
        Verdict.CONFORMS,
        Verdict.TIMED_OUT,
        Verdict.CONFORMS,
        Verdict.CONFORMS,
    ]


def test_time_spent_in_the_queue_does_not_count_against_a_trial():
    assert verdicts(*["slow"] * 4, time_limit=1.1) == [Verdict.CONFORMS] * 4


def test_the_last_words_of_a_crashed_trial_are_kept():
    (_, judgement), _ = judged("chatty", "killed")
    assert isinstance(judgement.observation, Lost)
    assert judgement.observation.printed == "last words\n"


def test_output_and_warnings_are_captured_with_their_trial_and_not_on_the_terminal(capfd):
    with Workers([spec()]) as workers:
        trials = plan(cases("exact", "chatty", "exact"), workers.environments())
        observations = {t.case.name: o for t, o in workers.run(trials)}
    quiet, chatty = observations["0: exact"], observations["1: chatty"]
    assert isinstance(chatty, Observation)
    assert isinstance(quiet, Observation)
    assert set(chatty.printed.splitlines()) == {
        "said by Python",
        "said by a child",
        "said to stderr",
    }
    assert chatty.warnings == ("DeprecationWarning: mind the step",)
    assert (quiet.printed, quiet.warnings) == ("", ())
    assert capfd.readouterr() == ("", "")


def test_of_a_flood_of_output_the_end_is_kept():
    (judgement,), _ = judged("floods")
    assert judgement.verdict is Verdict.CONFORMS
    assert judgement.observation.printed.endswith("x\nthe end\n")
    assert len(judgement.observation.printed) == 20_000


def test_a_worker_killed_from_outside_costs_one_trial_at_most():
    with Workers([spec()]) as workers:
        trials = plan(cases("exact", "slow", "slow", "exact"), workers.environments())
        seen = {}
        for number, (trial, observation) in enumerate(workers.run(trials)):
            assert trial.id not in seen
            seen[trial.id] = observation
            if number == 0:
                (worker,) = workers._workers.values()
                os.kill(worker.pid, signal.SIGKILL)
    assert set(seen) == {trial.id for trial in trials}
    assert sum(isinstance(observation, Lost) for observation in seen.values()) == 1


def test_many_trials_are_shared_out_over_several_processes_each_judged_once():
    fake = spec(processes=2)
    behaviours = ["exact"] * 120 + ["killed"] + ["exact"] * 120
    with Workers([fake]) as workers:
        trials = plan(cases(*behaviours), workers.environments())
        done = list(judgements(Judge(), trials, workers))
        assert workers.processes == {"torch": 2}
    assert sorted(j.trial.id for j in done) == sorted(trial.id for trial in trials)
    lost = [j.trial.case.name for j in done if j.verdict is Verdict.CRASHED]
    assert lost == ["120: killed"]
    assert sum(j.verdict is Verdict.CONFORMS for j in done) == 240
    assert workers.incidents == []


def test_a_few_trials_are_not_worth_another_process():
    fake = spec(processes=4)
    with Workers([fake]) as workers:
        trials = plan(cases(*["exact"] * 20), workers.environments())
        assert len(list(workers.run(trials))) == 20
        assert workers.processes == {"torch": 1}


def test_a_framework_that_is_not_there_makes_its_trials_unavailable():
    (judgement,), _ = judged("exact", adapter="missing")
    assert judgement.verdict is Verdict.UNAVAILABLE
    assert "a_framework_that_is_not_there" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("adapter", "telling"),
    [("dying", "exit status 11"), ("broken", "the driver is too old")],
)
def test_a_framework_that_cannot_start_makes_its_trials_crashed(adapter, telling):
    (judgement,), _ = judged("exact", adapter=adapter)
    assert judgement.verdict is Verdict.CRASHED
    assert telling in judgement.reasons[0]


def test_a_death_at_the_start_is_made_good_and_not_forgotten(tmp_path):
    once = tmp_path / "once_adapter.py"
    flag = tmp_path / "flag"
    once.write_text(
        f"import os\nif not os.path.exists({str(flag)!r}):\n"
        f"    open({str(flag)!r}, 'w').close()\n    os.abort()\n"
        + (FAKES / "fake_adapter.py").read_text()
    )
    with Workers([EnvironmentSpec("torch", "torch", adapter=once)]) as workers:
        trials = plan(cases("exact"), workers.environments())
        (judgement,) = judgements(Judge(), trials, workers)
    assert judgement.verdict is Verdict.CONFORMS
    assert workers.incidents == ["torch: while starting, the process died of signal 6 (SIGABRT)"]


def test_a_thread_that_has_to_wait_before_it_goes_on_costs_no_worker(monkeypatch):
    """As on a busy machine: what execnet has started reads before its caller goes on."""

    def bootstrap(*arguments):
        gateway = connection_bootstrap(*arguments)
        time.sleep(0.1)
        return gateway

    connection_bootstrap = connection.bootstrap
    monkeypatch.setattr(connection, "bootstrap", bootstrap)
    (judgement,), workers = judged("exact")
    assert (judgement.verdict, workers.incidents) == (Verdict.CONFORMS, [])


def test_one_bad_environment_leaves_the_other_alone():
    with Workers([spec("dying", "bad"), spec("fake", "good")]) as workers:
        trials = plan(cases("exact", "exact"), workers.environments())
        done = list(judgements(Judge(), trials, workers))
    by_environment = {(j.trial.target.environment, j.verdict) for j in done}
    assert by_environment == {("bad", Verdict.CRASHED), ("good", Verdict.CONFORMS)}
    assert len(done) == 4


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tempfile.tempdir = None
    try:
        _, workers = judged("exact", "killed", "hangs", "exact", time_limit=1.0, python=REAL)
    finally:
        tempfile.tempdir = None
    assert list(tmp_path.iterdir()) == []
    for worker in workers._workers.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, 0)
            raise AssertionError(f"process {worker.pid} is still there")


def test_what_is_expected_never_travels_to_a_worker():
    from harness.workers.messages import request

    with Workers([spec()]) as workers:
        (trial,) = plan(cases("exact"), workers.environments())
    assert "0.0625" not in repr(request(trial))


@pytest.mark.parametrize("at_once", [1, 2])
def test_environments_beyond_the_cores_wait_for_their_turn(monkeypatch, at_once):
    monkeypatch.setattr(pool, "AT_ONCE", at_once)
    specs = [spec(name=name) for name in ("a", "b", "c")]
    with Workers(specs) as workers:
        trials = plan(cases("exact", "killed", "exact"), workers.environments())
        seen = [trial.target.environment for trial, _ in workers.run(trials)]
    assert sorted(seen) == sorted(trial.target.environment for trial in trials)
    begun = {name: seen.index(name) for name in "abc"}
    ended = {name: len(seen) - 1 - seen[::-1].index(name) for name in "abc"}
    # The one whose turn it is not yet begins when another has ended.
    assert begun["c"] > min(ended["a"], ended["b"])
    if at_once == 1:
        assert begun["b"] > ended["a"] and begun["c"] > ended["b"]


def test_workers_can_be_started_before_the_rest_of_the_harness_is_imported():
    code = (
        "import sys, harness.workers\n"
        "print([m for m in ('harness.case', 'harness.plan', 'numpy', 'pydantic', 'yaml') "
        "if m in sys.modules])"
    )
    done = subprocess.run([REAL, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
