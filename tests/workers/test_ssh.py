"""Environments over ssh: a real sshd on the loopback, and the frameworks behind it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.command import REAL
from helpers.draws import every
from helpers.fake_workers import FAKES, cases, spec
from helpers.sshd import below, sshd

from harness import suite
from harness.errors import EnvironmentUnusable
from harness.judge import Judge
from harness.load import load
from harness.observation import Lost
from harness.plan import Selection, plan
from harness.project import CASES
from harness.report.model import from_run
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import EnvironmentSpec, Workers, default_environments

pytestmark = [pytest.mark.usefixtures("plain_python"), pytest.mark.xdist_group("ssh")]
NOBODY = "-p 1 127.0.0.1"
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """The folder for temporary files at the other end."""
    return tmp_path_factory.mktemp("there")


@pytest.fixture(scope="module")
def server(tmp_path_factory, there):
    with sshd(tmp_path_factory.mktemp("sshd"), there) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_is_left_behind(there):
    """No folder there, and no process that works in one."""
    yield
    wait_until(lambda: not list(there.glob("conform-*")) and not below(there))


def wait_until(true, seconds=60):
    """Wait for something that is bound to happen; the seconds are for one that does not."""
    for _ in range(seconds * 20):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def box(server, adapter="fake", python=None, **more):
    return spec(adapter, python=python, ssh=server.arguments, **more)


def judged(spec, *behaviours, time_limit=30.0):
    with Workers([spec], time_limit) as workers:
        trials = plan(cases(*behaviours), workers.environments())
        done = list(judgements(Judge(), trials, workers))
    assert sorted(j.trial.id for j in done) == sorted(trial.id for trial in trials)
    return sorted(done, key=lambda j: j.trial.case.name), workers


def test_a_worker_on_another_machine_answers_and_its_faults_cost_their_trials_only(server, capfd):
    done, workers = judged(box(server), "exact", "killed", "exact", "exits", "leaves", "chatty")
    conforms, crashed = Verdict.CONFORMS, Verdict.CRASHED
    assert [j.verdict for j in done] == [conforms, crashed, conforms, crashed, crashed, conforms]
    assert done[1].reasons == ("the process died of signal 9 (SIGKILL)",)
    assert done[1].observation.printed == "last words\n"
    assert done[3].reasons == ("the process died with exit status 7",)
    assert "SystemExit" in done[4].reasons[0]
    assert "said by a child\n" in done[5].observation.printed
    assert workers.incidents == []
    assert capfd.readouterr() == ("", "")


@slow
def test_a_hang_on_another_machine_is_ended_there(server, monkeypatch):
    monkeypatch.setattr("harness.workers.pool.SILENCE", 0.5)
    done, _ = judged(box(server), "exact", "hangs", "exact", time_limit=0.5)
    assert [j.verdict for j in done] == [Verdict.CONFORMS, Verdict.TIMED_OUT, Verdict.CONFORMS]
    assert "no answer within 1 s" in done[1].reasons[0]


@slow
def test_the_network_has_its_own_time_beside_the_trial_s(server):
    # A trial of 0.4 s and a limit of 0.3: what is more could as well be the network's.
    done, _ = judged(box(server), "slow", time_limit=0.3)
    assert done[0].verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    ("arguments", "python", "telling"),
    [
        (NOBODY, None, "Connection refused"),
        pytest.param(
            *("nobody.invalid", None, "Could not resolve hostname nobody.invalid"), marks=slow
        ),
        pytest.param(
            *("{there} -o UserKnownHostsFile=/dev/null", None, "Host key verification failed"),
            marks=slow,
        ),
        pytest.param(
            *("{there} -l no-such-user", None, "Permission denied (publickey"), marks=slow
        ),
        ("{there}", "no-such-python", "no-such-python: command not found"),
        pytest.param(
            *("{there}", "/no/such/python", "/no/such/python: No such file or directory"),
            marks=slow,
        ),
    ],
)
def test_what_ssh_says_is_why_an_environment_is_unavailable(
    arguments, python, telling, server, capfd
):
    away = EnvironmentSpec("away", "torch", python, ssh=arguments.format(there=server.arguments))
    with Workers([away, spec(name="here")]) as workers:
        trials = plan(cases("exact"), workers.environments())
        done = {j.trial.target.environment: j for j in judgements(Judge(), trials, workers)}
    assert done["away"].verdict is Verdict.UNAVAILABLE
    assert telling in done["away"].reasons[0]
    assert done["here"].verdict is Verdict.CONFORMS
    assert workers.incidents == []
    assert capfd.readouterr() == ("", "")


@slow
def test_a_framework_that_is_missing_there_makes_its_trials_unavailable(server):
    (judgement,), _ = judged(box(server, "missing"), "exact")
    assert judgement.verdict is Verdict.UNAVAILABLE
    assert "ModuleNotFoundError: import of torch halted" in judgement.reasons[0]


@slow
def test_a_framework_that_dies_there_at_its_start_makes_its_trials_crashed(server):
    (judgement,), _ = judged(box(server, "dying"), "exact")
    assert judgement.verdict is Verdict.CRASHED
    assert judgement.reasons == ("could not be started: the process died with exit status 11",)
    assert judgement.observation is None


def test_a_login_script_that_prints_is_named(server, tmp_path):
    chatty = tmp_path / "chatty python"
    chatty.write_text(f'#!/bin/sh\necho Welcome to this machine\nexec {REAL} "$@"\n')
    chatty.chmod(0o755)
    (judgement,), _ = judged(box(server, python=str(chatty)), "exact")
    assert "writes to the standard output there before Python does" in judgement.reasons[0]
    assert "Welcome to this machine" in judgement.reasons[0]


def test_a_python_that_is_too_old_is_named(server, tmp_path):
    old = tmp_path / "python3.7"
    # No such interpreter is at hand everywhere: this one takes itself for older than it is.
    old.write_text(
        f"#!/bin/sh\nexec {REAL} -u -c 'import sys; sys.version_info = (3, 7);"
        ' sys.version = "3.7.1 (old)"; exec(eval(sys.stdin.readline()))\'\n'
    )
    old.chmod(0o755)
    (judgement,), _ = judged(box(server, python=str(old)), "exact")
    assert judgement.verdict is Verdict.UNAVAILABLE
    assert "Python 3.8 or later is needed, this is 3.7.1" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("ssh", "telling"),
    [
        ("", "one destination is due, and there is none"),
        ("-p 22", "one destination is due, and there is none"),
        ("host uname -N", "option -N not recognized"),
        ("host uname", "one destination is due, and there is 2: host, uname"),
        ("-t host", "option -t not recognized"),
        ("host -p", "option -p requires argument"),
        ("'host", "No closing quotation"),
    ],
)
def test_arguments_that_no_connection_can_be_made_with_are_refused(ssh, telling):
    with pytest.raises(EnvironmentUnusable) as refused:
        EnvironmentSpec("box", "torch", ssh=ssh)
    assert str(refused.value).startswith("environment 'box': ssh: ")
    assert telling in str(refused.value)
    assert "remedy: " in str(refused.value)
    assert (refused.value.name, refused.value.key) == ("box", "ssh")


@slow
def test_a_connection_that_drops_costs_the_trial_in_hand_and_is_made_anew(server):
    with Workers([box(server)]) as workers:
        trials = plan(cases("exact", "exact", "slow", "exact"), workers.environments())
        seen = []
        for number, answer in enumerate(workers.run(trials)):
            seen.append(answer)
            if number == 1:
                server.drop()
    assert sorted(t.id for t, _ in seen) == sorted(t.id for t in trials)
    (lost,) = [observation for _, observation in seen if isinstance(observation, Lost)]
    assert lost.reason.startswith("the connection was lost: ")
    assert "closed" in lost.reason


@slow
def test_a_network_that_falls_silent_is_noticed(server):
    fake = box(server)
    fake = dataclasses.replace(
        fake, ssh=f"{fake.ssh} -o ServerAliveInterval=1 -o ServerAliveCountMax=2"
    )
    with Workers([fake]) as workers:
        trials = plan(cases("exact", "slow", "exact"), workers.environments())
        seen = []
        for answer in workers.run(trials):
            seen.append(answer)
            if len(seen) == 1:
                server.freeze()
    server.drop()  # what had fallen silent: those over there see its end
    assert sorted(t.id for t, _ in seen) == sorted(t.id for t in trials)
    (lost,) = [observation for _, observation in seen if isinstance(observation, Lost)]
    assert lost.reason.startswith("the connection was lost: ")
    assert "not responding" in lost.reason


@slow
def test_a_machine_that_does_not_come_back_costs_what_was_to_run_there(server, monkeypatch):
    monkeypatch.setattr("harness.workers.pool.PAUSES", (0.0, 0.1, 0.2, 0.3))
    with Workers([box(server)]) as workers:
        trials = plan(cases("exact", "slow", *["exact"] * 7), workers.environments())
        seen = []
        for number, answer in enumerate(workers.run(trials)):
            seen.append(answer)
            if number == 0:
                (server.folder / "authorized").rename(server.folder / "away")
                server.drop()
    (server.folder / "away").rename(server.folder / "authorized")
    assert sorted(t.id for t, _ in seen) == sorted(t.id for t in trials)
    reasons = [o.reason for _, o in seen if isinstance(o, Lost)]
    assert len(reasons) == 8
    assert reasons[0].startswith("the connection was lost: ")
    assert all("could not be started: " in reason for reason in reasons[1:])
    assert all("Permission denied" in reason for reason in reasons[1:])
    assert len(workers.incidents) == 3


STUCK = """\
import ctypes, os, time
{fake}
_run = run
def run(request, report):
    if dict(request["arguments"]).get("behaviour") == "hangs":
        os.system("sleep 1000 &")
        # Native code that keeps the interpreter's lock: no thread of Python's runs any more.
        ctypes.PyDLL(None).sleep(1000)
    _run(request, report)
