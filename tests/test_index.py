"""What is remembered of case files that were found valid, and what never is."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.suite import suite as own

from harness import index as indexing, load as loading
from harness.cli import main
from harness.consistency import inconsistencies
from harness.index import index
from harness.project import CASES

CASE = """\
  - name: {name}
    description: The rate halves at every update, case {name}.
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    tags: [made]
    expected: {{values: [0.5, 0.25, {third}, 0.0625]}}
    implementations: [torch.optim.lr_scheduler.ExponentialLR]
"""
RECORD = """\
known_divergences:
  - name: made up
    description: The rate stands still.
    source: by hand
    cases: [b]
    implementations: [torch.optim.lr_scheduler.StepLR]
    versions: ">=0"
    seen: ["1.0"]
    kind: semantics
    severity: misleads
    observed: {values: {1: 0.5}}
    expected: a rate that halves
    explanation: made up
    remedy: none is needed
    until: the rate halves
"""


def text(*names: str, third: str = "0.125") -> str:
    return "format: 1\ncases:\n" + "".join(CASE.format(name=name, third=third) for name in names)


class Suite:
    """A folder of cases that stands for the suite's own, and what of it is loaded."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.cache, self.loaded = folder / "cases", folder / "cache", []
        self.folder.mkdir()
        self.write("1.yaml", text("a", "b"))
        self.write("2.yaml", text("c"))
        self.write("3.yaml", "format: 1\n" + RECORD)
        monkeypatch.setattr(indexing, "CASES", self.folder)
        monkeypatch.setattr(indexing, "CACHE", self.cache)
        monkeypatch.setattr("harness.cli.look.CASES", self.folder)
        real = loading.load_file

        def load_file(path, problems):
            self.loaded.append(path.name)
            return real(path, problems)

        monkeypatch.setattr(loading, "load_file", load_file)

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def index(self, *paths: Path, **options):
        self.loaded.clear()
        return index(paths or (self.folder,), **options)

    def check(self, *options: str):
        self.loaded.clear()
        return CliRunner().invoke(main, ["check", *options])


@pytest.fixture
def suite(tmp_path, monkeypatch):
    return Suite(tmp_path, monkeypatch)


def content(found):
    return found.cases, found.records, found.problems


EVERY = ["1.yaml", "2.yaml", "3.yaml"]


def test_what_is_known_of_a_case_and_of_a_record(suite, monkeypatch):
    monkeypatch.chdir(suite.folder.parent)
    found = suite.index()
    assert found.problems == []
    assert [(case.name, case.line, case.file) for case in found.cases] == [
        ("a", 3, "cases/1.yaml"),
        ("b", 12, "cases/1.yaml"),
        ("c", 3, "cases/2.yaml"),
    ]
    case = found.cases[0]
    assert (case.family, case.steps, case.tags) == ("exponential", 4, ["made"])
    assert case.description == "The rate halves at every update, case a."
    assert case.apis == ["torch.optim.lr_scheduler.ExponentialLR"]
    (record,) = found.records
    assert tuple(record) == ("made up", 3, ["b"], "cases/3.yaml")
    assert found.paths["cases/2.yaml"].samefile(suite.folder / "2.yaml")


@pytest.mark.parametrize("consistent", [False, True])
def test_files_that_have_not_changed_are_not_loaded_and_found_the_same(suite, consistent):
    first = suite.index(consistent=consistent)
    assert (suite.loaded, first.remembered) == (EVERY, 0)
    again = suite.index(consistent=consistent)
    assert (suite.loaded, again.remembered) == ([], 3)
    assert content(again) == content(first)


def test_paths_are_shown_as_they_are_from_here_and_now(suite, monkeypatch):
    suite.index()
    monkeypatch.chdir(suite.folder)
    assert {case.file for case in suite.index().cases} == {"1.yaml", "2.yaml"}
    shutil.move(suite.folder / "2.yaml", suite.folder / "9.yaml")
    found = suite.index()
    assert (suite.loaded, [case.file for case in found.cases][-1]) == ([], "9.yaml")


