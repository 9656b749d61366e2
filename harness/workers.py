"""Environments and their processes: a worker or several each, replaced when they crash or hang.

The worker answers in the order of the requests, so the trial at the head of what it was sent is
the one that it is busy with: that one is lost when the worker dies or takes too long, and no other.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import execnet
import numpy as np

from harness.adapters import ADAPTERS, worker as worker_module
from harness.case import ScheduleCase
from harness.catalogue import Made, Named, Other
from harness.limits import TIME_LIMIT
from harness.observation import Lost, Observation, Parameter, Raised, Sequence
from harness.plan import Environment, Trial

IN_FLIGHT = 4
"""Requests that a worker is sent ahead: enough that it never waits, few enough for any pipe."""
START_LIMIT = 300.0
"""Seconds that a framework may take to be imported."""
MAX_STARTS_IN_VAIN = 2
WORTH_A_PROCESS = 100
"""Trials that are waiting for an environment before another process is started for them."""

_END = object()


@dataclass(frozen=True)
class EnvironmentSpec:
    """Where an environment is: an interpreter, and the adapter for one framework."""

    name: str
    framework: str
    python: str = sys.executable
    adapter: Path | None = None
    processes: int = 1
    beside: dict[str, str] = field(default_factory=dict)

    @property
    def adapter_source(self) -> Path:
        """The adapter's file."""
        return self.adapter or ADAPTERS[self.framework]

    @property
    def files(self) -> dict[str, str]:
        """What lies in the worker's folder, by name: the adapter, and what is given beside it."""
        source = self.adapter_source
        return {source.name: source.read_text(encoding="utf-8"), **self.beside}


def default_environments() -> list[EnvironmentSpec]:
    """Each framework in the interpreter that runs the harness.

    torch steps a schedule in microseconds, MindSpore in milliseconds: it is given the cores.
    """
    processes = {"mindspore": max(1, min(4, os.cpu_count() or 1))}
    return [EnvironmentSpec(name, name, processes=processes.get(name, 1)) for name in ADAPTERS]


