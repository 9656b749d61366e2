"""Environments are made whole or not at all; packages of a folder stand for a registry."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from harness.environments import declared as declared_module, load_environments, make, remove
from harness.environments.making import find_python
from harness.errors import EnvironmentUnmakable

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


STAND_IN = """\
#!/bin/sh
# An interpreter with a venv and a pip of its own, which take no time and know torch 0.0.1 alone.
here=$(dirname "$0")
case "$*" in
"-I -m venv "*)
    mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && exit ;;
"-I -m pip install "*)
    for wanted; do :; done
    if ! grep -qx torch==0.0.1 "$wanted"; then
        echo "WARNING: not of interest" >&2
        echo "ERROR: No matching distribution found for $(cat "$wanted")" >&2
        exit 1
    fi
    echo "__version__ = '0.0.1'" > "$here/torch.py" && exit ;;
esac
PYTHONPATH=$here exec {python} "$@"
"""


@pytest.fixture(params=["a stand-in", pytest.param("venv and pip", marks=pytest.mark.slow)])
def wheels(request, tmp_path, monkeypatch):
    """A folder with a tiny torch 0.0.1, which is all that pip looks into."""
    if request.param == "a stand-in":
        python = tmp_path / "python"
        python.write_text(STAND_IN.format(python=sys.executable))
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
    folder = tmp_path / "wheels"
    folder.mkdir()
    files = {
        "torch.py": "__version__ = '0.0.1'\n",
        "torch-0.0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n",
        "torch-0.0.1.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "torch-0.0.1.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / "torch-0.0.1-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(declared_module, "FOLDER", tmp_path / "made")


def declared(tmp_path, python=HERE, packages="[torch==0.0.1]"):
    file = tmp_path / "environments.yaml"
    entry = f"{{name: tiny, framework: torch, python: '{python}', packages: {packages}}}"
    file.write_text(f"format: 1\nenvironments:\n  - {entry}\n")
    (found,) = load_environments(file)
    return found


def test_it_is_made_once_and_anew_when_its_packages_change(tmp_path, wheels):
    tiny = declared(tmp_path)
    assert tiny.absence
    assert make(tiny).made
    assert not tiny.absence
    script = "import torch; print(torch.__version__)"
    done = subprocess.run([tiny.path, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0.0.1\n"
    assert not make(tiny).made
    assert make(tiny, anew=True).made
    assert make(declared(tmp_path, packages="[torch==0.0.1, 'torch==0.0.1']")).made
    assert remove(tiny)
    assert not remove(tiny)


def test_packages_that_are_not_there_leave_nothing_behind(tmp_path, wheels):
    tiny = declared(tmp_path, packages="[torch==0.0.2]")
    with pytest.raises(EnvironmentUnmakable, match=r"torch==0\.0\.2") as caught:
        make(tiny)
    assert not caught.value.missing
    assert "WARNING" not in str(caught.value)
    assert not tiny.folder.exists()


def test_a_python_that_is_not_here_is_said(tmp_path, wheels):
    with pytest.raises(EnvironmentUnmakable, match=r"no Python 3\.2 here") as caught:
        make(declared(tmp_path, python="3.2"))
    assert caught.value.missing


def test_an_environment_that_was_broken_off_is_made_anew(tmp_path, wheels):
    tiny = declared(tmp_path)
    tiny.folder.mkdir(parents=True)
    (tiny.folder / "half").touch()
    assert make(tiny).made
    assert not (tiny.folder / "half").exists()


def test_the_python_that_runs_this_is_found():
    assert find_python(HERE) == sys.executable
    assert find_python("3.2") is None


@pytest.fixture
def linked(tmp_path, monkeypatch):
    """An environment in whose place a link to somebody else's folder lies."""
    text = f"""\
format: 1
environments:
  - {{name: old, framework: torch, python: "{HERE}", packages: [torch==0.0.1]}}
"""
    (tmp_path / "environments.yaml").write_text(text)
    (declared,) = load_environments(tmp_path / "environments.yaml")
    monkeypatch.setattr(declared_module, "FOLDER", tmp_path / "made")
    (tmp_path / "made").mkdir()
    theirs = tmp_path / "theirs"
    (theirs / "bin").mkdir(parents=True)
    (theirs / "bin" / "python").symlink_to(sys.executable)
    (theirs / ".made").write_text(f"python {HERE}\ntorch==0.0.1\n")
    return declared, theirs


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("target", ["theirs", "gone", "old"])
def test_a_link_is_not_followed_when_an_environment_is_made(target, anew, linked):
    declared, theirs = linked
    declared.folder.symlink_to(declared.folder.parent.parent / target)
    if target == "old":
        declared.folder.unlink()
        declared.folder.symlink_to(declared.folder)
    before = sorted(theirs.rglob("*"))
    with pytest.raises(EnvironmentUnmakable, match="is a link, which is not followed; remedy"):
        make(declared, anew)
    assert sorted(theirs.rglob("*")) == before
    assert "is a link" in declared.absence


@pytest.mark.parametrize("kind", ["folder", "nothing", "file"])
def test_of_a_link_only_the_link_is_removed(kind, linked, tmp_path):
    declared, theirs = linked
    target = {"folder": theirs, "nothing": tmp_path / "gone", "file": theirs / ".made"}[kind]
    declared.folder.symlink_to(target)
    before = sorted(theirs.rglob("*"))
    assert remove(declared)
    assert not declared.folder.is_symlink()
    assert sorted(theirs.rglob("*")) == before
    assert not remove(declared)
