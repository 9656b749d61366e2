"""A report that is not of the last run, or is of another commit, is refused."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from helpers.fake_workers import spec
from helpers.gating import as_json, conform

from harness import attempt
from harness.report import FILES
from harness.report.reading import read

CASE = """\
  - name: halves {number}
    description: The rate halves at every update.
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    expected: {{values: [0.5, 0.25, 0.125, 0.0625]}}
    implementations: [torch.optim.lr_scheduler.ExponentialLR]
"""
CASES = "format: 1\ncases:\n" + "".join(CASE.format(number=number) for number in range(3))


ME = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b.c",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b.c",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def git(*words):
    env = {**os.environ, **ME}
    done = subprocess.run(["git", *words], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def theirs(tmp_path, plain_python, monkeypatch):
    """A repository with cases of its own, a baseline and a report of its commit."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "halves.yaml").write_text(CASES)
    (tmp_path / "notes.txt").write_text("notes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for module in ("common", "run"):
        monkeypatch.setattr(f"harness.cli.{module}.CASES", tmp_path / "cases")
    monkeypatch.setattr("harness.project.RECORDS", tmp_path / "none")
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])
    git("init", "--quiet")
    git("add", "cases", "notes.txt")
    git("commit", "--quiet", "-m", "cases")
    assert conform("run").exit_code == 0
    assert conform("baseline", "update").exit_code == 0
    return tmp_path


def edited(folder, by="by heart"):
    text = CASES.replace("source: by hand", f"source: {by}")
    (folder / "cases" / "halves.yaml").write_text(text)


def committed():
    git("commit", "--quiet", "--allow-empty", "--all", "-m", "more")


def test_the_report_of_the_last_run_is_compared():
    assert conform("gate").exit_code == 0
    made = read(attempt.Path("reports/latest"))
    assert made.commit == git("rev-parse", "HEAD")[:12]
    assert made.uncommitted == ""
    assert not attempt.Path("reports/latest", attempt.NAME).exists()


def no_case(folder):
    edited(folder, "by hand\n    steps: none")
    return ["run"], 2


def no_such_family(_):
    return ["run", "--family", "nonsense"], 2


def no_framework(_):
    return ["run", "--environment", "nonsense"], 2


def no_such_shard(_):
    return ["run", "--shard", "9/9"], 2


def an_interrupted_run(_):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.suite.judgements", interrupt)
        assert conform("run").exit_code == 130
    return [], 0


def a_fault_of_the_suite(_):
    def fail(*_, **__):
        raise RuntimeError("a fault")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FILES, "index.html", fail)
        assert conform("run").exit_code == 70
    return [], 0


@pytest.mark.parametrize(
    "failing",
    [
        no_case,
        no_such_family,
        no_framework,
        no_such_shard,
        an_interrupted_run,
        a_fault_of_the_suite,
    ],
)
@pytest.mark.parametrize("place", [[], ["reports/latest"], ["reports/latest/report.json"]])
def test_after_a_run_that_failed_an_older_report_is_refused(failing, place, theirs):
    before = (theirs / "reports" / "latest" / "report.json").read_bytes()
    words, code = failing(theirs)
    if words:
        assert conform(*words).exit_code == code
    git("checkout", "--quiet", "cases")
    assert (theirs / "reports" / "latest" / "report.json").read_bytes() == before
    for command in (["gate", "--partial"], ["baseline", "update"], ["report"]):
        done = conform(*command, *(place or ["reports/latest"] * (command == ["report"])))
        assert done.exit_code == 2, command
        assert "reports/latest has no report of the last run: it was begun at 20" in done.stderr
        assert "reports/latest/attempt.json" in done.stderr
        assert "run again: conform run" in done.stderr
    assert conform("run").exit_code == 0
    assert conform("gate", *place).exit_code == 0


