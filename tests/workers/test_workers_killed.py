"""Workers that are killed, stopped and robbed of their supervisors while the frameworks run."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.command import REAL
from helpers.fake_workers import FAKES, cases, spec

from harness.judge import Judge
from harness.load import load
from harness.observation import Lost
from harness.plan import Selection, plan
from harness.project import CASES
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import EnvironmentSpec, Workers, default_environments

pytestmark = pytest.mark.usefixtures("plain_python")
KILLS = 6
FAMILIES = ("constant", "linear")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The folder in which workers make theirs; nothing of theirs is to be left in it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    assert not list(tmp_path.glob("conform-*"))


def is_gone(pid):
    """Whether a process ends: a signal takes a moment. One not asked for yet is but a name."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


class Killer:
    """Sends a signal to a worker of `workers`, drawn at random.

    Of workers that are only starting one is hit: two deaths of one at its start give it up.
    """

    def __init__(self, workers: Workers) -> None:
        self.hits: list[tuple[str, int]] = []
        self._workers = workers
        self._random = random.Random(20260711)
        self._struck_at_start = False

    def strike(self) -> None:
        worker = self._random.choice(list(self._workers._workers.values()))
        if worker.pid is None or (worker.environment is None and self._struck_at_start):
            return
        self._struck_at_start |= worker.environment is None
        # Stopped, it is a framework that hangs.
        number = signal.SIGSTOP if len(self.hits) == KILLS // 2 else signal.SIGKILL
        with suppress(ProcessLookupError):
            os.kill(worker.pid, number)
            self.hits.append((worker.slot, number))


@pytest.mark.slow
@pytest.mark.frameworks
def test_workers_killed_at_random_cost_no_trial_but_those_in_hand(folders):
    specs = [replace(one, python=REAL) for one in default_environments()]
    with Workers(specs, time_limit=10.0) as workers:
        environments = workers.environments()
        loaded = load([CASES])
        selection = Selection(families=FAMILIES)
        trials = [t for t in plan(loaded.cases, environments) if selection.wants(t)]
        judge = Judge(loaded.known_divergences, {e.name: e.version for e in environments})
        killer, done = Killer(workers), []
        for judgement in judgements(judge, trials, workers):
            done.append(judgement)
            # In the middle of other trials, as a worker is always sent some ahead.
            if len(killer.hits) < KILLS and len(done) >= (1 + len(killer.hits)) * len(trials) / 8:
                killer.strike()
    assert len(killer.hits) == KILLS
    assert sorted(j.trial.id for j in done) == sorted(trial.id for trial in trials)
    lost = [j for j in done if isinstance(j.observation, Lost)]
    assert len(lost) + len(workers.incidents) <= len(killer.hits)
    assert {j.verdict for j in lost} <= {Verdict.CRASHED, Verdict.TIMED_OUT}
    others = [j for j in done if j not in lost]
    assert [j.trial.id for j in others if j.verdict.fails] == []


@pytest.mark.slow
def test_all_processes_of_an_environment_dead_at_once_cost_one_trial_each():
    with Workers([spec(processes=3)]) as workers:
        trials = plan(cases(*["slow"] * 6, *["exact"] * 250), workers.environments())
        seen, dead = [], []
        for answer in workers.run(trials):
            seen.append(answer)
            there = list(workers._workers.values())
            if not dead and all(worker.environment for worker in there):
                dead = [worker.pid for worker in there if len(there) == 3]
                for pid in dead:
                    os.kill(pid, signal.SIGKILL)
    assert len(dead) == 3
    assert sorted(t.id for t, _ in seen) == sorted(t.id for t in trials)
    assert 1 <= sum(isinstance(o, Lost) for _, o in seen) <= 3


def test_a_worker_that_died_when_nothing_was_waiting_is_replaced_in_the_next_run():
    with Workers([spec()]) as workers:
        trials = plan(cases("exact", "exact"), workers.environments())
        assert len(list(workers.run(trials[:1]))) == 1
        dead = workers._workers["torch"]
        os.kill(dead.pid, signal.SIGKILL)
        dead.connection._process.wait()
        (answer,) = workers.run(trials[1:])
        assert not isinstance(answer[1], Lost)
    assert workers.incidents in (
        ["torch: between two trials, the process died of signal 9 (SIGKILL)"],
        [],
    )


