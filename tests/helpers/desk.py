"""A folder with cases, a report and two environments of fakes, for `conform run --changed`."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.changed import surroundings
from harness.cli import main
from harness.workers import EnvironmentSpec
from helpers.command import written
from helpers.fake_workers import FAKES

API = "torch.optim.lr_scheduler.ExponentialLR"
CASE = """\
  - name: {name}
    description: The rate halves at every update, case {name}.
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    expected: {{values: [0.5, 0.25, 0.125, 0.0625]}}
    implementations: [{api}]
"""


def case(name: str, behaviour: str = "", api: str = API) -> str:
    """A case as text; the fake does as `behaviour` says."""
    text = CASE.format(name=name, api=api)
    if not behaviour:
        return text
    return text + f"    arguments: {{{api}: {{behaviour: {behaviour}}}}}\n"


def replaced(file: Path, old: str, new: str) -> None:
    """Replace a part of a file's text."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


class Desk:
    """A folder with cases and a report, and two environments of fakes.

    A harness and a framework lie there too, with a module each: what the real ones have takes time
    to look through, and may be edited meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "reports" / "latest"

    def furnish(self) -> None:
        """Put everything there, and three cases."""
        for name in ("torch", "other"):
            shutil.copy(FAKES / "fake_adapter.py", self.folder / f"{name}_adapter.py")
        for module in ("suite/judge.py", "suite/console.py", "site/torch/__init__.py"):
            file = self.folder / module
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        self.write(case("a"), case("b"), case("c"))

    def specs(self) -> list[EnvironmentSpec]:
        """The environments."""
        return [
            EnvironmentSpec(name, "torch", sys.executable, self.folder / f"{name}_adapter.py")
            for name in ("torch", "other")
        ]

    def take_place(self, patch: pytest.MonkeyPatch, python: str) -> None:
        """Let the harness find its cases, its environments and itself in this folder."""
        patch.chdir(self.folder)
        patch.setattr(sys, "executable", python)
        patch.syspath_prepend(str(self.folder / "site"))
        for module in ("common", "run"):
            patch.setattr(f"harness.cli.{module}.CASES", self.folder / "cases")
        for module in ("project", "cli.run"):
            patch.setattr(f"harness.{module}.RECORDS", self.folder / "cases" / "known_divergences")
        patch.setattr("harness.workers.default_environments", self.specs)
        own = partial(surroundings.look, suite=self.folder / "suite")
        patch.setattr(surroundings, "look", own)
        # Nor are the versions looked up of all that the installed torch requires.
        patch.setattr(surroundings, "_names", lambda framework, _: [framework])

    def write(self, *cases: str, records: str = "", name: str = "a.yaml") -> None:
        """Write a file of cases and records, in place of the one of that name."""
        folder = self.folder / "cases"
        folder.mkdir(exist_ok=True)
        written(folder, "format: 1\ncases:\n" + "".join(cases) + records, name)

    def run(self, *options: str, code: int | None = 0) -> str:
        """What `conform run` prints; it ends with `code`, or with any where that is None."""
        done = CliRunner().invoke(main, ["run", *options])
        assert code in (done.exit_code, None), done.output
        return done.output

    @property
    def content(self) -> dict:
        """The report."""
        return json.loads((self.report / "report.json").read_text())

    def edit(self, old: str, new: str) -> None:
        """Change the report, as if it had been written so."""
        file = self.report / "report.json"
        digest = surroundings.digest(file)
        replaced(file, old, new)
        replaced(self.report / "state.json", digest, surroundings.digest(file))

    def again(self) -> list[str]:
        """Case and environment of each trial that was run in the last run."""
        trials = self.content["trials"]
        return [f"{t['case']} {t['environment']}" for t in trials if t["taken_from"] is None]
