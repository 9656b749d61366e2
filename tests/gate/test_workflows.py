"""The workflows: each `run:` of them, as a shell runs it, on a few small cases."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from helpers.command import REAL

from harness.cli import main

ROOT = Path(__file__).parent.parent.parent
OURS = ROOT / ".github" / "workflows" / "conform.yml"
EXAMPLE = ROOT / "examples" / "ci" / "conform.yml"

# The suite as it is, but for its cases, which are those of the checkout, and for the environment:
# the tests' own instead of the frameworks here.
FAKE = """\
import sys
sys.path.insert(0, {tests!r})
from importlib import import_module
from pathlib import Path
import harness.workers
from helpers.fake_workers import spec
from harness.cli import main
harness.workers.default_environments = lambda: [spec()]
cases = Path("cases").resolve()
for module in ("harness.project", "harness.cli.common", "harness.cli.run"):
    vars(import_module(module)).update(CASES=cases, RECORDS=cases / "known_divergences")
main()
"""
# Only what it starts is a quick interpreter: the suite itself is the one that is installed there.
INSTALLED = """\
import sys
sys.executable = {python!r}
from harness.cli import main
main()
"""
CASES = "format: 1\ncases:\n" + "".join(
    f"  - name: halves {number}\n"
    f"    description: The rate halves at every update, {number}.\n"
    "    source: by hand\n"
    "    family: exponential\n"
    "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n"
    "    steps: 4\n"
    "    expected: {values: [0.5, 0.25, 0.125, 0.0625]}\n"
    "    implementations: [torch.optim.lr_scheduler.ExponentialLR]\n"
    for number in range(5)
)


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(job):
    """The steps of a job that are a shell's."""
    return [step for step in job["steps"] if "run" in step]


def commands(path):
    """Every call of conform in a workflow, by its words."""
    lines = [
        line for job in jobs(path).values() for s in steps(job) for line in s["run"].splitlines()
    ]
    calls = [line.split() for line in lines if re.match(r"\S*\bconform ", line)]
    return [[word.strip('"') for word in call[1:]] for call in calls]


@pytest.mark.parametrize("path", [OURS, EXAMPLE], ids=lambda path: path.parent.name)
def test_every_option_that_is_used_is_there(path):
    assert len(commands(path)) >= 3
    for words in commands(path):
        command, rest = found(main, words)
        known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} <= known, words


def found(command, words):
    """The command that words call, and those of them that are left to it."""
    if not isinstance(command, click.Group):
        return command, words
    _, inner, rest = command.resolve_command(click.Context(command), words)
    return found(inner, rest)


@pytest.mark.parametrize("path", [OURS, EXAMPLE], ids=lambda path: path.parent.name)
def test_a_workflow_may_only_read_and_ends_by_itself(path):
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"actions/[a-z-]+@v[0-9]+", step["uses"])


def test_no_text_of_a_pull_request_gets_into_a_shell():
    for path in (OURS, EXAMPLE):
        for job in jobs(path).values():
            for step in steps(job):
                assert set(re.findall(r"\$\{\{(.*?)\}\}", step["run"])) <= {" matrix.shard "}


def test_the_targets_of_make_that_are_used_are_there():
    made = {
        word
        for job in jobs(OURS).values()
        for step in steps(job)
        for call in re.findall(r"^make (.*)$", step["run"], re.MULTILINE)
        for word in call.split()
    }
    makefile = (ROOT / "Makefile").read_text()
    assert made == {".venv/.ready", "lint", "types", "check-cases", "search", "test-all"}
    for target in made - {".venv/.ready"}:
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)


def test_pull_requests_search_as_make_does_and_nights_with_other_examples():
    (step,) = (step for step in steps(jobs(OURS)["search"]) if step["run"] == "make search")
    makefile = (ROOT / "Makefile").read_text()
    for name, value in step["env"].items():
        by_day = re.fullmatch(r"\$\{\{ (.*) == 'schedule' && (.*) \|\| '(\d+)' \}\}", value)
        assert by_day[1] == "github.event_name"
        assert by_day[2] != f"'{by_day[3]}'"
        assert f"{name} ?= {by_day[3]}\n" in makefile


