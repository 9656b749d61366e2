"""How many mutants of the harness itself its tests kill.

    python benchmarks/mutants.py                    200 mutants, seed 1
    python benchmarks/mutants.py --count 50 --seed 7 --only harness/gate

A mutant is one small change in a module that decides what a run says: judge, comparison, tolerance,
known divergences, gate, merging, writing of reports. The same operators as `conform strength`
plants in the frameworks choose them. The tests are collected once; one run of them says which test
goes through which line. For each mutant a forked process plants it and runs the tests that go
through its line, those that start no framework first, until one fails.

Prints what `make test-quick` and `make test` kill, and each survivor. Those that make tests hang
are listed too: that proves nothing of the tests. Those in
`benchmarks/equivalent.yaml` change nothing that anybody could see, and are not counted.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import types
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.strength.faults import Fault, faults

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent.yaml")
MODULES = [
    *("judge", "judgement", "comparison", "closeness", "divergence", "agreement", "signature"),
    *("budget.held", "budget.rounding", "gate.baseline", "gate.comparison", "gate.since"),
    *("gate.values", "attempt"),
    *("report.merging", "report.write", "report.json_file", "report.model"),
]
SIDE_BY_SIDE = 2
LIMIT = 600.0
"""Seconds after which a mutant hangs."""


def chosen(count: int, seed: int, only: str, like: str) -> list[Fault]:
    """Mutants drawn from all that can be planted inside functions, in the order of the draw."""
    found = []
    for name in MODULES:
        path = ROOT / "harness" / (name.replace(".", "/") + ".py")
        if only in str(path):
            module = "harness." + name
            found += [f for f in faults(module, path.read_text("utf-8")) if f.function]
    random.Random(seed).shuffle(found)
    proven = {item["mutant"] for item in yaml.safe_load(EQUIVALENT.read_text("utf-8")) or []}
    found = [fault for fault in found[:count] if name_of(fault) not in proven]
    return [fault for fault in found if like in name_of(fault)]


def name_of(fault: Fault) -> str:
    """What a mutant is called in lists: it does not change with the lines above it."""
    return f"{fault.module}.{fault.where}: {fault.statement}: {fault.change}"


class Tracer:
    """Which lines of the modules a test goes through."""

    def __init__(self) -> None:
        self.files = {str(ROOT / "harness" / (m.replace(".", "/") + ".py")) for m in MODULES}
        self.lines: set[tuple[str, int]] = set()

    def enter(self, frame: Any, event: str, argument: Any) -> Any:
        del event, argument
        file = frame.f_code.co_filename
        if file not in self.files:
            return None
        self.lines.add((file, frame.f_code.co_firstlineno))

        def follow(frame: Any, event: str, argument: Any) -> Any:
            del event, argument
            self.lines.add((file, frame.f_lineno))
            return follow

        return follow


class Campaign:
    """A plugin of pytest that takes the place of its loop over the collected tests."""

    def __init__(self, mutants: list[Fault], out: Any) -> None:
        self.mutants, self.out = mutants, out
        self.reports: list[pytest.TestReport] = []
        self.through: dict[tuple[str, int], list[tuple[float, pytest.Item]]] = defaultdict(list)
        self.results: dict[str, list[Fault]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._trace(session.items)
        left, running = list(self.mutants), {}
        while left or running:
            while left and len(running) < SIDE_BY_SIDE:
                mutant = left.pop(0)
                running[self._fork(mutant)] = mutant, time.monotonic()
            pid, status = os.waitpid(-1, 0)
            if pid in running:
                mutant, began = running.pop(pid)
                self._note(mutant, status, time.monotonic() - began)
        self._sum_up()
        return True

    def _trace(self, items: list[pytest.Item]) -> None:
        """Run every test once, and keep which lines it goes through; a failure ends all."""
        for number, item in enumerate(items):
            forget(MODULES)  # what was worked out once goes through no line any more
            tracer, began = Tracer(), time.perf_counter()
            sys.settrace(tracer.enter)
            threading.settrace(tracer.enter)
            failed = self._run(item, items[number + 1] if number + 1 < len(items) else None)
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            if failed:
                pytest.exit(f"{item.nodeid} fails without any mutant", returncode=2)
            for place in tracer.lines:
                self.through[place].append((time.perf_counter() - began, item))
        print(f"{len(items)} tests go through {len(self.through)} lines", file=self.out, flush=True)

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Whether a test fails."""
        self.reports.clear()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return any(report.failed for report in self.reports)

    def _tests(self, mutant: Fault) -> list[pytest.Item]:
        """The tests that go through the mutant, quick ones first."""
        file = str(ROOT / (mutant.module.replace(".", "/") + ".py"))
        first, last = mutant.lines
        found = {}
        for line in range(first, last + 1):
            found.update({id(item): (s, item) for s, item in self.through.get((file, line), [])})
        order = sorted(found.values(), key=lambda pair: (_is_framework(pair[1]), pair[0]))
        return [item for _, item in order]

    def _fork(self, mutant: Fault) -> int:
        pid = os.fork()
        if pid:
            return pid
        os.setpgid(0, 0)
        signal.alarm(int(LIMIT))
        code = 3
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            plant(mutant)
            code = self._first_to_fail(mutant)
        except BaseException:
            code = 1  # it cannot even be imported
        finally:
            os._exit(code)

    def _first_to_fail(self, mutant: Fault) -> int:
        """1 where a quick test fails, 2 where one that starts a framework does, 0 where none."""
        for item in self._tests(mutant):
            if self._run(item, None):
                return 2 if _is_framework(item) else 1
        return 0

    def _note(self, mutant: Fault, status: int, seconds: float) -> None:
        code = os.waitstatus_to_exitcode(status)
        fates = {0: "survives", 2: "killed by test", -signal.SIGALRM: "hangs"}
        fate = fates.get(code, "killed by test-quick")
        self.results[fate].append(mutant)
        print(f"{fate:20} {seconds:5.1f} s  {name_of(mutant)}", file=self.out, flush=True)

    def _sum_up(self) -> None:
        quick = len(self.results["killed by test-quick"])
        slower = len(self.results["killed by test"])
        count = len(self.mutants)
        print(f"\n{count} mutants that are not proven equivalent", file=self.out)
        print(f"make test-quick kills {quick} ({quick / count:.1%})", file=self.out)
        print(f"make test kills {quick + slower} ({(quick + slower) / count:.1%})", file=self.out)
        for fate in ("survives", "hangs"):
            for mutant in self.results[fate]:
                print(f"{fate}: line {mutant.line}: {name_of(mutant)}", file=self.out)


