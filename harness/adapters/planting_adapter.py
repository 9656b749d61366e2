"""Drives a framework in which a fault is planted. Self-contained: it goes to other interpreters.

It stands before a framework's own adapter. `planting.json` beside it names that adapter and the
modules in question, and may give one of them a faulty source to be imported from instead of the
installed one. Later faults are planted in the running process: the functions that differ get the
code that is compiled from the faulty source, which lies in a file of its own, since graph mode
reads sources back. The installation is never touched.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import json
import linecache
import os
import sys
import types
from typing import Any, Callable, Iterable

import numpy as np

FAULTY = "planted_source.py"

with open("planting.json", encoding="utf-8") as _file:
    CONFIG = json.load(_file)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the faulty source of one module."""

    def __init__(self, module: str, path: str) -> None:
        self._module, self._path = module, path

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target
        if fullname != self._module:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path)


if CONFIG["imported"]:
    with open(FAULTY, "w", encoding="utf-8") as _file:
        _file.write(CONFIG["imported"]["source"])
    sys.meta_path.insert(0, Finder(CONFIG["imported"]["module"], os.path.abspath(FAULTY)))

adapter = importlib.import_module(CONFIG["adapter"])
describe = adapter.describe


def prepare(request: dict[str, Any]) -> None:
    """Plant what the request names, instead of what is there."""
    try:
        PLANT.change_to(request.get("fault"))
    except Exception as error:
        raise CannotPlant("%s: %s" % (type(error).__name__, error)) from error


def run(request: dict[str, Any], report: Callable[[str, Any], None]) -> None:
    """As the framework's own adapter; on request, with the lines that are gone through."""
    if not request.get("traces"):
        adapter.run(request, report)
        return
    files = {sys.modules[name].__file__: name for name in CONFIG["modules"]}
    lines: dict[str, set[int]] = {name: set() for name in CONFIG["modules"]}

    def enter(frame: Any, event: str, argument: Any) -> Any:
        del event, argument
        name = files.get(frame.f_code.co_filename)
        if name is None:
            return None
        reached = lines[name]
        reached.add(frame.f_code.co_firstlineno)

        def follow(frame: Any, event: str, argument: Any) -> Any:
            del event, argument
            reached.add(frame.f_lineno)
            return follow

        return follow

    sys.settrace(enter)
    try:
        adapter.run(request, report)
    finally:
        sys.settrace(None)
        for name, reached in lines.items():
            report("lines of " + name, np.array(sorted(reached)))


class CannotPlant(Exception):
    """As when a fault changes what a function closes over: then only an import shows it."""


class Plant:
    """What is planted in the running process, and what stood there before."""

    def __init__(self, modules: Iterable[Any]) -> None:
        self._planted: Any = None
        self._before: list[tuple[Any, Any, Any, Any]] = []
        # Now, since the collector does not tell of what the worker freezes before it answers.
        gc.unfreeze()
        self._functions = {module.__name__: functions_of(module) for module in modules}

    def change_to(self, fault: Any) -> None:
        """Put everything back, and plant `fault`, if any."""
        identity = fault and fault["id"]
        if identity == self._planted:
            return
        for function, code, defaults, keywords in self._before:
            function.__code__ = code
            function.__defaults__, function.__kwdefaults__ = defaults, keywords
        self._before.clear()
        self._planted = None
        getattr(adapter, "COMPILED", {}).clear()  # graphs of other code than what is there now
        if fault:
            self._plant(fault)
        self._planted = identity

    def _plant(self, fault: dict[str, Any]) -> None:
        module = sys.modules[fault["module"]]
        with open(str(module.__file__), "rb") as file:
            text = file.read()
        text = text[: fault["start"]] + fault["after"].encode() + text[fault["stop"] :]
        path = os.path.abspath(FAULTY)
        with open(path, "wb") as file:
            file.write(text)
        # Tracebacks and graph mode ask this cache for the text.
        linecache.checkcache(path)
        scratch = types.ModuleType(fault["module"])
        scratch.__file__ = path
        scratch.__package__ = module.__package__  # or its relative imports would be warned of
        exec(compile(text, path, "exec"), scratch.__dict__)
        key = fault["name"], fault["line"]
        made = functions_of(scratch)[key][0]
        for function in self._functions[fault["module"]][key]:
            self._before.append(
                (function, function.__code__, function.__defaults__, function.__kwdefaults__)
            )
            function.__code__ = made.__code__
            function.__defaults__, function.__kwdefaults__ = made.__defaults__, made.__kwdefaults__


def functions_of(module: Any) -> dict[tuple[str, int], list[Any]]:
    """Every function of a module, however it is wrapped, by name and first line."""
    found: dict[tuple[str, int], list[Any]] = {}
    for item in gc.get_objects():
        if type(item) is types.FunctionType:  # to ask a dead weak reference would raise
            code = item.__code__
            if code.co_filename == module.__file__ and item.__globals__ is module.__dict__:
                found.setdefault((code.co_name, code.co_firstlineno), []).append(item)
    return found


PLANT = Plant([importlib.import_module(name) for name in CONFIG["modules"]])
