"""The drivers run in interpreters of the user's choice: older ones, without the harness."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.verification.running import DRIVER

SOURCES = sorted(path for path in DRIVER.parent.glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_they_import_the_standard_library_numpy_and_one_framework_only(path):
    framework = path.stem.removesuffix("_driver")
    allowed = {*sys.stdlib_module_names, "numpy", framework}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        if isinstance(node, ast.ImportFrom):
            theirs = {path.stem for path in SOURCES} if node.level == 1 else allowed
            assert node.level < 2
            assert node.module.partition(".")[0] in theirs


def test_what_is_compiled_has_nothing_that_mindspore_2_0_does_not_compile():
    source = (DRIVER.parent / "mindspore_driver.py").read_text()
    compiled = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "step_once"
    ]
    assert len(compiled) == 1
    assert not any(isinstance(node, ast.AnnAssign) for node in ast.walk(compiled[0]))


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_they_are_understood_by_every_python_that_is_here(version, tmp_path):
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    code = "import sys\nfor path in sys.argv[1:]: compile(open(path).read(), path, 'exec')"
    subprocess.run([python, "-c", code, *SOURCES], check=True)


def _python(version: str) -> str | None:
    """An interpreter of that version, by its name or where pyenv keeps it."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")