class Workers:
    """The workers of one run. Use as a context manager: leaving it ends every process."""

    def __init__(
        self,
        specs: Iterable[EnvironmentSpec],
        time_limit: float = TIME_LIMIT,
        start_limit: float = START_LIMIT,
    ) -> None:
        self._specs = list(specs)
        self._time_limit, self._start_limit = time_limit, start_limit
        self._group = execnet.Group()
        self._events: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()
        self._workers: dict[str, _Worker] = {}
        self._more: dict[str, Any] = {}
        self.incidents: list[str] = []
        """Deaths that cost no trial, as sentences: those of workers that were only starting."""

    def __enter__(self) -> Workers:
        try:
            for spec in self._specs:
                self._start(spec)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def environments(self) -> list[Environment]:
        """What each environment says of itself, once all of them have started or failed to."""
        for spec in self._specs:
            while self._workers[spec.name].environment is None:
                for _ in self._handle_next_event():
                    raise AssertionError("no trial was sent yet")  # pragma: no cover
        environments = (self._workers[spec.name].environment for spec in self._specs)
        return [environment for environment in environments if environment is not None]

    def run(
        self, trials: Iterable[Trial], more: dict[str, Any] | None = None
    ) -> Iterator[tuple[Trial, Observation | Lost]]:
        """Run `trials` in their environments, and yield each as soon as its answer is there.

        While the caller judges one, the workers go on. `more` is what every request says beside
        what its trial needs.
        """
        self._more = more or {}
        for trial in trials:
            self._workers[trial.target.environment].pending.append(trial)
        for worker in list(self._workers.values()):
            self._feed(worker)
        for spec in self._specs:
            self._start_more(spec)
        while any(worker.pending or worker.sent for worker in self._workers.values()):
            yield from self._handle_next_event()

    def _handle_next_event(self) -> Iterator[tuple[Trial, Observation | Lost]]:
        busy = [worker for worker in self._workers.values() if worker.is_busy]
        # Where nobody is, a worker has died before it was sent anything, and its end is to come.
        deadlines = (worker.since + self._limit(worker) for worker in busy)
        left = min(deadlines, default=time.monotonic() + self._start_limit) - time.monotonic()
        try:
            worker, message = self._events.get(timeout=max(0.0, left))
        except queue.Empty:
            for worker in busy:
                if time.monotonic() >= worker.since + self._limit(worker):
                    yield from self._replace(worker, timed_out=True)
            return
        if self._workers.get(worker.slot) is not worker:
            return  # the last words of a worker that was replaced
        if message is _END:
            yield from self._replace(worker, timed_out=False)
        elif worker.environment is None:
            self._greet(worker, message)
        else:
            trial = worker.sent.popleft()
            worker.since = time.monotonic()
            self._feed(worker)
            yield trial, _observation(message)

    def _limit(self, worker: _Worker) -> float:
        return self._start_limit if worker.environment is None else self._time_limit

    def _greet(self, worker: _Worker, message: dict[str, Any]) -> None:
        if "pid" in message:
            worker.pid, worker.folder = message["pid"], Path(message["folder"])
            return
        worker.environment = _environment(worker.spec, message)
        self._feed(worker)

    def _feed(self, worker: _Worker) -> None:
        if worker.environment is None or worker.environment.failure:
            return
        while worker.pending and len(worker.sent) < IN_FLIGHT:
            trial = worker.pending[0]
            try:
                worker.channel.send({**request(trial), **self._more})
            except OSError:
                return  # it is dead: the end of its channel is on its way
            if not worker.sent:
                worker.since = time.monotonic()
            worker.sent.append(worker.pending.popleft())

    @property
    def processes(self) -> dict[str, int]:
        """How many processes each environment has had side by side."""
        return {
            spec.name: sum(worker.spec is spec for worker in self._workers.values())
            for spec in self._specs
        }

    def _start_more(self, spec: EnvironmentSpec) -> None:
        """As many processes as the environment may have and the waiting trials are worth."""
        first = self._workers[spec.name]
        if first.environment is None or first.environment.failure:
            return
        worth = 1 + len(first.pending) // WORTH_A_PROCESS
        for number in range(2, min(spec.processes, worth) + 1):
            slot = f"{spec.name} {number}"
            if slot not in self._workers:
                self._start(spec, slot, pending=first.pending)

    def _start(
        self,
        spec: EnvironmentSpec,
        slot: str | None = None,
        starts: int = 1,
        pending: deque[Trial] | None = None,
    ) -> _Worker:
        gateway = self._group.makegateway(
            f"popen//python={spec.python}//execmodel=main_thread_only"
            if spec.python != sys.executable
            else "popen//execmodel=main_thread_only"
        )
        channel = gateway.remote_exec(worker_module)
        waiting: deque[Trial] = deque() if pending is None else pending
        worker = _Worker(spec, slot or spec.name, gateway, channel, starts, waiting)
        self._workers[worker.slot] = worker
        channel.setcallback(lambda message: self._events.put((worker, message)), endmarker=_END)
        with suppress(OSError):  # it is dead: the end of its channel is on its way
            channel.send({"module": spec.adapter_source.stem, "files": spec.files})
        return worker

    def _replace(
        self, worker: _Worker, timed_out: bool
    ) -> Iterator[tuple[Trial, Observation | Lost]]:
        """Bury `worker`, give its head trial up, and go on with the rest in a new one."""
        started = worker.environment is not None
        reason = worker.cause_of_death(timed_out, self._limit(worker))
        printed = worker.last_words()
        worker.kill()
        if started and worker.sent:
            trial = worker.sent.popleft()
            seconds = time.monotonic() - worker.since
            yield trial, Lost(timed_out, reason, printed, seconds)
        pending = worker.pending  # which it shares with the environment's other processes
        pending.extendleft(reversed(worker.sent))
        worker.sent.clear()
        in_vain = 0 if started else worker.starts
        if not started and in_vain >= MAX_STARTS_IN_VAIN and worker.slot != worker.spec.name:
            self.incidents.append(f"{worker.slot}: could not be started: {reason}")
            del self._workers[worker.slot]
        elif not started and in_vain >= MAX_STARTS_IN_VAIN:
            worker.environment = Environment(
                worker.spec.name,
                worker.spec.framework,
                printed=printed,
                failure=f"could not be started: {reason}",
                crashed=True,
            )
            lost = list(pending)
            pending.clear()
            for trial in lost:
                yield trial, Lost(timed_out, worker.environment.failure, printed)
        elif pending or not started:
            if not started:
                self.incidents.append(f"{worker.slot}: while starting, {reason}")
            self._start(worker.spec, worker.slot, in_vain + 1, pending)
        for other in list(self._workers.values()):
            if other.spec is worker.spec and other is not worker:
                self._feed(other)

    def _close(self) -> None:
        for worker in self._workers.values():
            worker.kill()
        self._group.terminate(timeout=1.0)