"""
HARNESS = """\
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from harness.plan import plan
from harness.workers import EnvironmentSpec, Workers
from helpers.fake_workers import cases
spec = EnvironmentSpec(
    "torch", "torch", sys.executable, Path({adapter!r}), ssh={ssh!r}
)
with Workers([spec], 1000.0) as workers:
    trials = plan(cases("exact", "hangs"), workers.environments())
    for _ in workers.run(trials):
        print("one", flush=True)
"""


@pytest.fixture
def stuck_harness(tmp_path, there, server):
    """Starts a harness whose worker is stuck in native code, here or over there."""
    adapter = tmp_path / "native_adapter.py"
    adapter.write_text(STUCK.format(fake=(FAKES / "fake_adapter.py").read_text()))
    root = Path(__file__).parents[2]

    def start(ssh):
        text = HARNESS.format(
            root=str(root), tests=str(root / "tests"), adapter=str(adapter), ssh=ssh
        )
        harness = subprocess.Popen(
            [sys.executable, "-c", text],
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(there)},
        )
        assert harness.stdout.readline() == b"one\n"
        # The worker and the child of what it is stuck in.
        wait_until(lambda: len(below(there)) >= 2)
        return harness

    return start


def end(harness):
    harness.kill()
    harness.stdout.close()
    harness.wait(timeout=10)


@pytest.mark.parametrize(
    "far", [pytest.param(True, marks=slow, id="over ssh"), pytest.param(False, id="here")]
)
def test_a_worker_stuck_in_native_code_does_not_outlive_a_harness_that_is_killed(
    far, stuck_harness, server, there
):
    harness = stuck_harness(server.arguments if far else None)
    end(harness)
    wait_until(lambda: not below(there) and not list(there.glob("conform-*")))


@slow
def test_a_worker_stuck_in_native_code_does_not_outlive_its_connection(
    stuck_harness, server, there
):
    harness = stuck_harness(server.arguments)
    stuck = below(there)
    server.drop()
    wait_until(lambda: not set(stuck) & set(below(there)))
    end(harness)


@slow
def test_a_worker_that_hears_nothing_for_a_whole_lease_ends_itself(server, there, monkeypatch):
    """A network that goes away closes nothing: what is left is that nobody says anything."""
    monkeypatch.setattr("harness.workers.pool.LEASE", -28.5)
    with Workers([box(server)], 30.0, 30.0) as workers:
        workers.environments()
        wait_until(lambda: not below(there) and not list(there.glob("conform-*")))
    # and one that hears something goes on
    monkeypatch.setattr("harness.workers.pool.HEARTBEAT", 0.2)
    with Workers([box(server)], 30.0, 30.0) as workers:
        trials = plan(cases(*["slow"] * 5), workers.environments())
        assert not any(isinstance(o, Lost) for _, o in workers.run(trials))


LOG_LINE = re.compile(r"(?<=\[WARNING\] )(\w+)\(\d+[:,]\w+,\w+\):[\d.:-]+")
"""What MindSpore begins a line of its log with: its part, process, thread and time."""
FOLDER = re.compile(r"/[\w./-]*/conform-\w+")
"""The folder of a worker's own, by its name."""


