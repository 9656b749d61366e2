"""Every command where the machine lacks something: a clear line, and no fault of the suite."""

from __future__ import annotations

import errno
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from helpers.command import HALVING, written
from helpers.draws import every
from helpers.fake_workers import API, spec
from helpers.gating import judgement, report
from rich.text import Text

from harness import console, faults, output
from harness.cli import main
from harness.gate import baseline_of, write
from harness.report import json_file

CASE = f"format: 1\ncases:\n{HALVING}    implementations: [{API}]\n"
SCRIPT = (
    "from torch import nn, optim\n"
    "optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)\n"
    "scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)\n"
)
COMMANDS = {
    "report": "report report.json --report drawn",
    "gate": "gate report.json --baseline baseline.json",
    "baseline update": "baseline update report.json --baseline baseline.json",
    "environments list": "environments list",
    "environments create": "environments create none*",
    "environments remove": "environments remove none*",
    "migrate": "migrate train.py",
    "compare": "compare a.csv a.csv",
    "recorder": "recorder",
    "check": "check cases",
    "list cases": "list cases cases",
    "list implementations": "list implementations",
    "schema": "schema case",
    "document": "document mapping",
    "run": "run cases",
    "explain": "explain halves --cases cases",
    "doctor": "doctor",
    "list targets": "list targets",
    "fuzz": "fuzz --examples 2 --seed 1 --family exponential",
    "strength": "strength --module none",
    "verify": "verify --torch train.py --mindspore train.py --steps 2",
}
PYTHON = sys.executable
"""A real one: what stands in for it elsewhere is a client of a process in good surroundings."""
START_FRAMEWORKS = {"run", "explain", "doctor", "list targets", "fuzz", "strength", "verify"}
ALONE = [name for name in COMMANDS if name not in START_FRAMEWORKS]
WITH_A_FAKE = [*ALONE, "run", "explain", "list targets"]
ENDS = {0, 1, 2, 3}


def leaves(command: click.Command, path: tuple[str, ...] = ()):
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from leaves(below, (*path, name))
    else:
        yield " ".join(path)


