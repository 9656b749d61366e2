"""What all tests share: how much is drawn, one set of framework workers, a quick interpreter."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.browser import chromium
from helpers.forking import FRAMEWORKS, forking_python
from hypothesis import settings

from harness.workers import Workers, default_environments

# Who starts the tests in the background, or by nohup, has them ignore these; a command that a test
# starts would ignore them too, and not be interrupted.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# How many examples are drawn where a test does not say; `make` names the profile.
for name, examples in {"quick": 20, "test": 50, "all": 100, "nightly": 1_000}.items():
    settings.register_profile(name, max_examples=examples, derandomize=True, deadline=None)
settings.load_profile(os.environ.get("CONFORM_DRAWS", "test"))


def pytest_collection_modifyitems(config, items):
    """Keep the tests of an `xdist_group` in one process.

    xdist knows a group by the end of an id. pytest 9.2 has ids of another kind, which xdist 3.8
    does not write to, so that `--dist loadgroup` has no groups.
    """
    if not config.getoption("loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = type(item._id).parse(f"{item.nodeid}@{mark.args[0]}")


@pytest.fixture(scope="session")
def _forking_python():
    with (
        tempfile.TemporaryDirectory(prefix="forking-") as folder,
        forking_python(Path(folder), FRAMEWORKS) as program,
    ):
        yield program


@pytest.fixture(scope="session")
def plain_interpreter():
    """The path of an interpreter that starts in milliseconds with the harness, numpy and pytest."""
    with (
        tempfile.TemporaryDirectory(prefix="forking-") as folder,
        forking_python(Path(folder)) as program,
    ):
        yield program


@pytest.fixture
def plain_python(plain_interpreter, monkeypatch):
    """The same as `sys.executable`: for fakes, and for commands that start no framework."""
    monkeypatch.setattr(sys, "executable", str(plain_interpreter))
    return plain_interpreter


@pytest.fixture
def quick_python(_forking_python, monkeypatch):
    """An interpreter that starts in milliseconds with the frameworks imported: `sys.executable`.

    What the code under test starts by that name is forked from a process that has imported them.
    """
    monkeypatch.setattr(sys, "executable", str(_forking_python))
    return _forking_python


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all pages of a process."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def framework_workers():
    """Workers of the installed frameworks, started once for all tests of a process."""
    with Workers(default_environments()) as workers:
        workers.environments()
        yield workers
