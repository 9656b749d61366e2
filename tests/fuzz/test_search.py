"""A search over a fake framework with a planted fault: it is found, made small, and written."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest
from helpers.fake_workers import spec

from harness import fuzz
from harness.consistency import inconsistencies
from harness.errors import NothingSelected, NothingToRun, UnknownName
from harness.fuzz import examples
from harness.fuzz.running import End
from harness.judge import Judge
from harness.load import check
from harness.plan import plan
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import Workers

pytestmark = [pytest.mark.usefixtures("plain_python"), pytest.mark.xdist_group("fuzz search")]
API = "torch.optim.lr_scheduler.ConstantLR"


def only_plain(family):
    """The fake knows plain stepping only."""
    return ("plain",)


@pytest.fixture(autouse=True)
def _only_plain(monkeypatch):
    monkeypatch.setattr(examples, "situations", only_plain)


@pytest.fixture(scope="module")
def result(tmp_path_factory, plain_interpreter):
    """A search over the planted fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "situations", only_plain)
        patch.setattr(sys, "executable", str(plain_interpreter))
        return searched(tmp_path_factory.mktemp("search"), number=30)


def searched(folder, adapter="planted", number=20, seed=1, **options):
    asked = fuzz.asked(seed, ["constant"], [API], number)
    return fuzz.run(asked, [spec(adapter)], folder, **options)


def test_a_planted_fault_is_found_and_made_small(result):
    # Once with a factor, and once with a factor of 0, which may be another fault.
    assert [k.finding.content["schedule"]["total_iters"] for k in result.kept] == [3, 3]
    for kept in result.kept:
        assert kept.finding.judgement.verdict is Verdict.DIVERGES
        assert len(kept.finding.trial.case.observed_steps) <= 4
    (tally,) = result.tallies.values()
    assert tally.new == sum(kept.finding.times for kept in result.kept) > len(result.kept)
    assert result.fails


def test_what_is_written_passes_the_check_and_runs_as_a_known_divergence(result):
    kept = result.kept[0]
    assert kept.covered
    loaded, problems = check([kept.path])
    assert [*problems, *inconsistencies(loaded, loaded.known_divergences)] == []
    (case,), (record,) = loaded.cases, loaded.known_divergences
    assert record.cases == [case.name]
    assert "seed 1" in case.source
    with Workers([spec("planted")]) as workers:
        trials = plan(loaded.cases, workers.environments())
        judge = Judge(loaded.known_divergences, {"torch": "2.13.0"})
        assert [j.verdict for j in judgements(judge, trials, workers)] == [Verdict.KNOWN_DIVERGENCE]


def test_the_same_seed_gives_the_same_search(tmp_path):
    def told(folder):
        written = json.loads((folder / "fuzz.json").read_text())
        return {k: written[k] for k in ("seed", "end", "families", "met_again")}, [
            (f["origin"], f["reasons"], f["times"]) for f in written["new"]
        ]

    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        searched(tmp_path / folder, seed=seed, number=10)
    assert told(tmp_path / "a") == told(tmp_path / "b") != told(tmp_path / "c")
    assert told(tmp_path / "a")[1]


def test_every_example_is_counted(result):
    (tally,) = result.tallies.values()
    assert tally.examples == 30
    assert tally.trials == tally.verdicts[Verdict.CONFORMS] + tally.new == 30


def test_a_framework_that_hangs_does_not_keep_the_search_beyond_its_time(tmp_path):
    began = time.monotonic()
    result = searched(tmp_path, "stuck", seconds=1.0)
    assert time.monotonic() - began < 10
    assert result.end is End.TIME
    assert json.loads((tmp_path / "fuzz.json").read_text())["end"] == "the time was up"


def test_an_interruption_loses_nothing_that_was_found(tmp_path):
    def interrupt(_):
        signal.raise_signal(signal.SIGINT)

    result = searched(tmp_path, on_kept=interrupt)
    assert result.end is End.INTERRUPTED
    (kept,) = result.kept
    assert kept.path.is_file()
    assert [f["file"] for f in json.loads((tmp_path / "fuzz.json").read_text())["new"]] == [
        str(kept.path)
    ]


def test_what_was_found_when_the_time_is_up_is_written_as_it_was_found(tmp_path, monkeypatch):
    def rings(*_):
        signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr("harness.fuzz.search.smallest", rings)
    result = searched(tmp_path, seconds=60.0)
    (kept,) = result.kept
    assert result.end is End.TIME
    assert kept.covered is None
    assert check([kept.path])[1] == []


def test_a_finding_is_added_to_the_records_when_that_is_asked_for(tmp_path, monkeypatch):
    records = tmp_path / "records"
    records.mkdir()
    monkeypatch.setattr("harness.fuzz.running.RECORDS", records)
    kept = searched(tmp_path / "report", add=True, number=10).kept[0]
    assert kept.path.parent == records
    assert (tmp_path / "report" / kept.path.name).read_text() == kept.path.read_text()


def test_without_a_framework_nothing_is_searched(tmp_path):
    with pytest.raises(NothingToRun):
        searched(tmp_path, "missing")


@pytest.mark.parametrize(
    ("families", "implementations", "error", "telling"),
    [
        (["cosin"], [], UnknownName, "did you mean 'cosine'?"),
        ([], ["CosineLR"], UnknownName, "no implementation fits 'CosineLR'"),
        (["plateau"], ["StepLR"], NothingSelected, "none of these implementations"),
    ],
)
def test_what_fits_nothing_is_refused(families, implementations, error, telling):
    with pytest.raises(error, match=telling.replace("?", r"\?")):
        fuzz.asked(1, families, implementations, 10)


def test_only_families_that_an_implementation_has_are_searched():
    assert fuzz.asked(1, [], ["StepLR"], 10).families == ("exponential",)
    assert fuzz.asked(1, ["c*"], [], 10).families == ("chained", "constant", "cosine", "cyclic")


def test_examples_are_spread_over_the_families():
    asked = fuzz.Asked(1, ("cosine", "linear"), (), 5)
    assert [pair for pairs in asked.rounds() for pair in pairs] == [
        ("cosine", 0),
        ("linear", 0),
        ("cosine", 1),
        ("linear", 1),
        ("cosine", 2),
    ]