def slice_of_the_suite(specs, **selection):
    """A run of some cases in `specs`, as report.json has it but for times and names in it."""
    loaded, wanted = load([CASES]), Selection(**selection)
    loaded = dataclasses.replace(loaded, cases=wanted.share(loaded.cases))
    with Workers(specs) as workers:
        run = suite.run(loaded, workers, wanted)
    report = json.loads(from_run(run).model_dump_json())
    report["started"] = report["seconds"] = None
    for environment in report["environments"]:
        environment["start_seconds"] = None
    for trial in report["trials"]:
        trial["seconds"] = None
    text = json.dumps(report, indent=1)
    return FOLDER.sub("conform", LOG_LINE.sub(r"\1", text))


def frameworks(**fields):
    """The suite's own environments, in real interpreters, with other fields."""
    return [dataclasses.replace(one, python=REAL, **fields) for one in default_environments()]


@slow
@pytest.mark.frameworks
def test_a_family_over_ssh_gives_the_same_report_to_the_byte(server):
    here = slice_of_the_suite(frameworks(), families=("constant",))
    there = slice_of_the_suite(frameworks(ssh=server.arguments), families=("constant",))
    assert here.count('"verdict"') > 100
    assert there == here


@slow
@pytest.mark.frameworks
def test_cases_of_every_family_over_ssh_give_the_same_report_to_the_byte(server):
    """In one process each: what a framework says once a process, it then says of the same trial."""
    shard = f"1/{every(8)}"
    here = slice_of_the_suite(frameworks(processes=1), shard=shard)
    there = slice_of_the_suite(frameworks(processes=1, ssh=server.arguments), shard=shard)
    assert here.count('"verdict"') > 3000 / every(8)
    differing = [
        (one, other)
        for one, other in zip(here.splitlines(), there.splitlines(), strict=True)
        if one != other
    ]
    assert differing == []


@slow
@pytest.mark.frameworks
def test_connections_that_drop_throughout_a_run_lose_no_trial(server):
    with Workers(frameworks(ssh=server.arguments)) as workers:
        environments = workers.environments()
        loaded, selection = load([CASES]), Selection(families=("constant",))
        trials = [t for t in plan(loaded.cases, environments) if selection.wants(t)]
        judge = Judge(loaded.known_divergences, {e.name: e.version for e in environments})
        done, drops = [], 0
        for judgement in judgements(judge, trials, workers):
            done.append(judgement)
            if len(done) % 30 == 29 and drops < 3:
                server.drop()
                drops += 1
    assert drops == 3
    assert sorted(j.trial.id for j in done) == sorted(trial.id for trial in trials)
    lost = [j for j in done if isinstance(j.observation, Lost)]
    assert [j.trial.id for j in done if j.verdict.fails and j not in lost] == []
    told = [reason for j in lost for reason in j.reasons] + workers.incidents
    assert told
    assert all("connection" in reason.lower() for reason in told)
    assert len(lost) <= drops * 4
