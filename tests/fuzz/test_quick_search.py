"""The quick search of the gate: it finds faults in the frameworks, and what it tried is said."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.fake_workers import spec
from rich.console import Console

from harness import fuzz
from harness.cli import main
from harness.fuzz.search import Tally
from harness.strength.campaign import source_of
from harness.strength.faults import faults
from harness.strength.measure import planting
from harness.verdict import Verdict

ROOT = Path(__file__).parent.parent.parent
TORCH = "torch.optim.lr_scheduler"
EXPERIMENTAL = "mindspore.experimental.optim.lr_scheduler"


def quick_search() -> list[str]:
    """The words after `conform` of what `make search` calls."""
    made = subprocess.run(
        ["make", "-n", "search", "-o", ".venv/.ready"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (call,) = re.findall(r"^\S*/conform (.*)$", made.stdout, re.MULTILINE)
    return call.split()


def searched(monkeypatch, folder, specs, arguments=None):
    """How the quick search ends in other environments, what it says, and what it writes."""
    monkeypatch.setattr("harness.workers.default_environments", lambda: specs)
    call = [*(arguments or quick_search()), "--report", str(folder)]
    ended = CliRunner().invoke(main, call)
    return ended.exit_code, ended.output, json.loads((folder / "fuzz.json").read_text())


def faulty(module, where, change):
    """An environment of a framework with a fault in it."""
    source = source_of(module).read_text()
    fault = next(f for f in faults(module, source) if (f.where, f.change) == (where, change))
    return planting(module.partition(".")[0], [module], (fault, fault.planted(source)))


def test_it_is_the_same_every_time_and_ends_within_a_minute():
    words = quick_search()
    assert words[0] == "fuzz"
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options.keys() == {"--seed", "--examples", "--seconds"}
    assert float(options["--seconds"]) <= 60


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("module", "where", "change"),
    [
        (TORCH, "StepLR.get_lr", "self.last_epoch → (self.last_epoch + 1)"),
        pytest.param(
            TORCH,
            "LRScheduler.load_state_dict",
            "self.__dict__.update(state_dict) → pass",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            EXPERIMENTAL,
            "ExponentialLR.get_lr",
            "self.gamma → self.last_epoch",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_fault_in_a_framework_is_found_and_fails_the_gate(
    module, where, change, monkeypatch, tmp_path
):
    monkeypatch.setattr("harness.fuzz.search.SHRINKING", 1.0)
    specs = [faulty(module, where, change)]
    code, said, written = searched(monkeypatch, tmp_path, specs)
    assert code == 1, said
    new = [finding["implementation"] for finding in written["new"]]
    name = where.partition(".")[0]
    assert any(name in ("LRScheduler", api.rpartition(".")[2]) for api in new), said
    assert re.search(r"^new: diverges", said, re.MULTILINE)
    assert re.search(r"\d examples in \d+ trials of \d+ implementations?, [1-9]", said)


def test_a_framework_that_crashes_or_is_broken_fails_the_search(
    monkeypatch, tmp_path, plain_python
):
    arguments = ["fuzz", "--seed", "1", "--examples", "2", "--family", "constant"]
    specs = [spec("planted"), spec("broken", "broken")]
    code, said, written = searched(monkeypatch, tmp_path, specs, arguments)
    assert code == 1, said
    assert "broken: crashed, its trials were not run" in said
    assert written["incidents"]


# The time that is up may be said inside a callback of the garbage collector, and is said again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("adapter", "arguments"),
    [
        ("stuck", ["--seconds", "0.5"]),
        ("fake", ["--examples", "3"]),  # of a version that has no ConstantLR
    ],
)
def test_where_nothing_was_tried_the_search_fails_and_says_so(
    adapter, arguments, monkeypatch, tmp_path, plain_python
):
    call = ["fuzz", "--seed", "1", "--implementation", f"{TORCH}.ConstantLR", *arguments]
    code, said, written = searched(monkeypatch, tmp_path, [spec(adapter)], call)
    assert code == 1, said
    assert "nothing was tried: " in said
    assert " in 0 trials of 0 implementations, 0 new findings" in said
    assert (written["trials"], written["new"]) == (0, [])


def test_families_that_were_not_tried_are_named(capsys):
    ran = Tally(2, Counter({Verdict.CONFORMS: 3}), apis=Counter({"a": 1, "b": 2}))
    left = Tally(1, Counter({Verdict.UNSUPPORTED: 2}))
    asked = fuzz.Asked(1, ("constant", "linear"), (), 5)
    result = fuzz.Result(asked, {"constant": ran, "linear": left}, end=fuzz.End.TIME)
    fuzz.print_summary(Console(), result)
    said = capsys.readouterr().out
    assert "not tried: linear\n" in said
    assert "3 of 5 examples in 3 trials of 2 implementations, 0 new findings; the time" in said
    assert not result.fails
