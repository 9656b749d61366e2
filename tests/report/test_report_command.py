"""`conform report`: one is drawn anew, several become one, two are compared."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.gating import sharded
from helpers.making import HALVES, judged, run_of, schedule_case, seen, trial

from harness.cli import main
from harness.report import FILES, json_file, write
from harness.report.model import from_run
from harness.report.reading import read


def judgement(rates=HALVES, **fields):
    made = trial(schedule_case(**fields))
    return judged(made, seen(made, rates))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(name: str, *judgements, **fields) -> str:
    """A folder of that name with a report on these judgements."""
    report = from_run(run_of(*judgements)).model_copy(update=fields)
    write(report, Path(name))
    return name


def conform(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["report", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def content(folder: str) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in Path(folder).iterdir()}


@pytest.mark.parametrize("place", ["a", "a/report.json"])
def test_one_report_is_drawn_anew_where_it_lies(folder, place):
    before = content(made("a", judgement([0.5] * 4)))
    for name in set(FILES) - {"report.json"}:
        (folder / "a" / name).write_text("old")
    text = conform(place)
    assert content("a") == before
    assert "1 of 1 trials are not as expected: diverges 1.\nreport: a/index.html\n" in text


def test_one_report_is_drawn_elsewhere(folder):
    before = content(made("a", judgement()))
    (folder / "a" / "badge.json").unlink()
    conform("a", "--report", "b/c")
    assert content("b/c") == before
    assert not (folder / "a" / "badge.json").exists()


def shards(*names, **fields):
    """A folder for each case, which is a shard of its own."""
    for index, name in enumerate(names, start=1):
        place = made(name, judgement(name=name))
        part = sharded(read(Path(place)), f"{index}/{len(names)}", cases=names, **fields)
        (Path(place) / "report.json").write_text(json_file.render(part))
    return names


def test_a_shard_that_is_missing_is_named_with_its_cases(folder):
    first, _, third, _ = shards("one", "two", "three", "four")
    done = CliRunner().invoke(main, ["report", first, third, "--report", "merged"])
    assert done.exit_code == 1
    assert "shard 2/4 is missing, and no other has run its 1 case:\n    two\n" in done.stderr
    assert "conform run --shard 2/4" in done.stderr
    assert "shard 4/4 is missing, and no other has run its 1 case:\n    four\n" in done.stderr
    assert read(Path("merged")).selection == {"shard": "1/4, 3/4"}
    assert conform("merged", "two", "--report", "more", code=1)
    assert conform("more", "four", "--report", "all")
    assert read(Path("all")).selection == {}


def test_shards_of_other_durations_are_not_merged(folder):
    shards("one", "two", costs="others")
    Path("two").rename("other")
    shards("one", "two")
    assert "one and other are shards of different divisions" in conform("one", "other", code=2)
    assert not (folder / "reports").exists()
    made("whole", judgement(name="one"), judgement(name="two"))
    assert conform("whole", "other")  # which lacks nothing


def test_shards_become_one_whole_report(folder):
    first, second = shards("one", "two")
    text = conform(first, second)
    assert text.endswith("2 trials as expected: conforms 2.\nreport: reports/merged/index.html\n")
    whole = read(Path("reports/merged"))
    assert whole.selection == {}
    assert set(content("reports/merged")) == set(FILES)


def test_a_trial_judged_in_two_ways_is_said_in_the_terminal_too(folder):
    text = conform(made("a", judgement()), made("b", judgement([0.5] * 4)))
    assert "conforms in a, diverges in b; kept as diverges" in text


def test_reports_that_disagree_on_a_case_leave_everything_as_it_was(folder):
    made("reports/merged", judgement())
    before = content("reports/merged")
    text = conform(made("a", judgement()), made("b", judgement(tags=["x"])), code=2)
    assert "conform: the case halves is not the same in a (cases/made.yaml:3) and b" in text
    assert content("reports/merged") == before


def test_a_damaged_report_is_named_and_replaces_nothing(folder):
    path = folder / made("a", judgement()) / "report.json"
    path.write_text(path.read_text()[:1000])
    before = content("a")
    text = conform("a", code=2)
    assert text.startswith("conform: a/report.json is not JSON (it is cut short)")
    assert content("a") == before


def test_a_report_that_is_not_there_makes_no_folder(folder):
    assert "cannot read a/report.json: No such file" in conform("a/report.json", code=2)
    assert not (folder / "a").exists()


def test_two_reports_are_compared(folder):
    moved = [0.5, 0.25, 0.125, math.nextafter(0.0625, 1)]
    first, second = made("a", judgement()), made("b", judgement(moved), judgement(name="more"))
    assert conform("--compare", "a", "a") == "nothing differs\n"
    text = conform("--compare", first, second, code=1)
    assert "only in b: 1\n    more::" in text
    assert "values: 2\n" in text
    assert "reported at most by 1 ULP, at step 3: 0.0625 -> 0.06250000000000001\n" in text
    assert text.endswith("they differ\n")
    as_json = json.loads(conform("--compare", "--json", first, second, code=1))
    assert as_json["differs"] is True
    assert as_json["values"][0]["ulp"] == 1
    assert json.loads(conform("--compare", "--json", "a", "a"))["differs"] is False


def test_a_long_list_of_differences_is_cut_and_says_so(folder):
    many = [judgement(name=f"case {number}") for number in range(30)]
    text = conform("--compare", made("a", judgement()), made("b", *many), code=1)
    assert "only in b: 30\n" in text
    assert "… and 10 more; --json has them all" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--compare", "a"],
        ["--compare", "a", "a", "a"],
        ["--compare", "a", "a", "--report", "b"],
        ["a", "--json"],
    ],
)
def test_wrong_usage_ends_with_2(folder, arguments):
    made("a", judgement())
    assert "Usage: main report" in conform(*arguments, code=2)


def test_a_reader_who_has_had_enough_does_not_break_it(folder, plain_python):
    made("a", judgement())
    made("b", *[judgement(name=f"case {number}") for number in range(30)])
    command = f"{sys.executable} -c 'from harness.cli import main; main()' report --compare a b"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "only in a: 1\n"
    assert done.stderr == ""


def test_nothing_of_a_framework_is_imported(folder):
    made("a", judgement())
    code = (
        "import sys; from click.testing import CliRunner; from harness.cli import main\n"
        "assert CliRunner().invoke(main, ['report', 'a']).exit_code == 0\n"
        "assert not {'torch', 'mindspore'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
