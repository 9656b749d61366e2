"""A whole run over fakes that are wrong in every way, down to the report."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from helpers.fake_workers import cases, spec
from junitparser import JUnitXml

from harness import suite
from harness.errors import DeviceAbsent, NothingSelected, NothingToRun
from harness.load import Loaded
from harness.plan import Selection
from harness.report import FILES, write
from harness.report.json_file import SCHEMA_FILE
from harness.report.model import Gathering, from_run
from harness.suite import why_nothing
from harness.workers import Environment, Workers

pytestmark = [pytest.mark.usefixtures("plain_python"), pytest.mark.xdist_group("suite")]
DUE = {
    "exact": "conforms",
    "one step late": "diverges",
    "wrong once": "diverges",
    "not a number": "diverges",
    "too short": "diverges",
    "not applied": "diverges",
    "half precision": "diverges",
    "raises": "refused",
    "hangs": "timed out",
    "killed": "crashed",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, plain_interpreter):
    loaded, python = Loaded(tuple(cases(*DUE)), ()), str(plain_interpreter)
    specs = [spec(python=python), spec("missing", "elsewhere", python)]
    with Workers(specs, time_limit=1.0) as workers:
        run = suite.run(loaded, workers)
    folder = tmp_path_factory.mktemp("report")
    write(from_run(run), folder)
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder / "report.json").read_text())


def trial(report, behaviour):
    (found,) = (
        t
        for t in report["trials"]
        if t["case"].endswith(f": {behaviour}") and t["environment"] == "torch"
    )
    return found


@pytest.mark.parametrize(("behaviour", "verdict"), DUE.items())
def test_every_fake_has_its_verdict_in_the_report(report, behaviour, verdict):
    assert trial(report, behaviour)["verdict"] == verdict


@pytest.mark.parametrize(
    ("behaviour", "step", "observed"),
    [
        ("one step late", 1, 0.5),
        ("wrong once", 2, 0.125 * (1 + 1e-9)),
        ("not a number", 1, "NaN"),
        ("too short", 3, None),
        ("not applied", 1, 0.5),
    ],
)
def test_the_report_names_the_first_step_that_is_not_as_due(report, behaviour, step, observed):
    first = trial(report, behaviour)["first_divergence"]
    assert (first["step"], first["observed"]) == (step, observed)


def test_the_report_is_valid_and_says_what_was_not_run(report):
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text()))
    assert report["fails"] is True
    assert report["counts"]["unavailable"] == len(DUE)
    (elsewhere,) = (e for e in report["environments"] if e["name"] == "elsewhere")
    assert "ModuleNotFoundError: import of torch halted" in elsewhere["failure"]


def test_the_other_formats_say_the_same(folder, report):
    assert {path.name for path in folder.iterdir()} == set(FILES)
    xml = JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (xml.tests, xml.errors, xml.skipped) == (2 * len(DUE), 2, len(DUE))
    assert xml.failures == sum(v in {"diverges", "refused"} for v in DUE.values())
    page = (folder / "index.html").read_text()
    summary = (folder / "summary.md").read_text()
    for text in (page, summary):
        assert "9 of 20 trials are not as expected" in text
    assert "no such decay &lt;b&gt;here&lt;/b&gt;" in page
    assert "<b>here" not in page + summary


def test_fail_fast_leaves_the_rest_out_and_says_so():
    loaded = Loaded(tuple(cases("raises", *["slow"] * 5)), ())
    with Workers([spec()]) as workers:
        run = suite.run(loaded, workers, fail_fast=True)
    assert run.stopped_early
    assert len(run.judgements) < 6


def test_a_selection_that_leaves_nothing_is_an_error():
    with Workers([spec()]) as workers, pytest.raises(NothingSelected, match="no trial"):
        suite.run(Loaded(tuple(cases("exact")), ()), workers, Selection(keyword="nothing"))


def test_a_selected_device_is_in_the_report_and_one_that_is_not_here_stops_the_run():
    with Workers([spec()]) as workers:
        run = suite.run(Loaded(tuple(cases("exact")), ()), workers, Selection(devices=("cpu",)))
        with pytest.raises(DeviceAbsent, match="has cpu; no cuda: a fake has none"):
            suite.run(Loaded(tuple(cases("exact")), ()), workers, Selection(devices=("cuda",)))
    assert from_run(run).selection == {"devices": ("cpu",)}


def test_without_any_framework_there_is_nothing_to_run():
    with (
        Workers([spec("missing"), spec("dying", "other")]) as workers,
        pytest.raises(NothingToRun, match="ModuleNotFoundError: import of torch halted"),
    ):
        suite.run(Loaded(tuple(cases("exact")), ()), workers)


def test_each_case_is_given_away_once_and_its_values_are_not_kept():
    behaviours = ("exact", "one step late", "raises")
    loaded, taken = Loaded(tuple(cases(*behaviours)), ()), []
    with Workers([spec(), spec("missing", "elsewhere")]) as workers:
        run = suite.run(loaded, workers, take=taken.append)
    assert sorted(together[0].trial.case.name for together in taken) == [
        "0: exact",
        "1: one step late",
        "2: raises",
    ]
    ids = [judgement.trial.id for judgement in run.judgements]
    assert sorted(j.trial.id for together in taken for j in together) == sorted(ids)
    assert sum(len(j.comparisons) for together in taken for j in together) == 4
    assert not any(j.comparisons or j.observation for j in run.judgements)


def test_a_report_that_is_made_case_by_case_is_the_same():
    loaded, gathering = Loaded(tuple(cases("exact", "wrong once", "raises")), ()), Gathering()
    given = []

    def take(together):
        given.extend(together)
        gathering.take(together)

    with Workers([spec(), spec("missing", "elsewhere")]) as workers:
        run = suite.run(loaded, workers, take=take)
    with_values = {judgement.trial.id: judgement for judgement in given}
    whole = replace(run, judgements=tuple(with_values[j.trial.id] for j in run.judgements))
    assert from_run(run, gathering) == from_run(whole)


def test_a_case_that_is_left_in_the_middle_is_reported_too():
    loaded, gathering = Loaded(tuple(cases("one step late", "exact")), ()), Gathering()
    with Workers([spec(), spec("fake", "again")]) as workers:
        run = suite.run(loaded, workers, fail_fast=True, take=gathering.take)
    assert run.stopped_early
    assert [t.id for t in from_run(run, gathering).trials] == [j.trial.id for j in run.judgements]


@pytest.mark.parametrize(
    ("name", "failure", "crashed", "remedies"),
    [
        ("torch", "ModuleNotFoundError: No module named 'torch'", False, ["install torch where"]),
        ("mindspore", "ModuleNotFoundError: x", False, ["install mindspore where conform"]),
        ("old", "not made yet; remedy: conform environments create old", False, []),
        ("torch", "ImportError: libcuda.so", True, ["conform doctor"]),
        ("torch", "could not be started: python: Too many open files", True, ["ulimit -n 1024"]),
        ("torch", "could not be started: Cannot allocate memory", True, ["not enough memory"]),
        ("old", "could not be started: ls: exit status 2", False, ["check interpreter, ssh"]),
        ("old", "ImportError: x", True, ["mend old"]),
    ],
)
def test_a_remedy_fits_the_failure(name, failure, crashed, remedies):
    framework = name if name != "old" else "torch"
    environment = Environment(name, framework, failure=failure, crashed=crashed)
    said = why_nothing([environment, environment])
    assert failure in said
    assert said.count("remedy: ") == len(remedies) + 2 * failure.count("remedy: ")
    assert all(remedy in said for remedy in remedies)
    assert ("remedy: install" in said) == failure.startswith("ModuleNotFoundError")
