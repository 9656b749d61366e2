"""Scripts that fork, whose exceptions cannot be shown, and that are killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from helpers.command import REAL, conform_call
from helpers.scripts import late, torch_script, trace_of, wait_for

from harness.cli import main
from harness.errors import ScriptUnusable
from harness.verification import Training, side

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

OTHER_RATE = "o.param_groups[0]['lr'] = 99.0"
FORKS = {
    "a child returns too": f"if os.fork() == 0: {OTHER_RATE}",
    "a child raises": "if os.fork() == 0: raise ValueError('the child')",
    "a child exits": "if os.fork() == 0: raise SystemExit(0)",
    "a child waits": "if os.fork() == 0:\n    import time; time.sleep(0.3)\n    " + OTHER_RATE,
    "the parent waits for it": (
        f"pid = os.fork()\nif pid == 0: {OTHER_RATE}\nelse: os.waitpid(pid, 0)"
    ),
    "many children": "for _ in range(3):\n    if os.fork() == 0: " + OTHER_RATE,
    "multiprocessing": (
        "import multiprocessing as m\n"
        "p = m.get_context('fork').Process(target=print, args=('{\"event\": \"done\"}',))\n"
        "p.start(); p.join()"
    ),
    "a pool": "import multiprocessing as m\np = m.get_context('fork').Pool(2)\np.map(abs, [1, 2])",
}


@pytest.mark.parametrize("forks", FORKS.values(), ids=list(FORKS))
def test_a_child_does_not_answer_for_its_parent(rates_of, forks):
    body = f"import os\no = torch.optim.SGD(parameters(), lr=0.1)\n{forks}\nreturn o"
    rates, trace = rates_of("torch", body, steps=200)
    assert rates == [0.1] * 200
    assert trace.problems == ()


@pytest.mark.parametrize("status", [0, 1, 7])
def test_a_parent_that_leaves_its_child_behind_has_not_answered(rates_of, status):
    body = f"import os\nif os.fork(): os._exit({status})\n"
    with pytest.raises(ScriptUnusable, match=f"the process died with exit status {status}"):
        rates_of("torch", f"{body}return torch.optim.SGD(parameters(), lr=0.1)")


EXCEPTIONS = {
    "str raises": "class E(Exception):\n    def __str__(self): raise RuntimeError('no text')",
    "str exits": "class E(Exception):\n    def __str__(self): raise SystemExit(0)",
    "str is interrupted": "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt",
    "str is a number": "class E(Exception):\n    def __str__(self): return 7",
    "str is None": "class E(Exception):\n    def __str__(self): return None",
    "repr raises": (
        "class Odd:\n    def __repr__(self): raise RuntimeError\n"
        "class E(Exception):\n    def __init__(self): super().__init__(Odd(), Odd())"
    ),
    "repr is bytes": (
        "class Odd:\n    def __repr__(self): return b'odd'\n"
        "class E(Exception):\n    def __init__(self): super().__init__(Odd(), Odd())"
    ),
    "str for ever": "class E(Exception):\n    def __str__(self): return str(self)",
    "half a character": "class E(Exception):\n    def __str__(self): return 'a\\udcff\\ud800'",
    "long": "class E(Exception):\n    def __str__(self): return 'a' * 10**7",
    "no exception at all": "class E(BaseException): pass",
    "a name that is no text": "class E(ImportError):\n    name = Ellipsis",
    "an odd syntax error": (
        "class E(SyntaxError):\n    filename = 'f'; lineno = 'x'; text = ['no', 'text']"
    ),
    "a syntax error of no file": "class E(SyntaxError):\n    filename = 3; text = 4",
    "a group": "E = lambda: ExceptionGroup('a', [ValueError('b')])",
}


@pytest.mark.parametrize("exception", EXCEPTIONS.values(), ids=list(EXCEPTIONS))
@pytest.mark.parametrize("late_", [False, True])
def test_whatever_an_exception_says_is_told_without_a_traceback(script, exception, late_):
    text = f"{exception}\n" + (late("raise E()") if late_ else "def build():\n    raise E()\n")
    path = script(text, "raises.py")
    good = script(torch_script("return torch.optim.SGD(parameters(), lr=0.1)"), "good.py")
    arguments = ["verify", "--torch", good, "--torch", path, "--steps", "60"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == (1 if late_ else 2), result.output
    assert "Traceback" not in result.output
    assert "raises.py:build" in result.output
    assert "in step" in result.output if late_ else "in build" in result.output
    assert len(result.output) < 4000


NAMES = {
    "repr raises": "def __repr__(self): raise RuntimeError",
    "repr exits": "def __repr__(self): raise SystemExit(0)",
    "repr is a number": "def __repr__(self): return 7",
    "module is a number": "__module__ = 7",
}


@pytest.mark.parametrize("odd", NAMES.values(), ids=list(NAMES))
@pytest.mark.parametrize("returned", ["o, Odd()", "{'optimizer': o, 'per': Odd()}", "{Odd(): o}"])
def test_an_object_that_cannot_be_shown_is_named_by_its_type(rates_of, odd, returned):
    body = f"class Odd:\n    {odd}\no = torch.optim.SGD(parameters(), lr=0.1)\nreturn {returned}"
    with pytest.raises(ScriptUnusable) as raised:
        rates_of("torch", body)
    assert "Odd" in str(raised.value)
    assert "remedy" in str(raised.value)


MARK = "CONFORM_VERIFY_TEST"
BREEDING = """\
import os, subprocess, sys
open("started%d" % os.getpid(), "w")
subprocess.Popen(["sleep", "1000"])
if os.fork() == 0:
    import time
    time.sleep(1000)