def test_a_copy_of_it_is_refused_too(theirs):
    assert conform("run", "--family", "nonsense").exit_code == 2
    (theirs / "reports" / "latest").rename(theirs / "reports" / "copy")
    done = conform("gate", "reports/copy")
    assert (done.exit_code, "has no report of the last run" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", ["", "{}", "[]", "\0", '{"started": 3}'])
def test_a_damaged_note_of_a_run_says_so_much_too(content, theirs):
    (theirs / "reports" / "latest" / "attempt.json").write_text(content)
    assert conform("gate").exit_code == 2


def test_a_run_that_another_one_overtook_does_not_speak_for_it(theirs):
    folder = theirs / "reports" / "latest"
    first, second = attempt.begin(folder), attempt.begin(folder)
    first.finish()
    assert conform("gate").exit_code == 2
    second.finish()
    second.finish()
    assert conform("gate").exit_code == 0


def test_a_run_into_another_folder_leaves_this_one_alone(theirs):
    assert conform("run", "--report", "other", "--family", "nonsense").exit_code == 2
    assert conform("gate").exit_code == 0
    assert conform("gate", "other").exit_code == 2


def test_a_report_of_another_commit_is_refused(theirs):
    made = git("rev-parse", "HEAD")
    committed()
    here = git("rev-parse", "HEAD")
    for command in (["gate"], ["gate", "reports/latest"], ["baseline", "update"]):
        done = conform(*command)
        assert done.exit_code == 2
        assert f"is of commit {made[:12]}, and the working tree is at commit {here[:12]}" in (
            done.stderr
        )
    assert conform("gate", "--commit", made).exit_code == 0
    assert conform("gate", "--commit", here).exit_code == 2
    assert conform("run").exit_code == 0
    assert conform("gate").exit_code == 0


@pytest.mark.parametrize("cut", [7, 12, 40])
def test_a_commit_may_be_cut_short(cut):
    made = git("rev-parse", "HEAD")
    assert conform("gate", "--commit", made[:cut]).exit_code == 0
    assert conform("gate", "reports/latest", "--commit", made[:cut].upper()).exit_code == 0


@pytest.mark.parametrize("commit", ["", "0" * 40, "HEAD", "abcdef1", "main"])
def test_another_commit_than_is_asked_for_is_refused(commit, theirs):
    made = git("rev-parse", "HEAD")[:12]
    for place in ([], ["reports/latest"], ["elsewhere"]):
        if place == ["elsewhere"]:
            (theirs / "reports" / "latest").rename(theirs / "elsewhere")
        done = conform("gate", *place, "--commit", commit)
        assert done.exit_code == 2
        assert f"is of commit {made}, and has to be of {commit}" in done.stderr


def test_a_report_that_is_named_may_be_of_any_commit(theirs):
    (theirs / "reports" / "latest").rename(theirs / "downloaded")
    committed()
    assert conform("gate", "downloaded").exit_code == 0


@pytest.mark.parametrize("file", ["cases/halves.yaml", "cases/new.yaml", "a/b/model.py"])
def test_code_and_cases_that_changed_since_the_run_are_noticed(file, theirs):
    path = theirs / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "# more\n")
    for command in (["gate"], ["baseline", "update"]):
        done = conform(*command)
        assert done.exit_code == 2
        assert "code or cases (.py, .yaml) that are not committed have changed since" in done.stderr
    path.unlink()
    if file == "cases/halves.yaml":
        assert conform("gate").exit_code == 2
        git("checkout", "--quiet", file)
    assert conform("gate").exit_code == 0


def test_a_run_with_uncommitted_changes_is_compared_until_they_change_again(theirs):
    edited(theirs)
    assert conform("run").exit_code == 0
    assert conform("gate").exit_code == 0
    done = conform("gate", "--commit", git("rev-parse", "HEAD"))
    assert (done.exit_code, "with uncommitted changes" in done.stderr) == (2, True)
    edited(theirs, "by ear")
    assert conform("gate").exit_code == 2
    edited(theirs)
    assert conform("gate").exit_code == 0


def test_what_a_run_does_not_depend_on_may_change(theirs):
    (theirs / "notes.txt").write_text("more notes")
    (theirs / "reports" / "other.yaml").write_text("a: 1")
    for folder in ("venv", ".hidden"):
        (theirs / folder).mkdir()
        (theirs / folder / "module.py").write_text("a = 1")
    (theirs / "venv" / "pyvenv.cfg").write_text("")
    assert conform("gate").exit_code == 0
    git("add", "reports/baseline.json")
    assert conform("baseline", "update").exit_code == 0
    assert conform("gate").exit_code == 0


@pytest.mark.parametrize("changed", [None, "notes.txt", "cases/halves.yaml"])
def test_an_incremental_run_is_of_the_commit_that_it_was_run_at(changed, theirs):
    if changed:
        path = theirs / changed
        path.write_text(path.read_text().replace("by hand", "by heart") + "\n# more\n")
    committed()
    assert conform("gate").exit_code == 2
    done = conform("run", "--changed")
    assert done.exit_code == 0
    assert ("0 of 3 trials run" in done.stdout) is (changed != "cases/halves.yaml")
    assert read(theirs / "reports" / "latest").commit == git("rev-parse", "HEAD")[:12]
    assert conform("gate").exit_code == 0
    assert "and the report is left as it is" in conform("run", "--changed").stdout
    assert conform("gate").exit_code == 0