@dataclass(eq=False)
class _Worker:
    """One process, and the trials that it was sent or will be."""

    spec: EnvironmentSpec
    slot: str
    gateway: execnet.Gateway
    channel: execnet.Channel
    starts: int
    pending: deque[Trial]
    since: float = field(default_factory=time.monotonic)
    environment: Environment | None = None
    pid: int | None = None
    folder: Path | None = None
    sent: deque[Trial] = field(default_factory=deque)

    @property
    def is_busy(self) -> bool:
        """Whether something is due from it."""
        return self.environment is None or bool(self.sent)

    def cause_of_death(self, timed_out: bool, limit: float) -> str:
        """A sentence for the report."""
        if timed_out:
            return f"no answer within {limit:g} s; the process was killed"
        try:
            self.channel.waitclose(timeout=1.0)
        except self.channel.RemoteError as error:
            return f"the worker failed: {str(error).strip().splitlines()[-1]}"
        except (OSError, EOFError):
            pass
        return f"the process died{_exit_status(self._process())}"

    def last_words(self) -> str:
        """The end of what it wrote, where that can be read from here."""
        if self.folder is None:
            return ""
        try:
            return (self.folder / "output.txt").read_text("utf-8", errors="replace")[-4000:]
        except OSError:
            return ""

    def kill(self) -> None:
        """End the process at once, and clear up behind it."""
        process = self._process()
        if process is not None:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # as one that waits for a disk may
                process.wait(timeout=2.0)
        elif self.pid is not None:  # pragma: no cover
            os.kill(self.pid, signal.SIGKILL)
        self.gateway.exit()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _process(self) -> subprocess.Popen[bytes] | None:
        # execnet has no public way to a gateway's process, and its own exit asks politely first,
        # which a framework stuck in a call never hears.
        return getattr(getattr(self.gateway, "_io", None), "popen", None)


def _exit_status(process: subprocess.Popen[bytes] | None) -> str:
    if process is None:
        return ""
    try:
        status = process.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        return ""
    if status < 0:
        return f" of signal {-status} ({signal.Signals(-status).name})"
    return f" with exit status {status}"


def request(trial: Trial) -> dict[str, Any]:
    """What the adapter has to know. What is expected stays here."""
    case, implementation = trial.case, trial.implementation
    if not isinstance(case, ScheduleCase) or trial.call is None:
        return {"ask": "signature", "api": implementation.api}
    training = trial.training
    joins = [0, *(group.added_at for group in case.groups)]
    return {
        "ask": "rates",
        "api": implementation.api,
        "kind": implementation.kind.value,
        "arguments": _sendable(trial.call.arguments),
        "groups": [
            {
                "base_lr": call.base_lr,
                "arguments": _sendable(call.arguments),
                "added_at": added_at,
            }
            for call, added_at in zip((trial.call, *trial.groups), joins, strict=True)
        ],
        "per_epoch": trial.call.per_epoch,
        "metrics": list(trial.call.metrics),
        "steps_per_epoch": training.steps_per_epoch,
        "updates": training.updates,
        "optimizer": trial.optimizer,
        "lr_dtype": training.lr_dtype,
        "applies": trial.applies,
        "shows_applied": trial.shows_applied,
        "stepping": training.stepping,
        "told": list(training.told),
        "step_replaced": training.step_replaced,
        "reading": training.reading,
        "changes": training.changes,
        "resume": training.resume
        and {
            "at": training.resume.at,
            "by": training.resume.by,
            "into": _sendable(training.resume.into),
            "twice": training.resume.twice,
        },
        "ranges": _ranges(case.observed_steps.tolist()),
        "applied_precision": implementation.applied_precision.value,
        "device": trial.target.device,
        "mode": trial.target.mode,
    }


def _sendable(value: Any) -> Any:
    """An argument as plain values: parts and functions as what an adapter makes them of."""
    if isinstance(value, dict):
        return {name: _sendable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in value]
    if isinstance(value, Made):
        return {"api": value.api, "arguments": _sendable(value.arguments)}
    if isinstance(value, Other):
        return {"optimizer": value.optimizer}
    if isinstance(value, Named):
        return {"function": value.name, "a": value.a, "values": list(value.values)}
    return value


def _ranges(steps: list[int]) -> list[list[int]]:
    """Increasing steps as runs from a start to before a stop.

    >>> _ranges([0, 1, 2, 7])
    [[0, 3], [7, 8]]
    """
    ranges: list[list[int]] = []
    for step in steps:
        if ranges and ranges[-1][1] == step:
            ranges[-1][1] = step + 1
        else:
            ranges.append([step, step + 1])
    return ranges


def _environment(spec: EnvironmentSpec, message: dict[str, Any]) -> Environment:
    if "failure" in message:
        return Environment(
            spec.name,
            spec.framework,
            failure=message["failure"],
            crashed=not message["missing"],
        )
    return Environment(
        name=spec.name,
        framework=message["framework"],
        python=message["python"],
        version=message["version"],
        packages=message["packages"],
        devices=tuple(message["devices"]),
        absent_devices=message["absent_devices"],
        printed=message["printed"],
        seconds=message["seconds"],
    )


def _observation(message: dict[str, Any]) -> Observation:
    signature, raised = message.get("signature"), message.get("raised")
    return Observation(
        sequences={
            name: Sequence(sequence["precision"], np.frombuffer(sequence["data"], dtype="<f8"))
            for name, sequence in message["sequences"].items()
        },
        signature=None if signature is None else tuple(Parameter(**p) for p in signature),
        raised=raised and Raised(raised["type"], tuple(raised["bases"]), raised["message"]),
        warnings=tuple(message["warnings"]),
        printed=message["printed"],
        seconds=message["seconds"],
    )