class Place:
    """A checkout on a runner: its files, and a shell in it."""

    def __init__(self, folder, binaries, python, conform):
        self.folder, self.binaries = folder, folder / binaries
        self.binaries.mkdir(parents=True)
        script = self.binaries / "conform"
        script.write_text(f"#!{python}\n{conform}")
        script.chmod(0o755)
        (folder / "cases").mkdir()

    def run(self, script, **env):
        """What GitHub's runner does with a `run:`."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.binaries}:{os.environ['PATH']}",
                "GITHUB_ACTIONS": "true",
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def commit(self):
        """Commit the cases, as whoever pushes them does."""
        self.run(
            "[ -d .git ] || git init --quiet; git add cases && "
            "git -c user.name=a -c user.email=a@b.c commit --quiet --allow-empty -m cases"
        )

    @property
    def summary(self):
        return (self.folder / "summary.md").read_text()


@pytest.fixture
def checkout(tmp_path, plain_python):
    """The suite's own repository with five cases in it, and no framework but the tests' own."""
    place = Place(tmp_path, ".venv/bin", plain_python, FAKE.format(tests=str(ROOT / "tests")))
    (tmp_path / "cases" / "halves.yaml").write_text(CASES)
    place.commit()
    environment = {"GITHUB_ACTIONS": "", "MODES": ""}
    code, text = place.run("conform run && conform baseline update", **environment)
    assert code == 0, text
    assert "5 trials of 5 cases" in text
    return place


def carried_out(place, mode=""):
    """The exit codes of our workflow's conform steps, by name, and all that was printed."""
    codes, texts = {}, []
    for shard in (1, 2, 3, 4):
        codes[f"part {shard}"], text = a_part(place, shard, mode)
        texts.append(text)
    gated, text = the_gate(place)
    return {**codes, **gated}, "".join([*texts, text])


def a_part(place, shard, mode="", fresh=True):
    """The exit code of a part of our workflow, and what it printed; its report is uploaded.

    A runner is fresh; one of somebody's own may have the report of an earlier run.
    """
    latest, part = place.folder / "reports" / "latest", f"reports/parts/part-{shard}"
    if fresh:
        shutil.rmtree(latest, ignore_errors=True)
    (step,) = [s for s in steps(jobs(OURS)["run"]) if "--shard" in s["run"]]
    script = step["run"].replace("${{ matrix.shard }}", str(shard))
    code, text = place.run(script, MODES=mode)
    shutil.rmtree(place.folder / part, ignore_errors=True)
    shutil.copytree(latest, place.folder / part)
    return code, text


def the_gate(place):
    """The exit codes of the gate's steps by their names, and all that was printed.

    As on GitHub, a step is left out after one that failed, unless it says `!cancelled()`.
    """
    shutil.rmtree(place.folder / "reports" / "merged", ignore_errors=True)
    codes, texts = {}, []
    for step in steps(jobs(OURS)["gate"]):
        if "install" in step["name"].lower() or (any(codes.values()) and "if" not in step):
            continue
        codes[step["name"]], text = place.run(step["run"])
        texts.append(text)
    return codes, "".join(texts)


MERGE, GATE = "One report of all parts", "What changed since the baseline"


def test_our_workflow_fails_where_a_part_is_missing_and_names_its_cases(checkout):
    for shard in (1, 2, 4):
        assert a_part(checkout, shard)[0] == 0
    codes, text = the_gate(checkout)
    assert (codes[MERGE], GATE in codes) == (1, False)
    assert re.search(
        r"shard 3/4 is missing, and no other has run its [12] cases?:\n    halves ", text
    )
    assert a_part(checkout, 3)[0] == 0
    codes, text = the_gate(checkout)
    assert set(codes.values()) == {0}, text


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "with an older report"])
@pytest.mark.parametrize(
    ("broken", "code"),
    [("cases/broken.yaml", 2), ("reports/durations.json", 2), (".venv/bin/conform", 3)],
)
def test_our_workflow_fails_where_a_part_could_not_be_run(broken, code, fresh, checkout):
    for shard in (1, 2, 4):
        assert a_part(checkout, shard)[0] == 0
    if not fresh:
        assert a_part(checkout, 3)[0] == 0
    file = checkout.folder / broken
    before = file.read_text() if file.exists() else None
    if code == 3:
        file.write_text(before.replace("spec()]", "spec(adapter='missing')]"))
    else:
        file.write_text("{")
    assert a_part(checkout, 3, fresh=fresh)[0] == code
    if before is None:
        file.unlink()
    else:
        file.write_text(before)
    codes, text = the_gate(checkout)
    assert (codes[MERGE], GATE in codes) == (2, False)
    assert "reports/parts/part-3 has no report of the last run" in text


def test_our_workflow_fails_where_a_part_is_of_another_commit(checkout):
    for shard in (1, 2, 3):
        assert a_part(checkout, shard)[0] == 0
    checkout.commit()
    assert a_part(checkout, 4)[0] == 0
    codes, text = the_gate(checkout)
    assert (codes[MERGE], codes[GATE]) == (0, 2)
    assert "reports/merged is of commit " in text
    for shard in (1, 2, 3):
        assert a_part(checkout, shard)[0] == 0
    codes, text = the_gate(checkout)
    assert set(codes.values()) == {0}, text


def test_our_workflow_fails_where_all_parts_are_of_an_earlier_commit(checkout):
    for shard in (1, 2, 3, 4):
        assert a_part(checkout, shard)[0] == 0
    checkout.commit()
    codes, text = the_gate(checkout)
    assert (codes[MERGE], codes[GATE]) == (0, 2)
    assert "and has to be of " in text