def test_after_a_failed_run_an_incremental_one_that_has_nothing_to_do_speaks_for_it(theirs):
    assert conform("run", "--family", "nonsense").exit_code == 2
    assert conform("gate").exit_code == 2
    for _ in range(2):  # the baseline is new, and then nothing is
        assert conform("run", "--changed").exit_code == 0
        assert conform("gate").exit_code == 0


def test_without_a_repository_a_commit_is_neither_asked_for_nor_given(theirs):
    (theirs / ".git").rename(theirs / "was-git")
    assert conform("gate").exit_code == 2  # the report is of a commit
    assert conform("run").exit_code == 0
    assert read(theirs / "reports" / "latest").commit is None
    assert conform("gate").exit_code == 0


def test_a_report_without_a_commit_is_of_none_that_is_asked_for(theirs):
    file = theirs / "reports" / "latest" / "report.json"
    content = json.loads(file.read_text())
    content["commit"] = content["suite"]["commit"] = None
    file.write_text(json.dumps(content))
    done = conform("gate", "--commit", git("rev-parse", "HEAD"))
    assert done.exit_code == 2
    assert "does not say of which commit it is" in done.stderr


def test_a_report_of_another_version_of_the_suite_is_refused(theirs):
    file = theirs / "reports" / "latest" / "report.json"
    content = json.loads(file.read_text())
    content["suite"]["commit"] = "abcdef123456"
    file.write_text(json.dumps(content))
    done = conform("gate")
    assert done.exit_code == 2
    assert "was made by the suite at commit abcdef123456, and this is the suite at" in done.stderr


def test_merged_reports_are_of_one_commit_or_of_none_that_is_asked_for(theirs):
    for index in (1, 2):
        assert conform("run", "--shard", f"{index}/2", "--report", f"part-{index}").exit_code == 0
    first = git("rev-parse", "HEAD")
    assert conform("report", "part-1", "part-2", "--report", "merged").exit_code == 0
    done = conform("gate", "merged", "--commit", first, "--json")
    assert (done.exit_code, as_json(done)["compared"]) == (0, 3)
    committed()
    assert conform("run", "--shard", "2/2", "--report", "part-2").exit_code == 0
    assert conform("report", "part-1", "part-2", "--report", "merged").exit_code == 0
    for commit in (first, git("rev-parse", "HEAD")):
        assert conform("gate", "merged", "--commit", commit).exit_code == 2


def test_shards_that_other_durations_divided_are_not_merged(theirs):
    durations = theirs / "reports" / "durations.json"
    durations.unlink()
    assert conform("run", "--shard", "1/2", "--report", "part-1").exit_code == 0
    durations.write_text('{"format": 1, "costs": {"halves 2": 50}}')
    assert conform("run", "--shard", "2/2", "--report", "part-2").exit_code == 0
    done = conform("report", "part-1", "part-2", "--report", "merged")
    assert done.exit_code == 2
    assert "part-1 and part-2 are shards of different divisions" in done.stderr
    assert not (theirs / "merged").exists()


def test_a_shard_that_is_missing_is_told_with_its_cases(theirs):
    for index in (1, 3):
        assert conform("run", "--shard", f"{index}/3", "--report", f"part-{index}").exit_code == 0
    done = conform("report", "part-1", "part-3", "--report", "merged")
    assert done.exit_code == 1
    ran = {case.name for n in (1, 3) for case in read(theirs / f"part-{n}").cases}
    (left,) = {f"halves {number}" for number in range(3)} - ran
    assert f"shard 2/3 is missing, and no other has run its 1 case:\n    {left}\n" in done.stderr
    assert conform("gate", "merged").exit_code == 2
    done = conform("baseline", "update", "merged", "--allow-missing", "*")
    assert (done.exit_code, "only a part was run" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ["cases/one.yaml"],
        ["--environment", "one"],
        ["-k", "0"],
        ["--family", "exp*"],
        ["--shard", "1/3"],
    ],
)
def test_however_a_run_was_restricted_its_baseline_drops_nothing(options, theirs):
    (theirs / "cases" / "one.yaml").write_text("format: 1\ncases:\n" + CASE.format(number="apart"))
    (theirs / "environments.yaml").write_text("")
    assert conform("run").exit_code == 0
    assert conform("baseline", "update").exit_code == 0
    kept = (theirs / "reports" / "baseline.json").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "harness.cli.run.specs_named", lambda names, file: [spec(name=(*names, "torch")[0])]
        )
        assert conform("run", *options).exit_code == 0
    if options[0] == "-k":
        assert conform("run", *options, "--changed").exit_code == 0
    done = conform("baseline", "update")
    assert done.exit_code in (1, 2)
    assert "that this run does not have" in done.stderr or "only a part was run" in done.stderr
    assert (theirs / "reports" / "baseline.json").read_text() == kept
