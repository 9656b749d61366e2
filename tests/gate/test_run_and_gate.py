"""`conform run` beside a baseline: what changed since is in its report, and never costs the run."""

from __future__ import annotations

import json

import pytest
from helpers.fake_workers import spec
from helpers.gating import conform

CASES = """\
format: 1
cases:
""" + "".join(
    f"""\
  - name: halves {number}
    description: The rate halves at every update, {number}.
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    expected: {{values: [0.5, 0.25, 0.125, 0.0625]}}
    implementations: [torch.optim.lr_scheduler.ExponentialLR]
"""
    for number in range(4)
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, plain_python, monkeypatch):
    """A folder with cases of its own, that the suite takes for its own."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "halves.yaml").write_text(CASES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for module in ("common", "run"):
        monkeypatch.setattr(f"harness.cli.{module}.CASES", tmp_path / "cases")
    monkeypatch.setattr("harness.project.RECORDS", tmp_path / "none")
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])


def changes(folder, name="latest"):
    return json.loads((folder / "reports" / name / "report.json").read_text())["changes"]


def kept():
    assert conform("run").exit_code == 0
    assert conform("baseline", "update").exit_code == 0


def test_a_run_is_compared_with_the_baseline_and_its_report_says_so(tmp_path):
    kept()
    done = conform("run")
    assert changes(tmp_path) == {"baseline": "reports/baseline.json", "changes": []}
    assert "since" not in done.stdout
    file = tmp_path / "cases" / "halves.yaml"
    file.write_text(file.read_text().replace("halves 3", "halves again"))
    done = conform("run")
    assert done.exit_code == 0
    assert "since reports/baseline.json: 1 lost trial, 1 new trial; see: conform gate" in (
        done.stdout
    )
    told = [(change["kind"], change["file"]) for change in changes(tmp_path)["changes"]]
    assert told == [("lost trial", "cases/halves.yaml"), ("new trial", "cases/halves.yaml")]
    assert conform("gate").exit_code == 1


@pytest.mark.parametrize(
    "options",
    [["-k", "halves"], ["--shard", "1/2"], ["cases/halves.yaml"], ["--target", "torch/*"]],
)
def test_where_something_may_be_left_out_nothing_is_said(options, tmp_path):
    kept()
    assert conform("run", *options).exit_code == 0
    assert changes(tmp_path) is None


def test_to_name_the_suites_own_folder_is_to_leave_nothing_out(tmp_path):
    kept()
    assert conform("run", "cases").exit_code == 0
    assert changes(tmp_path)["changes"] == []


def test_without_a_baseline_nothing_is_said(tmp_path):
    done = conform("run")
    assert (done.exit_code, changes(tmp_path)) == (0, None)
    assert "baseline" not in done.output


def test_a_broken_baseline_costs_a_warning_and_not_the_run(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "baseline.json").write_text("{")
    done = conform("run")
    assert (done.exit_code, changes(tmp_path)) == (0, None)
    assert "warning: the report says nothing of changes: reports/baseline.json is not JSON" in (
        done.stderr
    )


def test_shards_run_each_case_once_and_say_what_they_are(tmp_path):
    names = []
    for index in (1, 2, 3):
        folder = tmp_path / "reports" / str(index)
        assert conform("run", "--shard", f"{index}/3", "--report", folder).exit_code == 0
        content = json.loads((folder / "report.json").read_text())
        assert content["selection"] == {"shard": f"{index}/3"}
        names += [case["name"] for case in content["cases"]]
    assert sorted(names) == [f"halves {number}" for number in range(4)]


def test_more_shards_than_cases_is_wrong_usage():
    done = conform("run", "--shard", "5/5")
    assert done.exit_code == 2
    assert "no case is left for shard 5/5 of 4 cases" in done.stderr


def test_a_shard_is_no_baseline():
    assert conform("run", "--shard", "1/2").exit_code == 0
    done = conform("baseline", "update")
    assert done.exit_code == 2
    assert "only a part was run: shard 1/2" in done.stderr