def test_a_file_that_has_changed_is_loaded_and_no_other(suite):
    suite.index()
    suite.write("2.yaml", text("d"))
    assert [case.name for case in suite.index().cases] == ["a", "b", "d"]
    assert suite.loaded == ["2.yaml"]
    suite.index()
    assert suite.loaded == []


BAD = {
    "not YAML": "format: 1\ncases: [",
    "no case": text("c").replace("steps: 4", "steps: four"),
    "a number that contradicts": text("c", third="0.126"),
    "a name that is taken": text("a"),
    "too large": text("c") + "#" * (1 << 20),
    "not UTF-8": b"\xff",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_problem_is_found_beside_what_is_remembered_and_every_time(suite, bad):
    good = (suite.folder / "2.yaml").read_bytes()
    suite.index(consistent=True)
    (suite.folder / "2.yaml").write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    loaded, problems = loading.check([suite.folder])
    due = sorted([*problems, *inconsistencies(loaded)])
    assert due
    for _ in range(2):
        assert suite.index(consistent=True).problems == due
        assert suite.index(consistent=True, cached=False).problems == due
    (suite.folder / "2.yaml").write_bytes(good)
    assert suite.index(consistent=True).problems == []


def test_a_file_whose_numbers_were_not_checked_is_checked_when_they_are(suite):
    suite.write("2.yaml", text("c", third="0.126"))
    assert suite.index().problems == []
    suite.index()
    assert suite.loaded == []
    (problem,) = suite.index(consistent=True).problems
    assert "step 2 is 0.126 here and 0.125 by the reference model" in problem.what
    # And what was checked may be listed without being loaded.
    suite.write("2.yaml", text("c"))
    suite.index(consistent=True)
    suite.index()
    assert suite.loaded == []
    suite.index(consistent=True)
    assert suite.loaded == []


@pytest.mark.parametrize("change", ["harness", "package", "machine"])
def test_nothing_counts_that_another_harness_remembered(suite, monkeypatch, tmp_path, change):
    source = tmp_path / "harness"
    source.mkdir()
    (source / "consistency.py").write_text("EXACT = True\n")
    from harness.changed import surroundings

    real = surroundings.of_the_harness
    monkeypatch.setattr(indexing, "of_the_harness", lambda: real(source))
    suite.index()
    suite.index()
    assert suite.loaded == []
    if change == "harness":
        (source / "consistency.py").write_text("EXACT = False\n")
    elif change == "package":
        monkeypatch.setattr(surroundings, "_versions", lambda *_: {"version of numpy": "0"})
    else:
        monkeypatch.setattr(surroundings, "_machine", lambda: {"Python": "4"})
    suite.index()
    assert suite.loaded == EVERY


def test_a_file_that_changes_while_it_is_loaded_is_not_remembered(suite, monkeypatch):
    counted = loading.load_file

    def load_file(path, problems):
        loaded = counted(path, problems)
        if path.name == "2.yaml":
            suite.write("2.yaml", text("c") + f"# {len(suite.loaded)}\n")
        return loaded

    monkeypatch.setattr(loading, "load_file", load_file)
    suite.index()
    suite.index()
    assert suite.loaded == ["2.yaml"]


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "a letter": lambda data: data.replace(b"halves", b"Halves", 1),
    "a digest": lambda data: b"0" * 64 + data[64:],
    "binary": lambda data: b"\xff\xfe" + data,
    "other JSON": lambda data: json.dumps([1, 2]).encode(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_counts_as_none_and_is_replaced(suite, damage):
    first = suite.index()
    file = suite.cache / indexing.FILE
    data = file.read_bytes()
    assert damage(data) != data
    file.write_bytes(damage(data))
    assert content(suite.index()) == content(first)
    assert suite.loaded == EVERY
    assert file.read_bytes() == data


def test_where_nothing_can_be_written_nothing_is_remembered_and_nothing_fails(suite):
    suite.cache.write_text("a file and no folder")
    for _ in range(2):
        assert len(suite.index().cases) == 3
        assert suite.loaded == EVERY


def test_without_a_cache_none_is_read_nor_written(suite):
    suite.index(cached=False)
    assert not suite.cache.exists()
    suite.index()
    suite.index(cached=False)
    assert suite.loaded == EVERY


def test_only_of_the_suites_own_cases_is_anything_remembered(suite, tmp_path):
    suite.index(suite.folder / "1.yaml")
    assert not suite.cache.exists()
    suite.index()
    before = (suite.cache / indexing.FILE).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(suite.folder, elsewhere)
    (elsewhere / "4.yaml").write_text(text("x"))
    suite.index(elsewhere)
    assert suite.loaded == ["4.yaml"]  # the others are the same files
    assert (suite.cache / indexing.FILE).read_bytes() == before


def test_what_is_remembered_is_ignored_by_git_and_leaves_nothing_else_behind(suite):
    suite.index()
    suite.write("2.yaml", text("d"))
    suite.index()
    assert {file.name for file in suite.cache.iterdir()} == {".gitignore", indexing.FILE}
    assert (suite.cache / ".gitignore").read_text() == "*\n"
    assert json.loads((suite.cache / indexing.FILE).read_text().partition("\n")[2]).keys() == {
        indexing.digest(file) for file in suite.folder.iterdir()
    }


def test_several_may_write_at_the_same_time(suite):
    first = suite.index()
    file, failures = suite.cache / indexing.FILE, []

    def again():
        try:
            for _ in range(2):
                file.unlink(missing_ok=True)
                assert content(index((suite.folder,))) == content(first)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=again) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    suite.index()  # the last one may have removed what the one before wrote
    suite.index()
    assert suite.loaded == []


class TestCheck:
    def test_it_says_what_was_not_checked_again(self, suite):
        first = suite.check()
        assert first.output == "valid: 3 cases, 1 known divergence\n"
        again = suite.check()
        assert again.output == (
            "valid: 3 cases, 1 known divergence\n"
            "3 of 3 files unchanged since they were found valid; to check them again: --no-cache\n"
        )
        assert suite.loaded == []
        suite.write("2.yaml", text("d"))
        assert "\n2 of 3 files unchanged since" in suite.check().output

    def test_it_checks_all_of_them_where_that_is_asked_for(self, suite):
        suite.check()
        done = suite.check("--no-cache")
        assert done.output == "valid: 3 cases, 1 known divergence\n"
        assert suite.loaded == EVERY

    def test_a_record_of_a_case_that_is_gone_is_found_though_its_file_has_not_changed(self, suite):
        suite.check()
        suite.write("1.yaml", text("a"))
        for _ in range(2):
            done = suite.check()
            assert done.exit_code == 2
            assert "made up: cases: there is no case 'b'" in done.output
        assert suite.loaded == []

    def test_the_numbers_of_what_was_only_listed_are_checked(self, suite):
        suite.write("2.yaml", text("c", third="0.126"))
        done = CliRunner().invoke(main, ["list", "cases"])
        assert done.exit_code == 0
        done = suite.check()
        assert (done.exit_code, "step 2 is 0.126 here" in done.output) == (2, True)


def test_the_suites_own_cases_are_indexed_as_they_are_loaded(tmp_path):
    """Both ways, the second time with nothing loaded."""
    loaded = own()
    for _ in range(2):
        found = index((CASES,), folder=tmp_path)
        assert [(row.name, row.file, row.line) for row in found.cases] == [
            (case.name, case.file, case.line) for case in loaded.cases
        ]
        assert [(row.name, row.cases, row.line) for row in found.records] == [
            (record.name, record.cases, record.line) for record in loaded.known_divergences
        ]
    assert found.remembered == len(found.paths)
