"""Files of the working directory that are called like modules are not run by any command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import HALVING, REAL, written

from harness.module_path import leave_out_working_directory, variables
from harness.workers.connection import _first_line, command

CONFORM = Path(REAL).with_name("conform")
NAMES = (
    *("random", "json", "torch", "numpy", "execnet", "typing", "select", "tempfile", "shutil"),
    *("sitecustomize", "usercustomize", "encodings", "runpy", "platform", "venv", "pip", "re"),
    *("mindspore", "contextlib", "signal", "inspect", "yaml", "click", "harness", "subprocess"),
)

ENVIRONMENTS = """\
format: 1
environments:
  - name: no-such-package
    description: One that cannot be made.
    framework: torch
    python: "3.9"
    packages: [torch==0.0.1]
"""


@pytest.fixture
def scripts(tmp_path):
    """A folder of scripts with such names, each of which says that it was run."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in NAMES:
        text = f"open({str(tmp_path / 'run')!r}, 'a').write('{name} ')\nraise SystemExit(9)\n"
        written(folder, text, f"{name}.py")
    yield folder
    ran = tmp_path / "run"
    assert not ran.exists(), ran.read_text()


def started(words, folder, **env):
    unset = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        words, cwd=folder, env={**unset, **env}, capture_output=True, text=True, check=False
    )


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "words",
    [
        ["run", "halving.yaml", "--framework", "torch", "--report", "out"],
        ["doctor"],
        ["migrate", "train.py", "--epochs", "4"],
        pytest.param(
            ["environments", "create", "--environments", "environments.yaml", "no-such-package"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["fuzz", "--examples", "5", "--seed", "1"], marks=pytest.mark.slow),
    ],
    ids=lambda words: words[0],
)
def test_a_command_runs_no_file_of_the_folder(scripts, words):
    written(scripts, "format: 1\ncases:\n" + HALVING, "halving.yaml")
    text = "from torch.optim.lr_scheduler import StepLR\nscheduler = StepLR(optimizer, 2)\n"
    written(scripts, text, "train.py")
    written(scripts, ENVIRONMENTS, "environments.yaml")
    done = started([CONFORM, *words], scripts, PIP_NO_INDEX="1")
    # That a command fails for what it was given is another matter.
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2), done.stderr


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["random", "json", "torch", "numpy"])
def test_a_script_of_such_a_name_is_read_and_not_run(scripts, name):
    found = started([CONFORM, "migrate", f"{name}.py", "--epochs", "4"], scripts)
    assert found.returncode == 2
    assert "no schedule of the catalogue" in found.stderr


@pytest.mark.parametrize("path", [None, "{0}", "{0}::{0}"])
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_a_worker_of_any_python_does_not_import_from_there(
    scripts, tmp_path, version, path, monkeypatch
):
    python = interpreter(version)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written(elsewhere, "there = True\n", "named_on_purpose.py")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path.format(elsewhere))
    importing = "import sys, random, json, typing, tempfile, platform, runpy"
    if path is not None:
        importing += ", named_on_purpose"
    found = path_of_worker(python, scripts, importing, variables())
    assert "site-packages" in found
    assert str(scripts) not in found


def path_of_worker(python, folder, importing, env):
    """Where a worker in a folder imports modules from, once it has imported some."""
    with subprocess.Popen(
        command(python, None),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        env=env,
        text=True,
    ) as process:
        process.stdin.write(_first_line(None).decode())
        process.stdin.write(repr(f"{importing}\nprint(sys.path)") + "\n")
        process.stdin.flush()
        found = process.stdout.readline()
        process.stdin.close()
    return found


@pytest.mark.parametrize("path", [":{0}", "{0}:", "{0}::{0}"])
def test_over_ssh_an_empty_entry_is_left_out_too(scripts, tmp_path, path):
    """What PYTHONPATH is over there, nobody here can say before the interpreter is started."""
    folder = tmp_path / "there"
    folder.mkdir()
    written(folder, "raise SystemExit(9)\n", "tempfile.py")
    env = {**os.environ, "PYTHONPATH": path.format(tmp_path)}
    found = path_of_worker(REAL, folder, "import sys, tempfile", env)
    assert str(tmp_path) in found
    assert str(folder) not in found


@pytest.mark.parametrize("entry", [".", "{0}", "../scripts"])
def test_a_folder_that_pythonpath_names_is_kept(tmp_path, monkeypatch, entry):
    folder = tmp_path / "scripts"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{entry.format(folder)}:")
    monkeypatch.setattr(sys, "path", ["", str(folder), "/elsewhere"])
    leave_out_working_directory()
    assert sys.path == [str(folder), "/elsewhere"]
    assert variables()["PYTHONPATH"] == entry.format(folder)


@pytest.mark.parametrize("entries", [":/a", "/a:", "/a::/b"])
def test_an_empty_entry_of_pythonpath_is_left_out(tmp_path, monkeypatch, entries):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", entries)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), "/elsewhere"])
    leave_out_working_directory()
    assert sys.path == ["/elsewhere"]
    assert variables()["PYTHONPATH"] == ":".join(filter(None, entries.split(":")))


@pytest.mark.parametrize("value", [None, ""])
def test_without_pythonpath_the_path_of_an_editable_install_is_kept(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONPATH", value)
    monkeypatch.setattr(sys, "path", ["", "/lib", str(tmp_path)])
    leave_out_working_directory()
    assert sys.path == ["/lib", str(tmp_path)]


def interpreter(version: str) -> str:
    from harness.environments.making import find_python

    return find_python(version) or pytest.skip(f"no Python {version} here")