def test_no_command_is_forgotten():
    assert set(COMMANDS) == set(leaves(main))


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """What the commands are about."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "cases").mkdir()
    written(folder / "cases", CASE)
    written(folder, SCRIPT, "train.py")
    written(folder, "step,lr\n0,0.5\n1,0.25\n", "a.csv")
    made = report(judgement())
    written(folder, json_file.render(made), "report.json")
    write(baseline_of(made), folder / "baseline.json")
    return folder


@pytest.fixture
def place(furnished, tmp_path, monkeypatch):
    """A folder with them, to be in."""
    here = tmp_path / "here"
    shutil.copytree(furnished, here)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def fake(monkeypatch, plain_python):
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])


@pytest.fixture(scope="module")
def usual():
    """How each command ends where nothing is lacking: found out once."""
    return {}


@pytest.fixture(autouse=True)
def _usual(request, usual, monkeypatch):
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    if name is not None and "usual" in request.fixturenames and name not in usual:
        request.getfixturevalue("fake")
        request.getfixturevalue("place")
        with pytest.MonkeyPatch.context() as patch:
            usual[name] = ended(name, patch, io.StringIO())[0]


def ended(name: str, monkeypatch, out, err=None) -> tuple[int, str]:
    """How a command ends in this process, writing to `out`; and what it says on standard error."""
    err = err or io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as end:
            main(COMMANDS[name].split(), prog_name="conform")
    said = err.getvalue()
    assert "Traceback" not in said, said
    return end.value.code or 0, said


def is_one_line(said: str, *words: str) -> bool:
    """Whether the last line has the words, and the command says it once."""
    lines = [line for line in said.splitlines() if line.startswith("conform: ")]
    return len(lines) == 1 and all(word in lines[0] for word in words)


def closed_pipe():
    there, here = os.pipe()
    os.close(there)
    return os.fdopen(here, "w")


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        (
            lambda: os.fdopen(os.open("/dev/full", os.O_WRONLY), "w"),
            ("No space left on device", "free some space"),
        ),
        (lambda: None, ("Bad file descriptor", "give it a place to write")),
        (closed_pipe, None),
    ],
    ids=["a full disk", "a closed descriptor", "a reader that has read enough"],
)
@pytest.mark.parametrize("name", WITH_A_FAKE)
def test_a_standard_output_that_cannot_be_written(
    name, opened, words, place, fake, monkeypatch, usual
):
    out = opened()
    code, said = ended(name, monkeypatch, out)
    if out is not None:
        out.close()
    if usual[name] or words is None:
        assert code == usual[name]
        assert "standard output" not in said
    else:
        assert code == 2
        assert is_one_line(said, "cannot write to standard output", *words), said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
@pytest.mark.parametrize("name", WITH_A_FAKE)
def test_a_terminal_that_lacks_characters(name, encoding, place, fake, monkeypatch, usual):
    for file in ("cases/a.yaml", "train.py"):
        path = Path(file)
        path.write_text(f"# é→学\n{path.read_text()}", encoding="utf-8")
    text = Path("cases/a.yaml").read_text(encoding="utf-8")
    Path("cases/a.yaml").write_text(text.replace("rate halves", "rate → 学"), encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    code, said = ended(name, monkeypatch, out)
    assert code == usual[name], said
    out.flush()
    if name == "list cases":
        assert rb"\u5b66" in out.buffer.getvalue()


@pytest.mark.parametrize("name", WITH_A_FAKE)
def test_a_folder_that_was_deleted(name, place, fake, monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as end:
        main(COMMANDS[name].split(), prog_name="conform")
    os.chdir(tmp_path)
    assert end.value.code == 2
    said = "the current folder was deleted; go to another one (cd)"
    assert is_one_line(err.getvalue(), said) or "does not exist" in err.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", ["check", "compare", "schema", "list cases"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory; free some"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory; free some"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n 1024"),
        (OSError(errno.ENFILE, "Too many open files in system"), "ulimit -n 1024"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "x: No space left on device; free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "x: Disk quota exceeded; free"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "x: Read-only file system; write els"),
        (OSError(errno.EIO, "Input/output error", "x"), "x: Input/output error; check the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "x: Permission denied; change"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), "x: Is a directory; put a file"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "x"), "put a folder in its place"),
        (RuntimeError("can't start new thread"), "too many processes or threads"),
        (ImportError("x.so: failed to map segment from shared object"), "not enough memory"),
        (ImportError("x.so: cannot open shared object file: Too many open files"), "ulimit -n"),
    ],
)
def test_a_fault_of_the_machine_wherever_it_strikes(name, error, said, place, monkeypatch):
    def strike(*_, **__):
        raise error

    for function in (
        "harness.index.index",
        "harness.cli.compare.sides",
        "harness.load.schema_text",
    ):
        monkeypatch.setattr(function, strike)
    code, told = ended(name, monkeypatch, io.StringIO())
    assert code == 2
    assert is_one_line(told, said), told


@pytest.mark.parametrize(
    "cause",
    [MemoryError(), OSError(errno.EMFILE, "x"), ImportError("x: cannot allocate memory")],
)
def test_a_limit_that_a_library_tells_in_other_words(cause):
    for kind in (ImportError, ValueError, RuntimeError):
        try:
            try:
                raise cause
            except Exception as error:
                raise kind("do not import it from its source folder") from error
        except kind as error:
            assert faults.fault(error) == faults.fault(cause) != ""


def test_a_defect_of_the_suite_still_is_one(place, monkeypatch):
    monkeypatch.setattr("harness.load.schema_text", lambda: 1 / 0)
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as end:
        main(["schema", "case"], prog_name="conform")
    assert end.value.code == 70
    assert "ZeroDivisionError" in err.getvalue()


@pytest.mark.parametrize("name", sorted({name for name in COMMANDS if name in {"run", "compare"}}))
def test_an_interruption_leaves_no_folder(name, place, fake, monkeypatch):
    shutil.rmtree(place / "reports", ignore_errors=True)  # an earlier report would keep the note
    before = sorted(place.rglob("*"))
    target = "harness.suite.run" if name == "run" else "harness.cli.compare.sides"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(target, interrupted)
    code, said = ended(name, monkeypatch, io.StringIO())
    assert code == 130
    assert is_one_line(said, "interrupted")
    assert sorted(place.rglob("*")) == before


def test_what_a_terminal_would_obey_is_shown():
    text = "a\x1b[2Jb\x07\r\x9b31m\x7f\u202e\u2066\u200b\u2028c\n\td"
    assert output.neutral(text) == "a␛[2Jb␇␍�31m␡����c\n\td"
    for command in ("::error::x", "  ::set-env name=a::b", "\t::stop-commands::x", ":::a"):
        assert not output.neutral(f"x\n{command}").splitlines()[1].strip().startswith("::")
    for command in ("##[group]x", "##vso[task]x", "a ##teamcity[b]"):
        assert "##" not in output.neutral(command)
    assert output.neutral("torch::cpu a: b ## c") == "torch::cpu a: b ## c"


@pytest.mark.parametrize("parts", [["::", "error::x"], ["  ", "::error"], [":", ":error"], ["a"]])
def test_a_line_that_is_written_in_parts(parts, capsys):
    with output.guarded():
        for part in parts[:-1]:
            print(part, end="")
        print(parts[-1])
    said = capsys.readouterr().out
    assert not said.strip().startswith("::") or parts[0] == ":", said


def test_rich_shows_it_too_and_keeps_its_own_colours(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with output.guarded():
        shown = console.PipeConsole()
        shown.print(Text("bad\x1b[2J\u202e\n::error::x", style="red"))
    said = capsys.readouterr().out
    assert "\x1b[31m" in said
    assert "bad␛[2J�" in said
    assert "\x1b[2J" not in said
    assert "::error" not in said.splitlines()[1].removeprefix("\x1b[31m")[:8]


def test_words_of_a_library_that_tell_of_a_limit():
    assert faults.limit_in("OSError: [Errno 24] Too many open files: 'x'") == faults.HANDLES
    assert faults.limit_in("std::bad_alloc") == faults.MEMORY
    assert faults.limit_in("RuntimeError: can't start new thread") == faults.PROCESSES
    assert faults.limit_in("ValueError: 3") == ""


# In processes of their own


def process(words: str, place: Path, **options) -> subprocess.Popen:
    """`conform`, which has begun."""
    code = "import harness.__main__ as m; print('begun', flush=True); m.main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    begun = subprocess.Popen([PYTHON, "-c", code, *words.split()], cwd=place, **pipes)
    if pipes["stdout"] == subprocess.PIPE:
        begun.stdout.readline()
    return begun


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_sixteen_file_handles(name, place):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    handles = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, limit))  # noqa: E731
    running = process(COMMANDS[name], place, preexec_fn=handles)
    _, said = running.communicate(timeout=300)
    assert running.returncode in ENDS, said
    assert "fault of the suite" not in said
    assert "Traceback" not in said or "ulimit -n" in said, said


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COMMANDS)[:: every(4)])
def test_all_at_once_in_a_process_of_its_own(name, place):
    """A full disk, ASCII and the C locale; then a folder that was deleted; then a closed output."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}
    with Path("/dev/full").open("w") as full:
        running = process(COMMANDS[name], place, env=environment, stdout=full)
        _, said = running.communicate(timeout=300)
    assert running.returncode in ENDS - {0}, said
    assert "fault of the suite" not in said
    running = process(COMMANDS[name], place, preexec_fn=lambda: _made("gone").rmdir())
    _, said = running.communicate(timeout=300)
    assert running.returncode == 2, said
    running = process(COMMANDS[name], place, preexec_fn=lambda: (os.close(1), os.close(2)))
    running.communicate(timeout=300)
    assert running.returncode in ENDS, said


