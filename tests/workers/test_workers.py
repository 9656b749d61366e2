"""Workers with a fake framework: what crashes, hangs or is missing costs its own trials only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque

import pytest
from helpers.command import REAL
from helpers.fake_workers import FAKES, cases, spec

from harness.judge import Judge
from harness.observation import Lost, Observation
from harness.plan import plan
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import EnvironmentSpec, Workers, connection, pool
from harness.workers.process import Worker

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
    assert "ModuleNotFoundError: import of torch halted" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("adapter", "telling"),
    [("dying", "exit status 11"), ("broken", "the driver is too old")],
)
def test_a_framework_that_cannot_start_makes_its_trials_crashed(adapter, telling):
    (judgement,), _ = judged("exact", adapter=adapter)
    assert judgement.verdict is Verdict.CRASHED
    assert telling in judgement.reasons[0]


# What is imported is a module `torch` that lies in the worker's folder.
BROKEN = {
    "a shared object": (
        {"torch.py": "raise ImportError('libcudart.so.12: cannot open shared object file')"},
        "ImportError: libcudart.so.12: cannot open shared object file",
    ),
    "a circle": (
        {"torch.py": "import torch_part", "torch_part.py": "from torch import late"},
        "ImportError: cannot import name 'late' from partially initialized module 'torch'",
    ),
    "a dependency": (
        {"torch.py": "import a_dependency_that_is_not_there"},
        "ModuleNotFoundError: No module named 'a_dependency_that_is_not_there'",
    ),
    "a dependency called alike": (
        {"torch.py": "import torch_c"},
        "ModuleNotFoundError: No module named 'torch_c'",
    ),
    "a part": (
        {"torch.py": "import torch.optim"},
        "ModuleNotFoundError: No module named 'torch.optim'; 'torch' is not a package",
    ),
    "numpy": (
        {"torch.py": "import sys; sys.modules['numpy'] = None; import numpy"},
        "ModuleNotFoundError: import of numpy halted",
    ),
    "a message": (
        {"torch.py": 'raise ImportError("No module named \'torch\'", name="torch")'},
        "ImportError: No module named 'torch'",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_framework_whose_installation_is_broken_has_crashed(what, tmp_path):
    files, telling = BROKEN[what]
    adapter = tmp_path / "broken_torch_adapter.py"
    adapter.write_text("import torch\n" + (FAKES / "fake_adapter.py").read_text())
    with Workers([EnvironmentSpec("torch", "torch", adapter=adapter, beside=files)]) as workers:
        (environment,) = workers.environments()
        (trial,) = plan(cases("exact"), [environment])
    assert environment.crashed
    assert telling in environment.failure
    assert trial.skip.verdict is Verdict.CRASHED
    (incident,) = workers.incidents
    assert telling in incident


def test_a_bare_python_has_no_framework_whatever_its_adapter_imports_first(tmp_path):
    adapter = tmp_path / "bare_adapter.py"
    adapter.write_text(
        "import sys\nsys.modules['numpy'] = sys.modules['torch'] = None\nimport numpy\n"
    )
    with Workers([EnvironmentSpec("torch", "torch", adapter=adapter)]) as workers:
        (environment,) = workers.environments()
    assert environment.failure and not environment.crashed
    assert workers.incidents == []


FORKS = (
    "and both return",
    "twice",
    "and the child raises",
    "and the child leaves",
    "and the child is interrupted",
    "and the child answers",
    "and the child lives on",
    "by multiprocessing",
    "in a thread",
    "in C",
)


def test_a_process_that_a_trial_forks_answers_for_no_trial():
    behaviours = [f"forks {how}" for how in FORKS]
    mixed = [each for behaviour in behaviours for each in (behaviour, "exact")]
    done, workers = judged(*mixed, "one step late", "chatty", time_limit=10.0, python=REAL)
    verdicts = [judgement.verdict for judgement in done]
    assert verdicts == [*[Verdict.CONFORMS] * len(mixed), Verdict.DIVERGES, Verdict.CONFORMS]
    assert "said by Python" in done[-1].observation.printed
    assert workers.incidents == []


def test_a_child_that_takes_the_place_of_its_parent_is_not_heard():
    behaviours = "exact", "forks and the parent ends", "exact"
    done, _ = judged(*behaviours, time_limit=10.0)
    verdicts = [judgement.verdict for judgement in done]
    assert verdicts == [Verdict.CONFORMS, Verdict.CRASHED, Verdict.CONFORMS]
    assert "exit status 5" in done[1].reasons[0]


def test_a_process_that_is_left_over_keeps_no_dead_worker_alive():
    began = time.monotonic()
    behaviours = "forks and the child lives on", "exits", "exact"
    done, _ = judged(*behaviours, time_limit=15.0)
    verdicts = [judgement.verdict for judgement in done]
    assert verdicts == [Verdict.CONFORMS, Verdict.CRASHED, Verdict.CONFORMS]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("place", ["import", "describe"])
def test_a_framework_that_forks_at_its_start_is_greeted_once(place, tmp_path):
    adapter = tmp_path / "forking_adapter.py"
    text = (FAKES / "fake_adapter.py").read_text()
    if place == "import":
        text += "\nif os.fork() == 0:\n    raise RuntimeError('in the child')\n"
    else:
        text = text.replace("def describe():\n", "def describe():\n    os.fork()\n")
    adapter.write_text(text)
    with Workers([EnvironmentSpec("torch", "torch", adapter=adapter)]) as workers:
        trials = plan(cases("exact", "exact"), workers.environments())
        verdicts = [j.verdict for j in judgements(Judge(), trials, workers)]
    assert verdicts == [Verdict.CONFORMS] * 2
    assert workers.incidents == []


@pytest.mark.parametrize("forged", ["2 the next one", "", "1 0: exact", "3"])
def test_an_answer_for_another_trial_costs_the_trial_and_fails_the_run(forged):
    behaviours = "exact", f"answers {forged}".strip(), "exact", "exact"
    done, workers = judged(*behaviours)
    conforms = Verdict.CONFORMS
    verdicts = [judgement.verdict for judgement in done]
    assert verdicts == [conforms, Verdict.CRASHED, conforms, conforms]
    (incident,) = workers.incidents
    assert f"the worker answered {forged!r}, expected '2 1: answers" in incident
    assert incident.removeprefix("torch: ") in done[1].reasons[0]


def test_an_answer_that_nobody_waits_for_fails_the_run(tmp_path):
    adapter = tmp_path / "late_adapter.py"
    adapter.write_text(
        (FAKES / "fake_adapter.py").read_text()
        + "\nchannel = the_channel()\n"
        + "def send():\n    time.sleep(0.5)\n    channel.send({'id': '2 another'})\n"
        + "def run(request, report, run=run):\n"
        + "    run(request, report)\n    threading.Thread(target=send, daemon=True).start()\n"
    )
    with Workers([EnvironmentSpec("torch", "torch", adapter=adapter)]) as workers:
        trials = plan(cases("exact", "exact"), workers.environments())
        assert [t for t, _ in workers.run(trials[:1])] == trials[:1]
        time.sleep(1.0)
        ((trial, _),) = workers.run(trials[1:])
        assert trial is trials[1]
    assert len(workers.incidents) == 1
    assert "the worker answered '2 another', expected" in workers.incidents[0]


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


@pytest.mark.parametrize(
    "said",
    [
        "No such file: /tmp/conform-ab/net.py",
        {"raised": {"message": "/tmp/conform-ab"}, "warnings": ["in /tmp/conform-ab/x.py:3"]},
        {"failure": "File /tmp/conform-ab/torch_adapter.py", "missing": False, "data": b"x"},
    ],
)
def test_the_folder_of_a_worker_is_not_in_what_it_says(said):
    worker = Worker(spec(), "torch", None, 1, deque(), folder="/tmp/conform-ab")
    shown = worker.placeless(said)
    assert "conform-ab" not in repr(shown)
    assert "…" in repr(shown)
