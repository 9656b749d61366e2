"""Faults planted in the real modules, in workers of their own."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from threading import Event

import pytest
from click.testing import CliRunner
from helpers.draws import every
from helpers.suite import suite

from harness.cli import main
from harness.judge import Judge
from harness.load import Loaded
from harness.strength import campaign as strengths, measure
from harness.strength.campaign import Campaign, Progress, carry_out, plan_campaign, source_of
from harness.strength.equivalence import Equivalents, Proof
from harness.strength.faults import faults
from harness.strength.measure import TIME_LIMIT, Bench, Fate, Outcome, baseline
from harness.strength.telling import document, scores

pytestmark = pytest.mark.xdist_group("strength")
frameworks = pytest.mark.frameworks
TORCH = "torch.optim.lr_scheduler"
CELLS = "mindspore.nn.learning_rate_schedule"


def only(keyword: str, *families: str) -> Loaded:
    """Some cases of the suite, with its records."""
    loaded = suite()
    cases = tuple(
        case
        for case in loaded.cases
        if getattr(case, "family", "") in families and keyword in case.name
    )
    return Loaded(cases, loaded.known_divergences)


@pytest.fixture(scope="module")
def _quick_starts(_forking_python, plain_interpreter):
    """Faults are planted in quick interpreters; those that are imported need one that has not."""

    def planting(framework, modules, fault=None):
        python = plain_interpreter if fault else _forking_python
        return replace(in_any(framework, modules, fault), python=str(python))

    in_any = measure.planting
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "planting", planting)
        yield


@pytest.fixture(scope="module")
def decay(tmp_path_factory, _quick_starts) -> tuple[Campaign, str]:
    """ExponentialLR against a few cases, and its source before it all."""
    before = source_of(TORCH).read_text()
    campaign = plan_campaign([TORCH], "ExponentialLR.get_lr")
    folder = tmp_path_factory.mktemp("strength")
    carry_out(campaign, only("epochs/", "exponential"), folder, None, Progress(), jobs=1)
    campaign.folder = folder
    return campaign, before


@frameworks
def test_faults_that_change_rates_are_caught(decay):
    campaign, _ = decay
    fates = {o.fault.change: o.fate for o in campaign.outcomes_of(TORCH)}
    assert fates["* → /"] is Fate.CAUGHT
    assert campaign.is_complete


@frameworks
def test_it_is_said_which_trial_caught_it_and_how(decay):
    campaign, _ = decay
    caught = next(o for o in campaign.outcomes_of(TORCH) if o.fault.change == "* → /")
    assert "ExponentialLR" in caught.by
    # The quickest trial catches it; where gamma is 0, that divides by 0.
    assert caught.how.startswith(("diverges: ", "refused: raised ZeroDivisionError"))


@frameworks
def test_the_installed_source_is_as_it_was(decay):
    _, before = decay
    assert source_of(TORCH).read_text() == before


@frameworks
def test_what_is_known_is_not_tried_again(decay, tmp_path):
    campaign, _ = decay
    again = plan_campaign([TORCH], "ExponentialLR.get_lr")
    tried = []

    class Listening(Progress):
        def on_outcome(self, outcome, done, total):
            tried.append(outcome)

    carry_out(again, only("epochs/", "exponential"), campaign.folder, None, Listening(), jobs=1)
    assert not tried
    assert again.outcomes.keys() == campaign.outcomes.keys()
    assert [o.fate for o in again.outcomes_of(TORCH)] == [
        o.fate for o in campaign.outcomes_of(TORCH)
    ]


@frameworks
def test_a_line_that_was_cut_off_costs_its_own_fault_and_no_more(decay, tmp_path):
    campaign, _ = decay
    lines = (campaign.folder / "outcomes.jsonl").read_text().splitlines()
    (tmp_path / "outcomes.jsonl").write_text("\n".join([*lines[:-1], lines[-1][:40]]))
    again = plan_campaign([TORCH], "ExponentialLR.get_lr")
    strengths.Memory(tmp_path, strengths.suite_digest()).recall(again)
    assert len(again.outcomes) == len(lines) - 1


@frameworks
def test_a_fault_that_no_case_looks_at_survives(tmp_path, _quick_starts):
    campaign = plan_campaign([TORCH], "StepLR.get_lr", sample=(6, 0))
    carry_out(campaign, only("resume", "exponential"), tmp_path, None, Progress(), jobs=1)
    survivors = campaign.surviving(TORCH)
    assert any(o.fate is Fate.SURVIVED and o.tried for o in survivors)
    campaign = plan_campaign([TORCH], "OneCycleLR._annealing_cos", sample=(3, 0))
    carry_out(campaign, only("epochs/", "exponential"), tmp_path, None, Progress(), jobs=1)
    assert {o.fate for o in campaign.surviving(TORCH)} == {Fate.UNREACHED}


@frameworks
def test_planting_is_not_itself_what_a_trial_hears_a_warning_of(tmp_path, _quick_starts):
    campaign = plan_campaign([TORCH], "CosineAnnealingLR.get_lr", sample=(12, 0))
    carry_out(campaign, only("no warning", "cosine"), tmp_path, None, Progress(), jobs=1)
    outcomes = campaign.outcomes_of(TORCH)
    assert Fate.SURVIVED in {o.fate for o in outcomes}
    assert not [o.how for o in outcomes if "warned" in o.how]


@frameworks
@pytest.mark.parametrize(
    ("module", "where", "family", "one_of"),
    [
        (TORCH, "MultiStepLR.get_lr", "multistep", 6),
        (CELLS, "InverseDecayLR*", "inverse_time", 6),
        pytest.param(TORCH, "MultiStepLR.get_lr", "multistep", every(3), marks=pytest.mark.slow),
        pytest.param(CELLS, "InverseDecayLR*", "inverse_time", every(3), marks=pytest.mark.slow),
    ],
)
def test_planted_in_a_running_process_and_imported_it_meets_the_same_fate(
    module, where, family, one_of, _quick_starts, monkeypatch
):
    """The quick way shows what the slow one does."""
    framework, source = module.partition(".")[0], source_of(module).read_text()
    some = [f for f in plan_campaign([module], where).planted[0].faults if f.function][::one_of]
    base = baseline(
        framework,
        [module],
        only("" if one_of == 1 else "resume", family).cases,
        lambda e: Judge((), {e.name: e.version}, explains=False),
        lambda done, total: None,
        Event(),
    )
    with Bench(framework, {module: source}, base, Event()) as bench:
        imported = [bench._imported(fault, base.reaching(fault)) for fault in some]
        slow, slowly = bench._imported, []
        monkeypatch.setattr(bench, "_imported", lambda *of: slowly.append(of) or slow(*of))
        running = [bench.try_out(fault, lambda trials: trials) for fault in some]
    assert [o.fate for o in running] == [o.fate for o in imported]
    assert {o.fate for o in running} >= {Fate.CAUGHT}
    assert len(slowly) < len(some) / 2


@frameworks
def test_it_ends_in_the_time_that_it_is_given(tmp_path, _quick_starts):
    campaign = plan_campaign([TORCH], "*")
    began = time.monotonic()
    carry_out(campaign, only("epochs/", "exponential"), tmp_path, 3.0, Progress(), jobs=1)
    assert time.monotonic() - began < 3 + 2 * TIME_LIMIT
    assert not campaign.is_complete
    kept = tmp_path / "outcomes.jsonl"  # none, where the time was up before the first fault
    lines = kept.read_text().splitlines() if kept.exists() else []
    assert len(lines) == len(campaign.outcomes)


def fault():
    return faults(TORCH, "def f(a):\n    return a * 2\n")[0]


def proof(**fields):
    content = {"module": TORCH, "where": "f", "statement": "return a * 2", "changes": ["* → /"]}
    return Proof(**{**content, "reason": "made up, and long enough for one", **fields})


def test_a_proof_takes_a_survivor_off_the_list():
    campaign = Campaign([strengths.Planted(TORCH, "", (fault(),), (fault(),))], Equivalents())
    campaign.outcomes[fault().id] = Outcome(fault(), Fate.SURVIVED)
    assert campaign.surviving(TORCH)
    campaign.equivalents = Equivalents((proof(),))
    assert not campaign.surviving(TORCH)
    assert not campaign.disproven
    assert scores(campaign)[0].percent == "-"


@pytest.mark.parametrize("fields", [{"where": "g"}, {"statement": "return 2"}])
def test_a_proof_of_a_fault_that_there_is_not_does_not_hold(fields):
    campaign = Campaign(
        [strengths.Planted(TORCH, "", (fault(),), (fault(),))], Equivalents((proof(**fields),))
    )
    assert "no such fault" in campaign.disproven[0]


def test_a_proof_of_a_fault_that_is_caught_does_not_hold():
    campaign = Campaign(
        [strengths.Planted(TORCH, "", (fault(),), (fault(),))], Equivalents((proof(),))
    )
    campaign.outcomes[fault().id] = Outcome(fault(), Fate.CAUGHT, "a trial", "diverges")
    assert "a trial catches it" in campaign.disproven[0]


def test_the_suite_s_own_proofs_are_of_faults_that_there_are():
    assert not plan_campaign([], "*").disproven


@frameworks
def test_the_document_has_the_scores_and_the_survivors(decay):
    campaign, _ = decay
    text = document(campaign)
    assert f"| {TORCH} | {len(campaign.outcomes)} |" in text
    for outcome in campaign.surviving(TORCH):
        assert outcome.fault.change in text


def test_a_full_score_is_never_rounded_up():
    campaign = Campaign([strengths.Planted(TORCH, "", (fault(),), (fault(),))], Equivalents())
    (score,) = scores(campaign)
    assert replace(score, caught=9999, surviving=1, planted=10000).percent == "99.9 %"
    assert replace(score, caught=10000, surviving=0, planted=10000).percent == "100.0 %"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--module", "torch.optim.schedulers"], "did you mean 'torch.optim.lr_scheduler'"),
        (["--where", "Nothing*"], "no function or class"),
        (["--sample", "0"], "--sample"),
    ],
)
def test_wrong_options_are_refused(options, text, tmp_path):
    done = CliRunner().invoke(main, ["strength", "--report", str(tmp_path), *options])
    assert done.exit_code == 2
    assert text in done.output


@frameworks
def test_each_outcome_is_a_line_of_json(decay):
    campaign, _ = decay
    source = source_of(TORCH).read_text()
    for line in (campaign.folder / "outcomes.jsonl").read_text().splitlines():
        entry = json.loads(line)
        assert entry["source"] == hashlib.sha256(source.encode()).hexdigest()[:16]
