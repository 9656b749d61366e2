"""What a run depends on: each thing that changes is noticed by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import REAL, written

import harness
from harness.changed import surroundings
from harness.changed.surroundings import DRAWING, JUDGING_TOO, UNKNOWN, Place, look


def place(folder: Path, python: str = sys.executable) -> Place:
    adapter = written(folder, "# an adapter\n", "adapter.py")
    return Place("made_up", "made_up", python, str(adapter))


def noticed(folder: Path, **options):
    return look([place(folder, **options)], [folder / "cases"])


def test_twice_the_same_is_the_same(tmp_path):
    assert noticed(tmp_path) == noticed(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda package: written(package, "x = 2  # longer\n", "scheduler.py"),
        lambda package: written(package / "inner", "y = 2  # longer\n", "deep.py"),
        lambda package: written(package, "", "another.py"),
        lambda package: (package / "scheduler.py").unlink(),
        lambda package: os.utime(package / "inner" / "deep.py", ns=(1, 1)),
    ],
)
def test_a_module_of_a_framework_that_is_edited_added_removed_or_touched(
    change, tmp_path, monkeypatch
):
    package = tmp_path / "made_up"
    (package / "inner").mkdir(parents=True)
    written(package, "", "__init__.py")
    written(package, "x = 1\n", "scheduler.py")
    written(package / "inner", "y = 1\n", "deep.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = noticed(tmp_path).environments["made_up"]
    change(package)
    now = noticed(tmp_path).environments["made_up"]
    assert {name for name in now if now[name] != before[name]} == {"files of made_up"}
    assert "made_up" not in sys.modules


def test_a_framework_that_is_installed_and_removed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    before = noticed(tmp_path)
    assert before.environments["made_up"]["files of made_up"] == "absent"
    for name, more in (("made_up", "Requires-Dist: its-part (>=1)\n"), ("its_part", "")):
        about = tmp_path / "site" / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{more}"
        written(about, text, "METADATA")
    now = noticed(tmp_path).environments["made_up"]
    assert now["version of made_up"] == now["version of its-part"] == "1.0"
    assert "version of made_up" not in before.environments["made_up"]


def test_another_interpreter_whose_packages_are_unknown_always_counts_as_changed(tmp_path):
    (tmp_path / "bin").mkdir()
    python = written(tmp_path / "bin", "", "python")
    now = noticed(tmp_path, python=str(python)).environments["made_up"]
    assert now["files of made_up"] == UNKNOWN
    assert noticed(tmp_path, python="ssh=host").environments["made_up"] == {"interpreter": UNKNOWN}


def test_variables_by_which_frameworks_are_set(tmp_path, monkeypatch):
    before = noticed(tmp_path)
    monkeypatch.setenv("MAIL", "none")
    assert noticed(tmp_path) == before
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert noticed(tmp_path).for_all != before.for_all


def test_modules_that_judge_are_told_from_those_that_draw(tmp_path):
    suite = tmp_path / "harness"
    shutil.copytree(surroundings.HARNESS, suite, ignore=shutil.ignore_patterns("__pycache__"))

    def now():
        return look([], [], suite=suite)

    before = now()
    for name in ("judge.py", "budget/rounding.py", "reference/cosine.py", "catalogue/facts.py"):
        with (suite / name).open("a") as file:
            file.write("# more\n")
        after = now()
        changed = {n for n in after.for_all if after.for_all[n] != before.for_all[n]}
        assert changed == {f"harness/{name}"}
        assert after.drawing == before.drawing
        before = after
    for name in ("report/summary.py", "report/page/page.css", "console.py"):
        with (suite / name).open("a") as file:
            file.write("\n")
        after = now()
        assert after.for_all == before.for_all
        assert after.drawing != before.drawing
        before = after


def test_what_an_interpreter_keeps_beside_modules_is_no_part_of_the_harness(tmp_path):
    """While a module is compiled, its bytecode has another name for a moment."""
    written(tmp_path, "", "judge.py")
    before = look([], [], suite=tmp_path)
    (tmp_path / "__pycache__").mkdir()
    for name in ("judge.cpython-311.pyc", "judge.cpython-311.pyc.139727251"):
        written(tmp_path / "__pycache__", "compiled", name)
    assert look([], [], suite=tmp_path) == before


def test_what_is_imported_to_judge_is_among_the_modules_that_judge():
    """But for what loads cases, whose content is compared, and what makes the report."""
    code = (
        "import harness.suite, harness.report.model, sys;"
        "print(*(n for n in sys.modules if n.startswith('harness.')))"
    )
    done = subprocess.run(
        [REAL, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    names = [name.removeprefix("harness.") for name in done.stdout.split()]
    drawing = {
        name
        for name in names
        if {name.split(".")[0], f"{name}.py"} & DRAWING
        and f"{name.replace('.', '/')}.py" not in JUDGING_TOO
    }
    loads_or_tells = {"case_files", "coverage", "durations", "errors", "limits", "load"}
    loads_or_tells |= {"files", "naming", "project"}
    assert {name for name in drawing if name.split(".")[0] != "report"} <= loads_or_tells
    root = Path(harness.__file__).parent
    assert {part for part in DRAWING if not (root / part).exists()} == set()
