"""Adapters travel: to other interpreters, older Pythons, other machines."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from harness import adapters
from harness.adapters import ADAPTERS, PLANTING, supervisor, worker

SOURCES = {
    **ADAPTERS,
    "planting": PLANTING,
    "worker": Path(worker.__file__),
    "supervisor": Path(supervisor.__file__),
}
RECORDER = "lr_recorder.py"


@pytest.mark.parametrize("name", SOURCES)
def test_it_imports_the_standard_library_numpy_and_its_framework_only(name):
    allowed = {*sys.stdlib_module_names, "numpy", name}
    tree = ast.parse(SOURCES[name].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module.partition(".")[0] in allowed


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_python_3_8(name):
    ast.parse(SOURCES[name].read_text(), feature_version=(3, 8))


def test_the_harness_never_imports_a_framework():
    package = Path(adapters.__file__).parent.parent
    for path in package.rglob("*.py"):
        # What runs beside a framework: adapters, drivers, and the recorder in a user's training.
        if path in SOURCES.values() or path.parent.name == "drivers" or path.name == RECORDER:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & set(ADAPTERS), path
