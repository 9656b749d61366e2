"""In which order `conform run` does what it does before the first trial."""

from __future__ import annotations

from click.testing import CliRunner
from helpers.command import HALVING, written
from helpers.fake_workers import spec

from harness.changed import surroundings
from harness.cli import main
from harness.workers import Workers


def test_frameworks_are_imported_while_the_harness_is_and_looks_at_the_surroundings(
    tmp_path, monkeypatch
):
    done, enter, look = [], Workers.__enter__, surroundings.look
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])
    monkeypatch.setattr(Workers, "__enter__", lambda self: (done.append("workers"), enter(self))[1])
    monkeypatch.setattr(surroundings, "look", lambda *of: (done.append("look"), look(*of))[1])
    monkeypatch.setattr(
        "harness.cli.run.load_cases", lambda paths: (done.append("cases"), load_cases(paths))[1]
    )
    from harness.cli.common import load_cases

    path = written(tmp_path, "format: 1\ncases:\n" + HALVING)
    ran = CliRunner().invoke(main, ["run", str(path), "--report", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    # Cases that change after they were looked at are found changed the next time.
    assert done == ["workers", "look", "cases"]
