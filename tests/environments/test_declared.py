"""environments.yaml: what it may say, and what is said of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.case import ScheduleCase
from harness.environments import load_environments, select
from harness.errors import EnvironmentsUnusable, UnknownName
from harness.load import load
from harness.project import CASES
from harness.suite import run
from harness.verdict import Verdict
from harness.workers import Workers


def here():
    """Torch beside the suite, by another name."""
    return f"{{name: here, framework: torch, interpreter: {sys.executable}}}"


def written(tmp_path, *environments):
    file = tmp_path / "environments.yaml"
    lines = "".join(f"  - {text}\n" for text in environments)
    file.write_text(f"format: 1\nenvironments:\n{lines}")
    return file


def problem_of(tmp_path, *environments):
    with pytest.raises(EnvironmentsUnusable) as caught:
        load_environments(written(tmp_path, *environments))
    (problem,) = caught.value.problems
    return problem


def test_the_suites_own_file_is_valid():
    declared = {each.name: each for each in load_environments()}
    assert declared["torch-1.8"].pins == "1.8.1"
    assert declared["mindspore-2.0"].pins == "2.0.0"
    assert all(each.python and each.packages for each in declared.values())


def test_everything_that_is_made_is_pinned_to_the_last_package():
    texts = [text for each in load_environments() for text in each.packages]
    assert [text for text in texts if "==" not in text] == []


@pytest.mark.parametrize(
    ("environment", "key", "what"),
    [
        ("{name: a, framework: torch}", "environments[0]", "either interpreter or python"),
        (
            "{name: a, framework: torch, interpreter: p, python: '3.9', packages: [torch==1.8.1]}",
            "environments[0]",
            "either interpreter or python",
        ),
        ("{name: a, framework: torch, python: '3.9'}", "environments[0]", "pin torch"),
        (
            "{name: a, framework: torch, python: '3.9', packages: [torch>=1]}",
            "environments[0]",
            "pin torch",
        ),
        (
            "{name: a, framework: torch, python: '3.9', packages: [torch==1.8.1], ssh: box}",
            "environments[0]",
            "made here",
        ),
        (
            "{name: a, framework: torch, ssh: -N box}",
            "environments[0].ssh",
            "-N",
        ),
        (
            "{name: torch, framework: torch, interpreter: p}",
            "environments[0]",
            "framework beside the suite",
        ),
        (
            "{name: a, framework: jax, interpreter: p}",
            "environments[0].framework",
            "'torch' or 'mindspore'",
        ),
        (
            "{name: a, framework: torch, interpreter: p, pyhton: '3.9'}",
            "environments[0].pyhton",
            "unknown key",
        ),
        (
            "{name: a, framework: torch, interpreter: p, packages: ['not a package!']}",
            "environments[0].packages[0]",
            "not a requirement",
        ),
        (
            "{name: '../a', framework: torch, interpreter: p}",
            "environments[0].name",
            "match pattern",
        ),
    ],
)
def test_a_bad_environment_is_named_by_file_line_and_key(tmp_path, environment, key, what):
    problem = problem_of(tmp_path, environment)
    assert problem.file.endswith("environments.yaml")
    assert (problem.line, problem.key) == (3, key)
    assert what in problem.what


def test_an_unknown_key_is_guessed_and_the_manual_is_that_of_environments(tmp_path):
    unknown = "{name: a, framework: torch, interpreter: p, pyhton: '3.9'}"
    assert "did you mean 'python'" in problem_of(tmp_path, unknown).remedy
    lacking = "{name: a, framework: torch}"
    assert "docs/environments.md" in problem_of(tmp_path, lacking).remedy


def test_two_of_one_name(tmp_path):
    problem = problem_of(tmp_path, here(), here())
    assert (problem.line, problem.what) == (4, "'here' is taken by line 3")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(EnvironmentsUnusable, match="cannot be read"):
        load_environments(tmp_path / "none.yaml")


def test_a_path_is_told_from_the_files_own_folder_and_links_are_kept(tmp_path):
    text = "{name: a, framework: torch, interpreter: bin/python}"
    (declared,) = load_environments(written(tmp_path, text))
    assert declared.path == str(tmp_path / "bin" / "python")


def test_by_default_there_are_the_suites_own(tmp_path):
    declared = load_environments(written(tmp_path, here()))
    assert [spec.name for spec in select([], declared)] == ["torch", "mindspore"]


def test_names_and_globs_select_in_their_order(tmp_path):
    other = f"{{name: other, framework: mindspore, interpreter: {sys.executable}}}"
    declared = load_environments(written(tmp_path, here(), other))
    assert [spec.name for spec in select(["o*", "here", "other"], declared)] == ["other", "here"]
    everything = ["torch", "mindspore", "here", "other"]
    assert [spec.name for spec in select(["*"], declared)] == everything
    with pytest.raises(UnknownName, match="did you mean 'here'"):
        select(["her"], declared)


@pytest.mark.frameworks
@pytest.mark.usefixtures("quick_python")
def test_the_same_interpreter_by_another_name_is_judged_beside_the_suites_own(tmp_path):
    declared = load_environments(written(tmp_path, here()))
    loaded = load([CASES / "exponential" / "mapping_page.yaml"])
    with Workers(select(["torch", "here"], declared)) as workers:
        done = run(loaded, workers)
    outcomes = {
        name: [
            (judgement.trial.case.name, judgement.verdict)
            for judgement in done.judgements
            if judgement.trial.target.environment == name
        ]
        for name in ("torch", "here")
    }
    assert outcomes["here"] == outcomes["torch"] != []
    assert {type(judgement.trial.case) for judgement in done.judgements} == {
        type(case) for case in loaded.cases if isinstance(case, ScheduleCase)
    }


@pytest.mark.frameworks
@pytest.mark.usefixtures("quick_python")
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            "{name: a, framework: torch, python: '3.9', packages: [torch==0.0.1]}",
            "not made yet; remedy: conform environments create a",
        ),
        (
            "{name: a, framework: torch, interpreter: nowhere/python}",
            "nowhere/python is not there; remedy: mend ",
        ),
        (
            "{name: a, framework: torch, interpreter: HERE, packages: [torch==0.1]}",
            "and has to have torch==0.1",
        ),
    ],
)
def test_what_is_not_as_declared_is_unavailable_and_costs_no_other(tmp_path, environment, reason):
    declared = load_environments(
        written(tmp_path, here(), environment.replace("HERE", sys.executable))
    )
    loaded = load([CASES / "exponential" / "mapping_page.yaml"])
    with Workers(select(["here", "a"], declared)) as workers:
        done = run(loaded, workers)
    absent = [j for j in done.judgements if j.trial.target.environment == "a"]
    assert {judgement.verdict for judgement in absent} == {Verdict.UNAVAILABLE}
    assert all(reason in judgement.reasons[0] for judgement in absent)
    there = [j for j in done.judgements if j.trial.target.environment == "here"]
    assert Verdict.CONFORMS in {judgement.verdict for judgement in there}


def test_a_path_with_a_tilde_is_the_users_home(tmp_path):
    text = "{name: a, framework: torch, interpreter: ~/bin/python}"
    (declared,) = load_environments(written(tmp_path, text))
    assert declared.path == str(Path.home() / "bin" / "python")