import torch

def build():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
"""
MOMENTS = [0.05, 0.3, 0.6, 1.0, "started"]


def marked(mark: str) -> list[psutil.Process]:
    """The processes that were started for this test."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def begun(folder: Path) -> subprocess.Popen:
    """`conform verify` of the two scripts in a folder, which ends only if it is ended."""
    (folder / "tmp").mkdir()
    return subprocess.Popen(
        conform_call("verify", "--torch", "one.py", "--torch", "two.py", "--steps", 10**9),
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), MARK: str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_killed_one_leaves_nothing_behind(tmp_path, monkeypatch, how, moment):
    monkeypatch.setattr(sys, "executable", REAL)
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(BREEDING)
    process = begun(tmp_path)
    if moment == "started":
        wait_for(lambda: len(list(tmp_path.glob("started*"))) == 2)
    else:
        time.sleep(moment)
    process.send_signal(how)
    try:
        process.wait(timeout=30)
    finally:
        process.kill()
    if how in (signal.SIGINT, signal.SIGTERM):
        assert not marked(str(tmp_path))
    wait_for(lambda: not marked(str(tmp_path)))
    assert not list((tmp_path / "tmp").glob("conform-verify-*"))


@pytest.mark.slow
def test_one_whose_other_has_ended_long_ago_cleans_up_for_both(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", REAL)
    (tmp_path / "one.py").write_text(BREEDING)
    (tmp_path / "two.py").write_text("import torch\ndef build(): return [0.1] * 9\n")
    process = begun(tmp_path)
    events = "conform-verify-*/second/events.jsonl"
    wait_for(lambda: any("unusable" in p.read_text() for p in (tmp_path / "tmp").glob(events)))
    process.kill()
    process.wait(timeout=30)
    wait_for(lambda: not marked(str(tmp_path)))
    assert not list((tmp_path / "tmp").glob("conform-verify-*"))


def test_what_a_script_starts_ends_with_it(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(MARK, str(tmp_path))
    trace = trace_of(side("torch", script(BREEDING)), Training(5))
    assert len(trace.steps) == 5
    wait_for(lambda: [p for p in marked(str(tmp_path)) if p.pid != os.getpid()] == [])
