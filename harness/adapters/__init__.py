"""The code that runs inside an environment, one self-contained module per framework.

An adapter has two functions. `describe()` says what is there. `run(request, report)` drives one
implementation and calls `report(name, rates)` for each sequence that it has seen. It imports the
standard library, numpy and its framework, and runs on Python 3.8. `worker` is what calls it.

`planting_adapter` stands before one of them and plants faults in the framework.
"""

from __future__ import annotations

from pathlib import Path

#: The adapter of each framework, as a source file to send along.
ADAPTERS: dict[str, Path] = {
    framework: Path(__file__).with_name(f"{framework}_adapter.py")
    for framework in ("torch", "mindspore")
}

#: What plants faults in a framework before its adapter drives it.
PLANTING = Path(__file__).with_name("planting_adapter.py")