def _is_framework(item: pytest.Item) -> bool:
    return item.get_closest_marker("frameworks") is not None


def plant(mutant: Fault) -> None:
    """Give the functions that the mutant changes their new code, in this process."""
    module = sys.modules[mutant.module]
    path = Path(str(module.__file__))
    source = mutant.planted(path.read_text("utf-8"))
    ast.parse(source)
    # Another name, so that its functions are told from those that stand there.
    scratch = types.ModuleType(mutant.module)
    scratch.__dict__.update(__file__=str(path) + ".mutant", __package__=module.__package__)
    sys.modules[mutant.module] = scratch  # as dataclasses look themselves up
    exec(compile(source, str(path) + ".mutant", "exec"), scratch.__dict__)
    sys.modules[mutant.module] = module
    key = mutant.function, mutant.function_line
    made = next(f for f in _functions(str(path) + ".mutant") if _key(f) == key)
    for function in [f for f in _functions(str(path)) if _key(f) == key]:
        function.__code__ = made.__code__.replace(co_filename=str(path))
        function.__defaults__, function.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
    forget([name.removeprefix("harness.") for name in sys.modules if name.startswith("harness.")])


def forget(modules: list[str]) -> None:
    """Empty the caches of functions of the harness's `modules`."""
    for name in modules:
        module = sys.modules.get("harness." + name)
        for thing in list(vars(module).values()) if module else []:
            if isinstance(thing, functools._lru_cache_wrapper):
                thing.cache_clear()


def _key(function: Any) -> tuple[str, int]:
    return function.__code__.co_name, function.__code__.co_firstlineno


def _functions(file: str) -> list[Any]:
    found = [item for item in gc.get_objects() if type(item) is types.FunctionType]
    return [item for item in found if item.__code__.co_filename == file]


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a part of the module's path")
    parser.add_argument("--like", default="", help="a part of the mutant's name")
    parser.add_argument("--quick", action="store_true", help="only tests that start no framework")
    parser.add_argument("tests", nargs="*", default=["tests"])
    options = parser.parse_args()
    mutants = chosen(options.count, options.seed, options.only, options.like)
    os.chdir(ROOT)
    os.environ.setdefault("CONFORM_DRAWS", "quick")
    with os.fdopen(os.dup(1), "w") as out, tempfile.TemporaryDirectory() as folder:
        marks = "not slow and not frameworks" if options.quick else "not slow"
        arguments = ["-q", "-m", marks, "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
        arguments += ["-p", "no:randomly", "--tb=no", f"--basetemp={folder}/tests"]
        campaign = Campaign(mutants, out)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(pytest.main([*arguments, *options.tests], plugins=[campaign]))


if __name__ == "__main__":
    main()
