"""Two processes side by side, one for each script, and what has been seen of them so far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from harness.catalogue import Precision
from harness.comparison import REPORTED
from harness.errors import NothingToRun, ScriptUnusable, did_you_mean
from harness.reference.arithmetic import Float64
from harness.traces.trace import Header, Trace
from harness.verification.side import Side

DRIVER = Path(__file__).with_name("drivers") / "driver.py"
TIME_LIMIT = 120.0
"""Seconds that a script may take for nothing new to be seen of it."""
POLL_SECONDS = 0.05
LAST_LINES = 12


@dataclass(frozen=True)
class Training:
    """What both scripts are put through.

    `steps` is the number of updates; `resume_at` the updates before which the training goes on in
    new objects, as it does when it is started again.
    """

    steps: int
    steps_per_epoch: int = 1
    resume_at: tuple[int, ...] = ()
    applied: bool = True


@dataclass
class Running:
    """A script's process, which writes into a folder of its own."""

    side: Side
    training: Training
    time_limit: float
    folder: Path
    """Where it writes; the process makes an end of the folder above it if this one is killed."""
    started: dict[str, Any] | None = None
    ended: str | None = None
    """How it ended, if not as due: a sentence."""
    done: bool = False
    notes: list[str] = field(default_factory=list)
    precision: dict[str, str] = field(default_factory=dict)
    _read: int = 0
    _grown: tuple[int, float] = (-1, 0.0)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        request = {
            "framework": self.side.framework,
            "place": str(Path(self.side.place).absolute())
            if self.side.is_file
            else self.side.place,
            "function": self.side.function,
            "is_file": self.side.is_file,
            "stepping": self.side.stepping,
            "mode": self.side.mode,
            "steps": self.training.steps,
            "steps_per_epoch": self.training.steps_per_epoch,
            "resume_at": list(self.training.resume_at),
            "applied": self.training.applied,
            "parent": os.getpid(),
        }
        (self.folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        with (self.folder / "output.txt").open("wb") as output:
            try:
                self._process = subprocess.Popen(
                    [self.side.python, str(DRIVER), str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that what it starts ends with it
                )
            except OSError as error:
                raise NothingToRun(f"{self.side.python} cannot be started: {error}") from error
        self._grown = (-1, time.monotonic())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process and those that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, why: str) -> None:
        """End it, as nothing more is to be learnt of it."""
        self.kill()
        self.ended = why

    @property
    def updates(self) -> int:
        """How many updates have been seen in every sequence."""
        return min(self.observed().values(), default=0)

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        return not self.done and self.ended is None

    def observed(self, first: int | None = None) -> dict[str, int]:
        """How many rates of each sequence have been seen, or how many of the `first`."""
        counts = {name: size // 8 for name, size in self._sizes().items()}
        return {
            name: count if first is None else min(count, first) for name, count in counts.items()
        }

    def _sizes(self) -> dict[str, int]:
        return {path.stem: path.stat().st_size for path in self.folder.glob("*.f8")}

    def look(self) -> None:
        """Take in what is new.

        Raises:
            ScriptUnusable: it cannot be run at all.
            NothingToRun: its interpreter lacks the framework.
        """
        if not self.is_running:
            return
        over = self._process.poll() is not None  # asked first, so that its last words are read
        for event in self._events():
            self._take(event)
        if not self.is_running:
            self.kill()
        elif over:
            status = _exit_status(self._process.returncode)
            if not (self.folder / "events.jsonl").exists():
                raise NothingToRun(
                    f"{self.side.python}, which was to run {self.side.source}, could not be "
                    f"started: it ended{status}{self._last_words()}"
                )
            self._end(f"the process died{status}{self._last_words()}")
        else:
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        size, now = self._read + sum(self._sizes().values()), time.monotonic()
        if size != self._grown[0]:
            self._grown = (size, now)
        elif now - self._grown[1] > self.time_limit:
            self.kill()
            hint = (
                ""
                if self.started
                else "; does it train when it is imported? Put that under "
                "`if __name__ == '__main__':`"
            )
            self._end(
                f"nothing came of it for {self.time_limit:g} s, it was killed{hint}"
                + self._last_words()
            )

    def _events(self) -> Iterator[dict[str, Any]]:
        with suppress(FileNotFoundError), (self.folder / "events.jsonl").open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                yield json.loads(line)

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "started":
                self.started = event
            case "note":
                self.notes.append(event["text"])
            case "precision":
                self.precision[event["name"]] = event["precision"]
            case "done":
                self.done = True
            case "unusable" if "known" in event:
                known = [name for name in event["known"] if not name.startswith("_")]
                there = f"; there are: {', '.join(known)}" if known else ""
                hint = did_you_mean(self.side.function, known) or there
                self._end(f"there is no function {self.side.function!r}{hint}")
            case "unusable":
                self._end(event["what"])
            case "failed":
                if event["missing"] in (self.side.framework, "numpy") and not self.started:
                    raise NothingToRun(
                        f"{self.side.python}, which was to run {self.side.source}, has no "
                        f"{event['missing']}: {event['text']}"
                    )
                self._end(_told(event))

    def _end(self, how: str) -> None:
        self.ended = how
        if self.updates:
            return
        raise ScriptUnusable(f"{self.side.source}: {how}")

    def _last_words(self) -> str:
        printed = (self.folder / "output.txt").read_text("utf-8", errors="replace").splitlines()
        return "".join(f"\n    | {line}" for line in printed[-LAST_LINES:])

    def trace(self, first: int | None = None) -> Trace:
        """What was seen, or the `first` updates of it; a rate that is not known is NaN."""
        started = self.started or {}
        count = -1 if first is None else first
        sequences = {
            name: np.fromfile(self.folder / f"{name}.f8", dtype="<f8", count=count)
            for name in sorted(self._sizes(), key=_order)
        }
        length = max((len(rates) for rates in sequences.values()), default=0)
        precision = {name: Precision(self.precision[name]) for name in sequences}
        problems = list(self.notes)
        if self.ended:
            problems.append(
                f"it ended after {length:,} of {self.training.steps:,} updates: {self.ended}"
            )
        return Trace(
            header=Header(
                source=self.side.source,
                framework=self.side.framework,
                framework_version=started.get("version"),
                device=started.get("device"),
                optimizer=started.get("optimizer"),
                scheduler=" + ".join(started.get("schedulers", ())) or None,
                steps_per_epoch=self.training.steps_per_epoch,
            ),
            steps=np.arange(length, dtype=np.int64),
            sequences={name: _padded(rates, length) for name, rates in sequences.items()},
            precision=precision,
            problems=tuple(problems),
            resumed=tuple(step for step in self.training.resume_at if step < length),
            rounded_once=started.get("rounded_once", False),
        )

    def stepped(self) -> str:
        """How its schedule is driven, in words."""
        when = (self.started or {}).get("when") or []
        words = [_when(unit, often, self.training.steps_per_epoch) for unit, often in when]
        return ", ".join(dict.fromkeys(words)) or "looked up at each update"


def both(
    sides: tuple[Side, Side], training: Training, time_limit: float = TIME_LIMIT
) -> Generator[tuple[Running, Running], None, None]:
    """Run both, and yield them again and again while there is something new, and once at the end.

    Leaving the iteration ends the processes. What was seen has to be taken before the last turn is
    over.

    Raises:
        ScriptUnusable: one of them cannot be run.
        NothingToRun: an interpreter is not there, or lacks its framework.
    """
    stack = ExitStack()
    try:
        with _uninterrupted():
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="conform-verify-", ignore_cleanup_errors=True)
            )
            one, other = (
                stack.enter_context(Running(side, training, time_limit, Path(folder, name)))
                for side, name in zip(sides, ("first", "second"), strict=True)
            )
        seen = (-1, -1)
        while True:
            one.look()
            other.look()
            now = (one.updates, other.updates)
            if now != seen or not (one.is_running or other.is_running):
                seen = now
                yield one, other
            if not (one.is_running or other.is_running):
                return
            time.sleep(POLL_SECONDS)
    finally:
        with _uninterrupted():
            stack.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off what a signal asks until the end, so that all that was begun is known by then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    kept = {number: signal.signal(number, lambda n, _: came.append(n)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        for one in dict.fromkeys(came):
            signal.raise_signal(one)


def _told(event: dict[str, Any]) -> str:
    """An exception, with the frames that are the user's."""
    lines = [event["text"]]
    for file, line, function, text in event["frames"]:
        where = f", in {function}" if function else ""
        lines.append(f"    {file}:{line}{where}\n        {text}")
    if event["raised_in"]:
        lines.append(f"    raised in {event['raised_in']}")
    return "\n".join(lines)


def _exit_status(status: int) -> str:
    if status >= 0:
        return f" with exit status {status}"
    return f" of signal {-status} ({signal.Signals(-status).name})"


def _order(name: str) -> tuple[int, str]:
    kind, _, number = name.partition(" ")
    return int(number or 0), "" if kind == REPORTED else kind


def _when(unit: str, often: int, updates: int) -> str:
    if unit == "step":
        return "stepped after each update" if often == 1 else f"stepped every {often} updates"
    if updates == 1:
        each = "after each update" if often == 1 else f"every {often} updates"
        return f"stepped {each} (an epoch has one)"
    return f"stepped once {'an epoch' if often == 1 else f'in {often} epochs'} of {updates} updates"


def _padded(rates: Float64, length: int) -> Float64:
    return np.concatenate([rates, np.full(length - len(rates), np.nan)])
