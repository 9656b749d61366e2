"""Paths on the command line: nothing below them is passed over in silence, and nothing hangs."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from helpers.command import HALVING, conform, written
from helpers.fake_workers import API

from harness.cli.common import with_changes
from harness.plan import Selection
from harness.report.model import from_run
from harness.suite import Run

pytestmark = pytest.mark.usefixtures("plain_python")
GOOD = f"format: 1\ncases:\n{HALVING}    implementations: [{API}]\n"


@pytest.fixture
def place(tmp_path):
    """A folder to be in, with cases that are all right."""
    (tmp_path / "cases").mkdir()
    written(tmp_path / "cases", GOOD)
    return tmp_path


def to(target):
    return lambda path: path.symlink_to(target)


PASSED_OVER = {
    "upper case": ("X.YAML", lambda path: path.write_text(GOOD), "name it X.yaml"),
    "another ending": ("x.yaml.txt", lambda path: path.write_text(GOOD), "name it x.yaml"),
    "empty folder": ("bare", lambda path: path.mkdir(), "no *.yaml below"),
    "pipe": ("x.yaml", os.mkfifo, "a named pipe, not a file"),
    "device": ("x.yaml", to("/dev/zero"), "a device, not a file"),
    "link to itself": ("x.yaml", to("x.yaml"), "a link that leads to itself"),
    "link to nowhere": ("more", to("/no/such/place"), "a link to /no/such/place"),
    "link in a circle": ("up", to(".."), "a link to a folder that holds it"),
}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        *((name, command) for name in PASSED_OVER for command in ("run", "check", "list cases")),
        ("pipe", "run --changed"),
        ("empty folder", "run --changed"),
    ],
)
def test_what_would_be_passed_over_is_named_with_the_remedy(name, command, place):
    file, make, telling = PASSED_OVER[name]
    make(place / "cases" / file)
    done = conform(*command.split(), "cases", cwd=place)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert f"cases/{file}:1: " in said
    assert telling in said
    assert "remedy: " in said
    assert not list(place.glob("reports/*/report.json"))


def test_an_empty_folder_beside_a_full_one_is_named(place):
    (place / "empty").mkdir()
    done = conform("check", "cases", "empty", cwd=place)
    assert done.returncode == 2
    assert "empty:1: no *.yaml below" in done.stdout


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("them", ["run", "cases", "--environment", "torch", "--environments", "them"]),
        ("them", ["environments", "list", "--environments", "them"]),
        ("reports/durations.json", ["run", "cases", "--shard", "1/2"]),
        ("one", ["report", "one"]),
        ("one", ["document", "versions", "--report", "one"]),
        ("script.py", ["migrate", "script.py"]),
        ("one", ["check", "one"]),
    ],
)
@pytest.mark.parametrize(
    ("make", "telling"),
    [(os.mkfifo, "is a named pipe, not a file"), (to("/dev/zero"), "is a device, not a file")],
    ids=["pipe", "device"],
)
def test_a_pipe_or_a_device_in_place_of_a_file_is_not_waited_for(
    file, command, make, telling, place
):
    (place / "reports").mkdir()
    make(place / file)
    done = conform(*command, cwd=place)
    assert done.returncode == 2, done.stdout + done.stderr
    assert telling.removeprefix("is ") in done.stdout + done.stderr
    assert file in done.stdout + done.stderr


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/urandom"])
def test_a_device_in_place_of_a_trace_is_not_read(target, place):
    written(place, "step,lr\n0,0.5\n1,0.25\n", "b.csv")
    (place / "a.csv").symlink_to(target)
    done = conform("compare", "a.csv", "b.csv", cwd=place)
    assert done.returncode == 2
    assert "a.csv is a device, not a file" in done.stderr


def test_a_pipe_in_place_of_the_baseline_costs_a_warning(place, monkeypatch, capsys):
    os.mkfifo(place / "baseline.json")
    monkeypatch.setattr("harness.cli.common.REPORTS", place)
    report = from_run(Run(datetime.now(UTC), 0.0, (), Selection(), (), (), False))
    assert with_changes(report) == report
    said = capsys.readouterr().err
    assert "warning: the report says nothing of changes" in said
    assert "baseline.json is a named pipe, not a file" in said


@pytest.mark.parametrize("command", [("gate",), ("baseline", "update")])
@pytest.mark.parametrize("make", [os.mkfifo, to("/dev/zero"), to("/dev/tty")])
def test_a_gate_waits_for_no_pipe_and_no_device(command, make, place):
    make(place / "odd.json")
    for arguments in (["odd.json"], ["--baseline", "odd.json"]):
        done = conform(*command, *arguments, cwd=place)
        assert done.returncode == 2
        assert "odd.json is a" in done.stdout + done.stderr
    (place / "reports" / "latest").mkdir(parents=True)
    make(place / "reports" / "latest" / "report.json")
    done = conform(*command, cwd=place)
    assert done.returncode == 2
    assert "cannot read" in done.stdout + done.stderr