def test_our_workflow_fails_where_parts_were_divided_with_other_durations(checkout):
    for shard in (1, 2, 3):
        assert a_part(checkout, shard)[0] == 0
    file = checkout.folder / "reports" / "durations.json"
    file.write_text('{"format": 1, "costs": {"halves 4": 4096}}')
    assert a_part(checkout, 4)[0] == 0
    codes, text = the_gate(checkout)
    assert (codes[MERGE], GATE in codes) == (2, False)
    assert "are shards of different divisions" in text


def test_our_workflow_passes_where_nothing_changed_in_every_mode_at_night(checkout):
    codes, text = carried_out(checkout, mode="--full")
    assert set(codes.values()) == {0}, text
    assert "gate open: 5 trials as in reports/baseline.json" in text
    assert "::error" not in text
    assert "5 trials as expected: conforms 5" in checkout.summary
    assert (checkout.folder / "reports" / "merged" / "index.html").exists()


def test_our_workflow_stops_a_regression_and_says_where_it_is(checkout):
    file = checkout.folder / "cases" / "halves.yaml"
    file.write_text(
        file.read_text().replace("name: halves 4", "name: halves 4\n    steps_per_epoch: 2", 1)
        + "    arguments: {torch.optim.lr_scheduler.ExponentialLR: {gamma: 0.25}}\n"
    )
    checkout.commit()
    codes, text = carried_out(checkout)
    assert codes["What changed since the baseline"] == 1, text
    assert sorted(codes.values()) == [0, 0, 0, 0, 0, 1, 1], codes
    assert re.search(r"^::error file=cases/halves.yaml,line=\d+,title=new divergence::", text, re.M)
    assert "1 of 5 trials are not as expected" in checkout.summary


@pytest.mark.frameworks
def test_the_example_works_in_another_repository_with_the_suite_installed(tmp_path, quick_python):
    site = tmp_path / "site"
    shutil.copytree(ROOT / "harness", site / "harness", ignore=shutil.ignore_patterns("*.pyc"))
    conform = INSTALLED.format(python=str(quick_python))
    place = Place(tmp_path / "theirs", "bin", REAL, conform)
    shutil.copytree(EXAMPLE.parent / "cases", place.folder / "cases", dirs_exist_ok=True)
    env = {"PYTHONPATH": str(site)}
    (once,) = re.findall(r"(conform run .* && conform baseline update)", EXAMPLE.read_text())
    code, text = place.run(once, **env)
    assert code == 0, text
    (job,) = jobs(EXAMPLE).values()
    for step in steps(job):
        if "install" not in step["name"].lower():
            code, text = place.run(step["run"], **env)
            assert code == 0, text
    assert "trials as expected: conforms" in place.summary

    place.commit()  # nothing has been run of this commit, and then a run fails
    broken = place.folder / "cases" / "broken.yaml"
    (run,) = [step["run"] for step in steps(job) if "conform run" in step["run"]]
    (gate,) = [step["run"] for step in steps(job) if "conform gate" in step["run"]]
    code, text = place.run(gate, **env)
    assert (code, "and the working tree is at commit" in text) == (2, True), text
    broken.write_text("{")
    code, text = place.run(run, **env)
    assert code == 2, text
    broken.unlink()
    code, text = place.run(gate, **env)
    assert (code, "has no report of the last run" in text) == (2, True), text

    ours = place.folder / "cases" / "warm_up.yaml"
    ours.write_text(ours.read_text().replace("name: ours/decay", "name: ours/other"))
    code, text = place.run("conform run cases --changed", **env)
    assert code == 0, text
    code, text = place.run("conform gate", **env)
    assert code == 1, text
    assert "::error file=cases/warm_up.yaml,title=lost trial::" in text


@pytest.mark.parametrize(
    ("ran", "gated", "searched", "passes", "called"),
    [
        (0, 0, 0, True, ["run", "gate", "fuzz"]),
        (1, 0, 0, False, ["run", "gate", "fuzz"]),
        (0, 1, 0, False, ["run", "gate", "fuzz"]),
        (0, 0, 1, False, ["run", "gate", "fuzz"]),
        (1, 1, 1, False, ["run", "gate", "fuzz"]),
        (3, 0, 0, False, ["run"]),
        (130, 0, 0, False, ["run"]),
    ],
)
def test_make_gate_fails_if_any_of_its_parts_does_and_never_looks_at_an_older_report(
    ran, gated, searched, passes, called, tmp_path
):
    conform = tmp_path / "conform"
    conform.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/called\n'
        f'case "$1" in run) exit {ran};; gate) exit {gated};; fuzz) exit {searched};; esac\n'
    )
    conform.chmod(0o755)
    ready = tmp_path / "ready"
    ready.touch()
    done = subprocess.run(
        ["make", "gate", f"BIN={tmp_path}", f"READY={ready}", "-o", str(ready)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is passes, done.stderr
    assert (tmp_path / "called").read_text().split() == called
