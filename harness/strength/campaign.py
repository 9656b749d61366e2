"""The whole of it: every fault of every module, on all cores, with what was found kept on disk."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from harness.case_files import files_below
from harness.errors import NothingSelected, UnknownName
from harness.files import read_bytes
from harness.judge import Judge
from harness.load import Loaded
from harness.project import ROOT
from harness.strength.equivalence import Equivalents
from harness.strength.faults import Fault, faults
from harness.strength.measure import Baseline, Bench, Fate, Order, Outcome, baseline

MODULES = (
    "torch.optim.lr_scheduler",
    "mindspore.nn.dynamic_lr",
    "mindspore.nn.learning_rate_schedule",
    "mindspore.experimental.optim.lr_scheduler",
)
"""Where faults are planted."""


def source_of(module: str) -> Path | None:
    """The file of an installed module; nothing is imported to find it."""
    framework, *rest = module.split(".")
    spec = importlib.util.find_spec(framework)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*rest).with_suffix(".py")
    return path if path.is_file() else None


@dataclass(frozen=True)
class Planted:
    """A module with its source and the faults that are to be planted, `every` one or some."""

    module: str
    source: str
    faults: tuple[Fault, ...]
    every: tuple[Fault, ...]

    @property
    def digest(self) -> str:
        """Identifies the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