def _made(name: str) -> Path:
    """A new folder, which the process goes to."""
    path = Path(name).resolve()
    path.mkdir()
    os.chdir(path)
    return path


_RANDOM = random.Random(20261130)
MOMENTS = [round(_RANDOM.uniform(0, 2), 3) for _ in range(20)]
LONGEST = "run"
"""What is interrupted more often than the others; at night each is, at every one of the moments."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "moment"),
    [
        (name, moment)
        for name in sorted(COMMANDS)
        for moment in MOMENTS[:: every(4 if name == LONGEST else 20)]
    ],
)
def test_an_interruption_at_any_moment(name, moment, place, tmp_path):
    shutil.rmtree(place / "reports", ignore_errors=True)
    before = sorted(place.rglob("*"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    running = process(COMMANDS[name], place, env=environment)
    time.sleep(moment)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    if running.returncode in ENDS:  # it was ready before
        return
    assert running.returncode in {130, -signal.SIGINT}, said
    assert "Traceback" not in said, said
    deadline = time.monotonic() + 5  # a worker's folder is removed by its supervisor
    while list(scratch.glob("conform-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(scratch.glob("conform-*"))
    left = [path for path in sorted(place.rglob("*")) if path not in before]
    assert not left or name == "fuzz", left


CALLBACKS = {
    "a weak reference": "one = A(); kept = weakref.ref(one, interrupt); del one",
    "__del__": "A.__del__ = interrupt; one = A(); del one",
    "the garbage collector": "gc.callbacks.append(interrupt); gc.collect()",
}


@pytest.mark.parametrize("where", CALLBACKS)
def test_an_interruption_inside_a_callback_is_not_lost(where):
    program = (
        "import gc, os, signal, time, weakref\n"
        "import harness.__main__ as begun, harness.cli\n"
        "class A: pass\n"
        "def interrupt(*_):\n"
        "    gc.callbacks.clear()\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(0.1)\n"
        "def main(**_):\n"
        f"    {CALLBACKS[where]}\n"
        "    time.sleep(60)\n"
        "harness.cli.main = main\n"
        "begun.main()\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (130, "conform: interrupted\n")
