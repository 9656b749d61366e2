"""A migration in words, and as plain values for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from textwrap import indent
from typing import Any

from harness.comparison import Comparison, Extreme
from harness.observation import Observation
from harness.translation import Migration, Way
from harness.translation.reading import Original
from harness.translation.verifying import Difference, Verified


def lines(migration: Migration) -> Iterator[str]:
    """The migration as it is printed."""
    original = migration.original
    yield from _differences(original)
    yield original.text
    if original.place != original.text:
        yield f"  {original.place}"
    yield f"  {original.api}, {_stepped(original)}"
    if migration.own is not None:
        yield from _seen(migration.own, "the original itself")
    for tell in original.tells:
        yield f"  beware: {tell}"
    if original.optimizer:
        yield f"  beware: {original.optimizer}; the code has SGD in its place"
    if original.family == "plateau":
        yield from _plateau()
    for number, way in enumerate(migration.ways, 1):
        yield ""
        marked = "  (recommended)" if way is migration.recommended else ""
        yield f"{number}. {way.form.title}{marked}"
        yield ""
        yield indent(_code(way, original).rstrip("\n"), "    ")
        yield ""
        if way.verified is not None:
            yield from _seen(way.verified, "verified")
        else:
            yield "  not verified"
        for caveat in way.caveats:
            yield f"  beware: {caveat}"
    if migration.unfit:
        yield ""
        yield "not possible:"
        for api, reason in migration.unfit.items():
            yield f"  {api}: {reason}"
    yield ""
    yield _verdict(migration)


def _differences(original: Original) -> Iterator[str]:
    """Why what is said of the call is not said of the script."""
    if original.differences:
        yield "The script's learning rates are not those of this call alone, or may not be:"
        yield from (f"  {difference}" for difference in original.differences)
        yield "What follows is about the call, as if the script had nothing of that."
        yield ""


def _code(way: Way, original: Original) -> str:
    """The code to paste, with comments on what it leaves out."""
    comments = [f"not in this code: {difference}" for difference in original.differences]
    if original.optimizer:
        comments.append(f"{original.optimizer}; put what corresponds in the place of SGD")
    head = "".join(f"# {' '.join(comment.split())}\n" for comment in comments)
    return f"{head}\n{way.form.code}" if head else way.form.code


def _stepped(original: Original) -> str:
    training = original.training
    whole, rest = divmod(training.updates, training.steps_per_epoch)
    length = f"{training.updates:,} updates"
    if training.steps_per_epoch > 1 and not rest:
        length = f"{whole:,} epochs of {training.steps_per_epoch:,} updates"
    if original.call is None or original.call.base_lr is not None:
        rate = f"lr {original.schedule.base_lr!r}"
        unit = "epoch" if original.schedule.per_epoch else "update"
        return f"{rate}, stepped after each {unit}; {length}"
    return f"looked up at each update; {length}"


def _plateau() -> Iterator[str]:
    yield (
        "  the rate depends on the metrics, which only a training knows: no list and no Cell can "
        "hold it"
    )
    yield (
        "  what comes nearest is told its metric too; it was run on metrics that were made up: "
        "better for a tenth of the training, then no more"
    )


def _seen(verified: Verified, what: str) -> Iterator[str]:
    judgement = verified.judgement
    trial, observation = judgement.trial, judgement.observation
    where = f"{trial.implementation.framework} {verified.version}, {_target(verified)}"
    if not verified.ran:
        yield f"  {what}: not run: {'; '.join(judgement.reasons)}"
        return
    updates = min((len(c.observed) for c in judgement.comparisons), default=0)
    yield f"  {what}: {judgement.verdict.value} at {updates:,} updates ({where})"
    for comparison in judgement.comparisons:
        yield f"    {_compared(comparison, verified)}"
    if not verified.conforms:
        for reason in judgement.reasons:
            yield f"    {reason}"
        if judgement.why:
            yield f"    diagnosis: {judgement.why}"
    if isinstance(observation, Observation):
        for warning in observation.warnings:
            if "eprecat" in warning and trial.implementation.api.rpartition(".")[2] in warning:
                yield f"    it says: {warning}"


def _target(verified: Verified) -> str:
    target = verified.judgement.trial.target
    return f"{target.device}/{target.mode}"


def _compared(comparison: Comparison, verified: Verified) -> str:
    text = f"{comparison.name} ({comparison.seen_in}): "
    if comparison.absolute is None or comparison.relative is None or comparison.share is None:
        return text + "no rate was seen"
    text += f"greatest error {comparison.absolute.value:.3g}"
    if comparison.absolute.value:
        text += f" at update {comparison.absolute.step:,}"
    if math.isfinite(comparison.share.value):
        text += f", at most {100 * comparison.share.value:.3g} % of what is allowed"
    apart = verified.apart.get(comparison.name)
    if apart is not None and math.isfinite(apart.value):
        text += f"; {apart.value:.3g} from the original"
    return text


def _verdict(migration: Migration) -> str:
    if migration.original.differences:
        return f"this is not the script's schedule (see above); the call alone: {_told(migration)}"
    return _told(migration)


def _told(migration: Migration) -> str:
    if not migration.verified:
        return "nothing was run: the forms are not verified" if migration.ways else "no form"
    way = migration.recommended
    strays = (
        "the original is not as its own definition has it (above), and the forms follow the "
        "definition"
    )
    if way is None and migration.strays:
        return f"{strays}: none of them gives the original's rates"
    if way is None:
        return "no form was found whose rates are as they are due over the whole training"
    number = migration.ways.index(way) + 1
    if migration.strays:
        return f"{strays}: all but {number}. {way.form.title}, which gives the original's rates"
    return f"recommended: {number}. {way.form.title}: {migration.why}"


def as_json(migration: Migration) -> dict[str, Any]:
    """The same for programs."""
    original = migration.original
    recommended = migration.recommended
    return {
        "differences": list(original.differences),
        "original": {
            "call": original.text,
            "place": original.place,
            "api": original.api,
            "family": original.family,
            "schedule": original.schedule.model_dump(exclude={"factors"}, by_alias=True),
            "updates": original.training.updates,
            "steps_per_epoch": original.training.steps_per_epoch,
            "verified": _as_json(migration.own),
            "optimizer": original.optimizer,
            "beware": list(original.tells),
        },
        "forms": [_way(way, original) for way in migration.ways],
        "not_possible": migration.unfit,
        "recommended": None if recommended is None else migration.ways.index(recommended),
        "why": migration.why,
        "proven": migration.proven,
    }


def _way(way: Way, original: Original) -> dict[str, Any]:
    return {
        "title": way.form.title,
        "api": way.form.implementation.api,
        "kind": way.form.kind,
        "code": _code(way, original),
        "per_epoch": way.form.call.per_epoch,
        "verified": _as_json(way.verified),
        "beware": list(way.caveats),
    }


def _finite(extreme: Extreme | Difference | None) -> float | None:
    """None for what JSON has no number for."""
    return extreme.value if extreme is not None and math.isfinite(extreme.value) else None


def _as_json(verified: Verified | None) -> dict[str, Any] | None:
    if verified is None:
        return None
    judgement = verified.judgement
    return {
        "verdict": judgement.verdict.value,
        "conforms": verified.conforms,
        "version": verified.version,
        "target": _target(verified),
        "reasons": list(judgement.reasons),
        "diagnosis": judgement.why,
        "sequences": {
            c.name: {
                "updates": len(c.observed),
                "precision": c.seen_in,
                "greatest_error": _finite(c.absolute),
                "at_update": c.absolute and c.absolute.step,
                "greatest_share_of_allowed": _finite(c.share),
                "from_the_original": _finite(verified.apart.get(c.name)),
            }
            for c in judgement.comparisons
        },
    }