@dataclass
class Campaign:
    """What is to be tried and what was found."""

    planted: list[Planted]
    equivalents: Equivalents
    missing: dict[str, str] = field(default_factory=dict)
    """Modules that could not be tried, and why."""
    failing: list[str] = field(default_factory=list)
    """Trials that fail without a fault: they were left out."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0

    def outcomes_of(self, module: str) -> list[Outcome]:
        """In the order of the source."""
        every = (self.outcomes.get(fault.id) for p in self.planted for fault in p.faults)
        return [outcome for outcome in every if outcome and outcome.fault.module == module]

    def surviving(self, module: str) -> list[Outcome]:
        """The faults that no trial caught and that nobody has proven to be without effect."""
        return [
            outcome
            for outcome in self.outcomes_of(module)
            if outcome.fate is not Fate.CAUGHT and not self.equivalents.proof(outcome.fault)
        ]

    @property
    def is_complete(self) -> bool:
        """Whether every fault was tried."""
        return not self.missing and all(
            fault.id in self.outcomes for planted in self.planted for fault in planted.faults
        )

    @property
    def disproven(self) -> list[str]:
        """Proofs that cannot be: their faults were caught, or are in no source any more."""
        caught = [o.fault for o in self.outcomes.values() if o.fate is Fate.CAUGHT]
        every = [fault for planted in self.planted for fault in planted.every]
        return self.equivalents.disproven(caught, every)


def plan_campaign(
    modules: Sequence[str], where: str, sample: tuple[int, int] | None = None
) -> Campaign:
    """The faults of the installed modules.

    Raises:
        UnknownName: a glob that fits no module.
        NothingSelected: no function or class fits `where`.

    Args:
        modules: globs over `MODULES`; none for all.
        where: a glob over the qualified names of functions and classes.
        sample: how many faults of each module, and the seed of their choice.
    """
    campaign = Campaign([], Equivalents.load())
    for glob in modules:
        if not any(fnmatchcase(module, glob) for module in MODULES):
            raise UnknownName("module", glob, MODULES)
    for module in MODULES:
        if modules and not any(fnmatchcase(module, glob) for glob in modules):
            continue
        path = source_of(module)
        if path is None:
            campaign.missing[module] = "not installed"
            continue
        source = path.read_text(encoding="utf-8")
        every = tuple(faults(module, source))
        some = [fault for fault in every if fnmatchcase(fault.where, where)]
        if sample is not None:
            count, seed = sample
            chosen = sorted(some, key=lambda f: hashlib.sha256(f"{seed}{f.id}".encode()).digest())
            kept = {fault.id for fault in chosen[:count]}
            some = [fault for fault in some if fault.id in kept]
        campaign.planted.append(Planted(module, source, tuple(some), every))
    if campaign.planted and not any(planted.faults for planted in campaign.planted):
        raise NothingSelected(f"no function or class of the modules fits {where!r}")
    return campaign


class Progress:
    """Who is told how it gets on; does nothing by itself."""

    def on_baseline(self, framework: str, done: int, total: int) -> None:
        """A trial without a fault is done."""

    def on_outcome(self, outcome: Outcome, done: int, total: int) -> None:
        """It is known what became of a fault."""


def carry_out(
    campaign: Campaign,
    loaded: Loaded,
    folder: Path,
    seconds: float | None,
    progress: Progress,
    jobs: int | None = None,
) -> None:
    """Try every fault that is not known yet, and keep each outcome at once.

    An outcome from before holds as long as neither the module nor the cases have changed. What
    caught a fault before, on other cases, is tried first.

    Args:
        campaign: what to try; it takes up what is found.
        loaded: the cases and the records.
        folder: where the outcomes are kept.
        seconds: how long it may take.
        progress: who is told.
        jobs: processes with faults side by side; by default one a core, at most 4.
    """
    began = time.monotonic()
    deadline = None if seconds is None else began + seconds
    memory = Memory(folder, suite_digest())
    order = Order(memory.recall(campaign))
    total = sum(len(planted.faults) for planted in campaign.planted)
    stopping = threading.Event()
    timer = threading.Timer(seconds, stopping.set) if seconds is not None else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        for framework in dict.fromkeys(p.module.split(".")[0] for p in campaign.planted):
            planted = [p for p in campaign.planted if p.module.split(".")[0] == framework]
            waiting = [f for p in planted for f in p.faults if f.id not in campaign.outcomes]
            if not waiting or (deadline and time.monotonic() >= deadline):
                continue
            base = baseline(
                framework,
                [p.module for p in planted],
                loaded.cases,
                lambda e: Judge(loaded.known_divergences, {e.name: e.version}, explains=False),
                partial(progress.on_baseline, framework),
                stopping,
            )
            if isinstance(base, str):
                campaign.missing.update({p.module: base for p in planted})
                continue
            if base is None:
                break
            campaign.failing += base.failing
            sources = {p.module: p.source for p in planted}
            outcomes = _side_by_side(
                framework, sources, base, waiting, order, stopping, jobs or _cores()
            )
            for outcome in outcomes:
                campaign.outcomes[outcome.fault.id] = outcome
                memory.keep(outcome)
                progress.on_outcome(outcome, len(campaign.outcomes), total)
    finally:
        stopping.set()
        if timer:
            timer.cancel()
        campaign.seconds = time.monotonic() - began


def _cores() -> int:
    return max(1, min(4, os.cpu_count() or 1))


def _side_by_side(
    framework: str,
    sources: dict[str, str],
    base: Baseline,
    waiting: Sequence[Fault],
    order: Order,
    stopping: threading.Event,
    jobs: int,
) -> Iterator[Outcome]:
    """Try faults on several benches, and yield each outcome as it comes."""
    todo: queue.SimpleQueue[Fault] = queue.SimpleQueue()
    for fault in waiting:
        todo.put(fault)
    done: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            with Bench(framework, sources, base, stopping) as bench:
                while not stopping.is_set():
                    try:
                        fault = todo.get_nowait()
                    except queue.Empty:
                        return
                    outcome = bench.try_out(fault, order.of(fault))
                    if outcome is not None:
                        order.learn(outcome)
                        done.put(outcome)
        finally:
            done.put(None)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            working = [pool.submit(work) for _ in range(jobs)]
            for _ in range(jobs):
                while (outcome := done.get()) is not None:
                    yield outcome
        except BaseException:
            stopping.set()
            raise
    for future in working:
        future.result()


def suite_digest() -> str:
    """Identifies what faults are tried with: the cases."""
    digest = hashlib.sha256()
    for path in files_below([ROOT / "cases"], []):  # what is wrong there ends what loads them
        digest.update(read_bytes(path))
    return digest.hexdigest()[:16]


class Memory:
    """Outcomes on disk, a line each, so that nothing is lost and nothing is done twice."""

    def __init__(self, folder: Path, suite: str) -> None:
        self._path, self._suite = folder / "outcomes.jsonl", suite
        folder.mkdir(parents=True, exist_ok=True)

    def recall(self, campaign: Campaign) -> dict[str, str]:
        """Fill in what is known already; the trials that caught each fault at any time."""
        digests = {planted.module: planted.digest for planted in campaign.planted}
        known = {fault.id: fault for planted in campaign.planted for fault in planted.faults}
        catchers: dict[str, str] = {}
        for entry in self._entries():
            fault = known.get(entry["fault"])
            if fault is None or entry["source"] != digests[fault.module]:
                continue
            if entry["by"]:
                catchers[fault.id] = entry["by"]
            if entry["suite"] == self._suite:
                campaign.outcomes[fault.id] = Outcome(
                    fault, Fate(entry["fate"]), entry["by"], entry["how"], entry["tried"]
                )
        self._digests = digests
        return catchers

    def keep(self, outcome: Outcome) -> None:
        """Write an outcome down."""
        entry = {
            "fault": outcome.fault.id,
            "source": self._digests[outcome.fault.module],
            "suite": self._suite,
            "fate": outcome.fate.value,
            "by": outcome.by,
            "how": outcome.how,
            "tried": outcome.tried,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _entries(self) -> Iterator[dict[str, Any]]:
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a run that was killed