def test_a_caller_who_stops_at_a_crash_finds_the_worker_replaced():
    with Workers([spec()]) as workers:
        crash, exact = plan(cases("killed", "exact"), workers.environments())
        assert isinstance(next(workers.run([crash]))[1], Lost)
        (answer,) = workers.run([exact])
        assert answer[0] is exact
        assert not isinstance(answer[1], Lost)


def test_trials_of_an_environment_that_was_given_up_are_lost_whenever_they_are_asked_for(tmp_path):
    once = tmp_path / "once_adapter.py"
    flag = tmp_path / "flag"
    once.write_text(
        f"import os\nif os.path.exists({str(flag)!r}):\n    os._exit(5)\n"
        + (FAKES / "fake_adapter.py").read_text()
    )
    with Workers([EnvironmentSpec("torch", "torch", adapter=once)]) as workers:
        trials = plan(cases("killed", *["exact"] * 5), workers.environments())
        flag.touch()
        first = list(workers.run(trials[:3]))
        later = list(workers.run(trials[3:]))
    assert [t.id for t, _ in first + later] == [t.id for t in trials]
    reasons = [o.reason for _, o in first + later]
    assert reasons[0] == "the process died of signal 9 (SIGKILL)"
    assert set(reasons[1:]) == {"could not be started: the process died with exit status 5"}
    assert workers.incidents == ["torch: while starting, the process died with exit status 5"]


@pytest.mark.slow
def test_a_hang_is_ended_in_time_however_busy_the_other_workers_are():
    with Workers([spec(), spec("stuck", "stuck")], time_limit=0.3) as workers:
        trials = plan(cases(*["exact"] * 600), workers.environments())
        mine = [t for t in trials if t.target.environment == "torch"]
        stuck = [t for t in trials if t.target.environment == "stuck"][:1]
        order = []
        for trial, _ in workers.run([*stuck, *mine]):
            order.append(trial.target.environment)
            time.sleep(0.002)  # slower than they are: there is always an answer waiting
    assert order.index("stuck") < len(order) - 1


@pytest.mark.slow
def test_a_supervisor_that_is_killed_leaves_the_worker_to_the_harness(folders):
    with Workers([spec(python=REAL)], time_limit=1.0) as workers:
        trials = plan(cases("exact", "hangs", "exact"), workers.environments())
        seen = []
        for answer in workers.run(trials):
            seen.append(answer)
            if len(seen) == 1:
                worker = workers._workers["torch"]
                worker.connection._process.kill()
    assert [isinstance(o, Lost) for _, o in seen] == [False, True, False]
    assert is_gone(worker.pid)


def test_children_of_a_worker_end_with_it(tmp_path, folders):
    adapter = tmp_path / "parent_adapter.py"
    pid = tmp_path / "pid"
    adapter.write_text(
        (FAKES / "fake_adapter.py").read_text()
        + f"import subprocess\nsubprocess.Popen(['sh', '-c', 'echo $$ > {pid}; exec sleep 1000'])\n"
    )
    with Workers([EnvironmentSpec("torch", "torch", adapter=adapter)]) as workers:
        trials = plan(cases("exact"), workers.environments())
        assert len(list(workers.run(trials))) == 1
    assert is_gone(pid.read_text().strip())


def test_an_interpreter_that_is_not_there_makes_its_trials_unavailable():
    nowhere = EnvironmentSpec("nowhere", "torch", "/no/such/python")
    here = spec(name="here")
    with Workers([nowhere, here]) as workers:
        trials = plan(cases("exact"), workers.environments())
        done = {j.trial.target.environment: j for j in judgements(Judge(), trials, workers)}
    assert done["nowhere"].verdict is Verdict.UNAVAILABLE
    assert done["nowhere"].reasons == (
        "could not be started: /no/such/python: No such file or directory",
    )
    assert done["here"].verdict is Verdict.CONFORMS
