"""`conform gate` and `conform baseline update`: what they say, write and exit with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers.gating import DOWN, STILL, UP, as_json, conform, folder, gate, judgement, report
from helpers.making import (
    CELL,
    HALVES,
    MINDSPORE,
    TORCH,
    judged,
    record,
    schedule_case,
    skipped,
)

from harness.gate import baseline_of, write
from harness.plan import Selection, Skip
from harness.verdict import Verdict
from harness.workers import Environment

ID = "halves::torch.optim.lr_scheduler.ExponentialLR::torch/cpu/eager"
CELL_ID = "halves::mindspore.nn.ExponentialDecayLR::mindspore/cpu/graph"


@pytest.fixture(autouse=True)
def at_a_desk(monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def names(count):
    return [f"case {index:04}" for index in range(count)]


def test_an_open_gate_is_one_line(tmp_path):
    done = gate(tmp_path, report(judgement()), report(judgement()))
    said = f"gate open: 1 trial as in {tmp_path / 'baseline.json'}\n"
    assert (done.exit_code, done.stdout) == (0, said)


def test_a_new_divergence_closes_it_and_is_told_with_place_and_reason(tmp_path):
    done = gate(tmp_path, report(judgement()), report(judgement(STILL)))
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[:3] == [
        "new divergence: conforms before, diverges now: 1 trial",
        f"    {ID}",
        "        cases/made.yaml:3",
    ]
    assert lines[3].startswith("        conforms before, diverges now; reported rate at step 1: ")
    assert lines[4:] == ["gate closed: 1 new divergence"]


def test_trials_lost_for_one_reason_are_summed_up(tmp_path):
    before = report(judgement(), *(judgement(name=name, api=CELL) for name in names(50)))
    failed = Environment("mindspore", "mindspore", failure="ImportError: not installed")
    now = report(judgement(), environments=(TORCH, failed))
    done = gate(tmp_path, before, now)
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[0] == "lost trial: mindspore was not run: ImportError: not installed: 50 trials"
    assert lines[1] == f"    case 0000{CELL_ID[6:]}"
    assert lines[-3:] == [
        "    and 47 more",
        "to see all of them: --verbose",
        "gate closed: 50 lost trials",
    ]
    assert len(lines) < 12
    told = gate(tmp_path, before, now, "--verbose").stdout
    assert all(f"{name}::" in told for name in names(50))
    assert "more" not in told


def test_each_way_to_be_lost_has_its_sum(tmp_path):
    before = report(judgement(), judgement(api=CELL), judgement(name="gone"))
    failed = Environment("mindspore", "mindspore", failure="none here")
    done = gate(tmp_path, before, report(judgement(), environments=(TORCH, failed)))
    assert "lost trial: there is no such case: 1 trial\n" in done.stdout
    assert "lost trial: mindspore was not run: none here: 1 trial\n" in done.stdout
    assert done.stdout.endswith("gate closed: 2 lost trials\n")


def test_stale_findings_close_it(tmp_path):
    known = record()
    before = report(judgement(STILL, known), records=(known,))
    done = gate(tmp_path, before, report(judgement(HALVES, known), records=(known,)))
    assert done.exit_code == 1
    assert "stale finding: recorded, and does not occur any more: 1 record" in done.stdout
    assert done.stdout.endswith("gate closed: 1 stale finding\n")


def test_what_moved_is_one_sum_with_the_furthest_first(tmp_path):
    three = names(3)
    before = report(*(judgement(name=name) for name in three))
    now = report(*(judgement(r, name=n) for r, n in zip((DOWN, UP, HALVES), three, strict=True)))
    done = gate(tmp_path, before, now)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == "moved: 2 trials, by at most 1 ULP"
    assert lines[1].startswith("    case 0001::")
    assert lines[-1].endswith("; 2 moved")


@pytest.mark.parametrize(
    ("limit", "code"), [("0.5", 1), ("1", 0), ("1e9", 0), ("nan", 2), ("inf", 2)]
)
def test_drift_closes_it_where_that_is_asked_for(limit, code, tmp_path):
    done = gate(tmp_path, report(judgement()), report(judgement(UP)), "--max-drift", limit)
    assert done.exit_code == code
    assert ("gate closed: 1 moved" in done.stdout) is (code == 1)


def test_what_passes_is_told_too(tmp_path):
    known = record(cases=["recorded"])
    newer = replace(TORCH, packages={"torch": "2.14.0", "numpy": "1.26.4"}, version="2.14.0")
    before = report(judgement(), judgement(STILL, name="bad"), judgement(name="recorded"))
    now = report(
        judgement(),
        judgement(name="bad"),
        judgement(STILL, known, name="recorded"),
        judgement(name="new"),
        environments=(newer, MINDSPORE),
    )
    done = gate(tmp_path, before, now)
    assert done.exit_code == 0
    assert done.stdout.endswith(
        "; 1 new divergence on record, 1 improved, 1 new trial, 1 version\n"
    )
    assert "version: torch 2.13.0 before, 2.14.0 now: 1 environment\n    torch\n" in done.stdout


def test_what_fails_as_ever_is_told_and_passes(tmp_path):
    made = report(judgement(STILL))
    done = gate(tmp_path, made, made)
    assert done.exit_code == 0
    assert "still failing, as in the baseline: 1 trial\n    " + ID in done.stdout


def test_programs_get_every_change(tmp_path):
    before = report(judgement(), *(judgement(name=name) for name in names(9)))
    done = gate(tmp_path, before, report(judgement(UP)), "--json")
    told = as_json(done)
    assert done.exit_code == 1
    assert (told["is_closed"], told["compared"], told["still_failing"]) == (True, 1, [])
    assert told["baseline"] == str(tmp_path / "baseline.json")
    assert [change["kind"] for change in told["changes"]] == ["lost trial"] * 9 + ["moved"]
    assert told["changes"][-1] == {
        "kind": "moved",
        "subject": ID,
        "text": "reported by 1 ULP, applied by 1 ULP",
        "file": "cases/made.yaml",
        "line": 3,
        "fails": False,
    }


def test_text_from_a_case_can_neither_steer_a_terminal_nor_begin_a_line(tmp_path):
    made = report(judgement(STILL))
    reason = "one\n::error::two\r\x1b]0;three\x9b\u202e"
    said = made.trials[0].model_copy(update={"reasons": [reason]})
    done = gate(tmp_path, report(judgement()), made.model_copy(update={"trials": [said]}))
    assert done.exit_code == 1
    assert all(c.isprintable() or c == "\n" for c in done.stdout)
    assert not any(line.strip().startswith("::") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("fields", "telling"),
    [
        (
            {"selection": Selection(families=("exponential",), shard="1/4")},
            "only a part was run: families exponential, shard 1/4; run everything",
        ),
        ({"stopped_early": True}, "the run was stopped early; run everything"),
    ],
)
def test_a_partial_report_is_refused_unless_that_is_what_is_meant(fields, telling, tmp_path):
    before = report(judgement(), judgement(name="other"))
    now = report(judgement(), **fields)
    done = gate(tmp_path, before, now)
    assert done.exit_code == 2
    assert telling in done.stderr
    assert "conform gate --partial" in done.stderr
    done = gate(tmp_path, before, now, "--partial")
    assert (done.exit_code, done.stdout[:20]) == (0, "gate open: 1 trial a")


def test_a_partial_report_with_a_regression_closes_it(tmp_path):
    now = report(judgement(STILL), stopped_early=True)
    done = gate(tmp_path, report(judgement(), judgement(name="other")), now, "--partial")
    assert (done.exit_code, done.stdout[-30:]) == (1, "gate closed: 1 new divergence\n"[-30:])


def test_a_baseline_of_every_mode_wants_a_report_of_every_mode(tmp_path):
    done = gate(tmp_path, report(judgement(), full=True), report(judgement()))
    assert done.exit_code == 2
    assert "the baseline is of every execution mode, and the report is not" in done.stderr
    assert gate(tmp_path, report(judgement()), report(judgement(), full=True)).exit_code == 0


def test_without_a_baseline_it_says_how_to_make_one(tmp_path):
    done = gate(tmp_path, None, report(judgement()))
    assert done.exit_code == 2
    assert f"there is no baseline {tmp_path / 'baseline.json'}" in done.stderr
    assert "conform baseline update" in done.stderr


def test_a_damaged_baseline_is_wrong_usage(tmp_path):
    (tmp_path / "baseline.json").write_text('{"format": 2, "fu')
    done = gate(tmp_path, None, report(judgement()))
    assert done.exit_code == 2
    assert "baseline.json is not JSON" in done.stderr


@pytest.mark.parametrize("content", [None, "", "{}", '{"format": "2.1"', "\0"])
def test_a_report_that_is_none_is_wrong_usage(content, tmp_path):
    write(baseline_of(report(judgement())), tmp_path / "baseline.json")
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    done = conform("gate", tmp_path, "--baseline", tmp_path / "baseline.json")
    assert done.exit_code == 2
    assert "report.json" in done.stderr


def test_a_report_that_has_no_digests_yet_is_wrong_usage(tmp_path):
    made = report(judgement())
    old = [s.model_copy(update={"digest": ""}) for s in made.trials[0].sequences]
    trial = made.trials[0].model_copy(update={"sequences": old})
    done = gate(tmp_path, made, made.model_copy(update={"trials": [trial]}))
    assert done.exit_code == 2
    assert "format 2.0, which has no digests" in done.stderr
    assert "conform run" in done.stderr


def test_a_report_may_be_named_by_its_file(tmp_path):
    write(baseline_of(report(judgement())), tmp_path / "baseline.json")
    file = folder(tmp_path / "latest", report(judgement())) / "report.json"
    assert conform("gate", file, "--baseline", tmp_path / "baseline.json").exit_code == 0


def test_a_drift_that_is_no_number_of_ulps_is_refused(tmp_path):
    assert gate(tmp_path, report(judgement()), report(judgement()), "--max-drift=-1").exit_code == 2


def update(tmp_path, made, *options):
    kept = tmp_path / "reports" / "baseline.json"
    return kept, conform(
        "baseline", "update", folder(tmp_path / "latest", made), "--baseline", kept, *options
    )


def test_a_baseline_is_made_where_there_was_none(tmp_path):
    kept, done = update(tmp_path, report(judgement()))
    assert (done.exit_code, done.stdout) == (0, f"{kept}: 1 trial of 1 case\n")
    assert gate(tmp_path, None, report(judgement())).exit_code == 2
    done = conform("gate", tmp_path / "latest", "--baseline", kept)
    assert done.exit_code == 0


def test_made_twice_of_one_run_it_is_the_same(tmp_path):
    made = report(judgement(UP), judgement(api=CELL))
    kept, _ = update(tmp_path, made)
    before = kept.read_bytes()
    kept, done = update(tmp_path, made)
    assert kept.read_bytes() == before
    assert done.stdout == f"{kept}: 2 trials of 1 case\n"


def test_what_changes_in_it_is_told(tmp_path):
    update(tmp_path, report(judgement(), judgement(name="gone")))
    now = report(judgement(UP), judgement(name="new"))
    kept, done = update(tmp_path, now, "--allow-missing", "gone::*")
    assert done.exit_code == 0
    for line in (
        "lost trial: there is no such case: 1 trial",
        "moved: 1 trial, by at most 1 ULP",
        "new trial: conforms: 1 trial",
        f"{kept}: 2 trials of 2 cases",
    ):
        assert line in done.stdout.splitlines()


def test_a_failing_run_is_kept_only_on_request(tmp_path):
    kept, done = update(tmp_path, report(judgement(STILL)))
    assert done.exit_code == 1
    assert "the run fails in 1 trial, " in done.stderr
    assert "--allow-failures" in done.stderr
    assert not kept.exists()
    kept, done = update(tmp_path, report(judgement(STILL)), "--allow-failures")
    assert done.exit_code == 0
    assert conform("gate", tmp_path / "latest", "--baseline", kept).exit_code == 0


def test_a_part_of_a_run_makes_no_baseline(tmp_path):
    for fields in ({"selection": Selection(keyword="x")}, {"stopped_early": True}):
        kept, done = update(tmp_path, report(judgement(), **fields))
        assert done.exit_code == 2
        assert "a baseline is made of a whole run" in done.stderr
        assert not kept.exists()


def test_an_environment_is_dropped_only_on_request(tmp_path):
    update(tmp_path, report(judgement(), judgement(api=CELL)))
    failed = Environment("mindspore", "mindspore", failure="not installed")
    now = report(judgement(), environments=(TORCH, failed))
    kept, done = update(tmp_path, now)
    assert done.exit_code == 1
    assert "has 1 trial that this run does not have" in done.stderr
    assert f"    {CELL_ID}\n" in done.stderr
    assert CELL_ID in kept.read_text()
    kept, done = update(tmp_path, now, "--allow-missing", "*::mindspore/*")
    assert done.exit_code == 0
    assert "lost trial: mindspore was not run: not installed: 1 trial" in done.stdout
    assert CELL_ID not in kept.read_text()


def test_a_damaged_baseline_is_replaced_on_request(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "baseline.json").write_text("{")
    kept, done = update(tmp_path, report(judgement()))
    assert done.exit_code == 2
    assert "is not JSON" in done.stderr
    assert "conform baseline update --allow-missing '*'" in done.stderr
    assert kept.read_text() == "{"
    kept, done = update(tmp_path, report(judgement()), "--allow-missing", "*")
    assert done.exit_code == 0
    assert kept.read_text().startswith('{\n"format": 2,')


@pytest.mark.parametrize(
    ("gone", "allowed"),
    [
        ([], []),
        (["a"], ["a::*"]),
        (["a", "b"], ["*"]),
        (["a", "b"], ["a::*", "b::*torch/cpu/*"]),
    ],
)
def test_trials_are_dropped_only_where_that_is_asked_for(gone, allowed, tmp_path):
    update(tmp_path, report(*(judgement(name=name) for name in "abc")))
    now = report(*(judgement(name=name) for name in "abc" if name not in gone))
    for number in range(len(allowed)):
        options = [word for glob in allowed[:number] for word in ("--allow-missing", glob)]
        kept, done = update(tmp_path, now, *options)
        assert done.exit_code == 1
        assert f"has {len(gone) - number} trial" in done.stderr
        assert "conform baseline update --allow-missing PATTERN" in done.stderr
        assert '"a::' in kept.read_text()
    options = [word for glob in allowed for word in ("--allow-missing", glob)]
    kept, done = update(tmp_path, now, *options)
    assert done.exit_code == 0
    assert not any(f'"{name}::' in kept.read_text() for name in gone)


@pytest.mark.parametrize("allowed", ["A::*", "a", "a::*mindspore*", "::"])
def test_a_pattern_that_fits_something_else_drops_nothing(allowed, tmp_path):
    update(tmp_path, report(judgement(name="a"), judgement(name="b")))
    kept, done = update(tmp_path, report(judgement(name="b")), "--allow-missing", allowed)
    assert done.exit_code == 1
    assert '"a::' in kept.read_text()


def test_many_trials_that_would_be_dropped_are_counted(tmp_path):
    update(tmp_path, report(*(judgement(name=name) for name in names(50))))
    kept, done = update(tmp_path, report(judgement(name="case 0007")))
    assert done.exit_code == 1
    assert "has 49 trials that this run does not have:\n    case 0000::" in done.stderr
    assert "    and 46 more\n" in done.stderr
    assert kept.read_text().count('"verdict"') == 50


def test_a_trial_that_ran_and_cannot_run_now_is_dropped_too(tmp_path):
    update(tmp_path, report(judgement(), judgement(name="b")))
    unsupported = Skip(Verdict.UNSUPPORTED, "it cannot")
    skipping = judged(skipped(schedule_case(), unsupported), None)
    now = report(skipping, judgement(name="b"))
    kept, done = update(tmp_path, now)
    assert (done.exit_code, f"    {ID}\n" in done.stderr) == (1, True)
    assert "unsupported" not in kept.read_text()
    assert update(tmp_path, now, "--allow-missing", ID)[1].exit_code == 0


def old_baseline(tmp_path, *ids):
    (tmp_path / "reports").mkdir()
    content = {"format": 1, "full": False, "environments": {}, "cases": {}}
    trials = {name: {"verdict": "conforms", "sequences": {"reported": ["9ac1"]}} for name in ids}
    path = tmp_path / "reports" / "baseline.json"
    path.write_text(json.dumps({**content, "trials": trials}))
    return path


def test_a_baseline_of_the_first_format_is_refused_and_rewritten(tmp_path):
    kept = old_baseline(tmp_path, ID)
    made = folder(tmp_path / "latest", report(judgement()))
    done = conform("gate", made, "--baseline", kept)
    assert done.exit_code == 2
    assert f"{kept} has the format 1, and this suite reads 2; to rewrite it: " in done.stderr
    done = conform("baseline", "update", made, "--baseline", kept)
    assert done.exit_code == 0
    assert "is rewritten in this version's format" in done.stderr
    assert conform("gate", made, "--baseline", kept).exit_code == 0


def test_of_a_baseline_of_the_first_format_no_trial_is_dropped_either(tmp_path):
    kept = old_baseline(tmp_path, ID, CELL_ID)
    made = folder(tmp_path / "latest", report(judgement()))
    done = conform("baseline", "update", made, "--baseline", kept)
    assert (done.exit_code, f"    {CELL_ID}\n" in done.stderr) == (1, True)
    assert json.loads(kept.read_text())["format"] == 1


def test_a_run_with_incidents_is_kept_only_on_request(tmp_path):
    made = report(judgement(), incidents=("torch: while idle, killed by a signal",))
    kept, done = update(tmp_path, made)
    assert done.exit_code == 1
    assert "the run had 1 incident, torch: while idle, killed by a signal first" in done.stderr
    assert not kept.exists()
    assert update(tmp_path, made, "--allow-failures")[1].exit_code == 0
    assert conform("gate", tmp_path / "latest", "--baseline", kept).exit_code == 1


def test_what_is_kept_is_what_fails_by_its_verdict(tmp_path):
    made = report(judgement(STILL))
    quiet = made.trials[0].model_copy(update={"fails": False})
    said = {"trials": [quiet], "fails": False}
    kept, done = update(tmp_path, made.model_copy(update=said))
    assert (done.exit_code, kept.exists()) == (1, False)


@pytest.mark.parametrize(
    ("old", "new", "telling"),
    [
        ('"fails": false,', '"fails": true, "fails": false,', "has the key 'fails' twice"),
        ('"verdict": "conforms"', '"verdict": "x", "verdict": "conforms"', "the key 'verdict'"),
        ('"verdict": "conforms"', '"verdict": "fine"', "has the unknown verdict 'fine'"),
        ('"case": "halves"', '"case": "other"', "is of a case that is not there"),
    ],
)
def test_a_report_that_can_be_read_in_two_ways_is_refused(old, new, telling, tmp_path):
    write(baseline_of(report(judgement())), tmp_path / "baseline.json")
    file = folder(tmp_path / "latest", report(judgement())) / "report.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    done = conform("gate", file, "--baseline", tmp_path / "baseline.json")
    assert done.exit_code == 2
    assert telling in done.stderr
    assert str(file) in done.stderr


def test_a_trial_that_is_there_twice_is_refused(tmp_path):
    made = report(judgement())
    twice = made.model_copy(update={"trials": made.trials * 2, "counts": {"conforms": 2}})
    done = gate(tmp_path, made, twice)
    assert done.exit_code == 2
    assert f"the trial {ID} is there twice" in done.stderr


@pytest.mark.parametrize("options", [[], ["--partial"], ["--partial", "--json"]])
def test_an_empty_baseline_is_no_pass(options, tmp_path):
    done = gate(tmp_path, report(), report(judgement()), *options)
    assert done.exit_code == 1
    assert "the baseline has no trials" in done.stdout
