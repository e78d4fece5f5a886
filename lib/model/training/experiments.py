"""The gain of each choice, the cost of each mistake, and generators never seen: many short trainings on one dataset.

Every seed draws training and validation images anew. All trainings share the run's test images, so that no recipe is
chosen on images that give a test score.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.data.audit import audit
from lib.data.source import listing, sources
from lib.model.training.trials import TRIAL_COLUMNS, Trial, inputs_divided_by_255, random_weights, run_trial
from lib.show.progress import progress
from lib.study.names import LABELS, STAGES, generators_of, independent_groups
from lib.study.pretrained import resolve
from lib.study.recipes import FRESH, RECIPES, Phase, Recipe
from lib.study.run import Run

# Seeds of the repeats in an ablation: each draws validation and trains anew.
REPEATS = 3
# Images of the frequent class for each image of the rare class.
IMBALANCE = 9
# Images in an epoch of fine-tuning, in the mistakes of a quick run.
QUICK_EPOCH = 128
# Columns whose values are left out one at a time, each with the class that has them.
SIDES = {"generator": "synthetic", "source": "real"}
# Values of a column that are left out at most: those with most test images. Each one is a training.
MOST_LEFT_OUT = 20
# Groups of a class that must remain, for there is no interval and no threshold of fewer.
LEAST_GROUPS = 2


def trial_images(run: Run, trial: Trial) -> pd.DataFrame:
    """The run's image table for a trial. Its seed draws training and validation anew, without the images that are
    thinned or left out.

    A split given by the user stays unchanged.
    """
    images = run.images()
    given = listing.image_files(sources.source_of(run))["split"]
    if trial.seed != run.seed and (given == "").all():
        images = audit.choose_validation_again(images, run.pairs(), trial.seed)
    column, value = trial.left_out
    if column:
        images = images.copy()
        gone = (images["label"] == SIDES[column]) & images[column].isin((value, ""))
        images.loc[gone & (images["split"] != "test"), "split"] = ""
    if not trial.rare:
        return images
    images = images.copy()
    for split in ("train", "validation"):
        inside = images["split"] == split
        rare = images.index[inside & (images["label"] == trial.rare)]
        kept = (inside & (images["label"] != trial.rare)).sum() // IMBALANCE
        order = np.random.default_rng([trial.seed, STAGES.index("full")]).permutation(len(rare))
        images.loc[rare[order[kept:]], "split"] = ""
    return images


def _run_all(run: Run, experiment: str, trials: Sequence[Trial]) -> list[pd.DataFrame]:
    # Decided once: `auto` may ask the network, and a different answer later would mix two backbones.
    run = dataclasses.replace(run, backbone=resolve(run.backbone, run.weights).backbone)
    # If the user requests new training, as `Run.train_again` has recorded.
    again = run.trials / f"{experiment}.again"
    since = again.stat().st_mtime if again.is_file() else 0
    found = []
    for number, trial in enumerate(trials, start=1):
        with progress(
            len(trials), f"{experiment}, training {number} of {len(trials)}: {trial.name}", "trainings"
        ) as done:
            done(number - 1)
        found.append(run_trial(run, trial, trial_images(run, trial), since))
    return found


# ----------------------------------------------------------------------------------------------------------- ablation


@dataclass(frozen=True)
class Variant:
    """The tuned recipe with one choice changed, or another recipe for comparison.

    Attributes:
        choice: the field of the recipe that differs.
        setting: its value in this variant.
        recipe: the whole recipe.
        until: the last stage that is trained.
        judged: the stage after which it is judged; empty for the last.
    """

    choice: str
    setting: str
    recipe: Recipe
    until: str = "phase1"
    judged: str = ""

    @property
    def name(self) -> str:
        """Choice and setting."""
        return f"{self.choice}: {self.setting}"


def variants(recipe: Recipe, *, fine_tuning: bool = True, generators: bool = False) -> list[Variant]:
    """The recipe itself, then all its variants: first those judged after phase 1, then those judged after fine-tuning.

    The original recipe comes last.

    Args:
        fine_tuning: whether to include the slow second part.
        generators: whether the images are of several generators, so that there is a choice how much each counts.
    """
    other, phase = functools.partial(dataclasses.replace, recipe), dataclasses.replace
    narrow = other(image_size=224)
    found = [
        Variant("phase 1", "as tuned", recipe),
        Variant("view", "whole image resized", other(view="resize")),
        Variant("view", "window of 224 pixels", narrow),
        Variant("pooling", "average of the last layer", other(pooling="average")),
        Variant("view and pooling", "resized, average (the original's)", other(view="resize", pooling="average")),
        Variant("head", "the study's 1024-512-256", other(head="study")),
        Variant("head", "small, 64 units", other(head="small")),
        Variant("head", "linear, from a logistic regression", other(head="logistic")),
        Variant("head", "regression alone, no epochs", other(phase1=phase(recipe.phase1, epochs=0))),
        Variant("phase-1 learning rate", "1e-3", other(phase1=phase(recipe.phase1, learning_rate=1e-3))),
        Variant("phase-1 schedule", "constant", other(phase1=phase(recipe.phase1, schedule="constant"))),
        Variant("label smoothing", "0.1", other(label_smoothing=0.1)),
        Variant("augmented views", "none", other(views=0)),
        Variant("augmented views", "fresh every epoch", other(views=FRESH)),
    ]
    found += [
        Variant("degraded views", "none, crops and flips alone", other(degradation="")),
        Variant("degraded views", "sharing: up to three compressions and resizes", other(degradation="sharing")),
        Variant("degraded views", "random masking, 15-30% of the area", other(degradation="mask")),
        Variant("degraded views", "frequency masking, 15%", other(degradation="frequency")),
    ]
    if generators:
        found.append(Variant("generators", "each counts the same", other(generators="even")))
    if not fine_tuning:
        return found
    partial, full = phase(recipe.partial, epochs=2), recipe.full
    found += [
        Variant("fine-tuning", "as tuned: the full stage alone", recipe, "full"),
        Variant("fine-tuning", "partial stage, then full", other(partial=partial), "full"),
        Variant("fine-tuning", "partial stage alone", other(partial=partial), "full", "partial"),
        Variant("fine-tuning", "two epochs of all images", other(full=phase(full, epochs=2, images=None)), "full"),
        Variant("fine-tuning", "kept wherever validation is higher", other(full=phase(full, margin=0.0)), "full"),
        Variant("full learning rate", "2e-5", other(full=phase(full, learning_rate=2e-5)), "full"),
        Variant("everything", "the original recipe", RECIPES["original"], "full"),
    ]
    return found


def ablation(run: Run) -> pd.DataFrame:
    """Train the tuned recipe and each variant with REPEATS seeds; validation compares them (see metrics/repeats.py).

    A quick run trains every third variant with one seed, without fine-tuning.

    Returns:
        Validation scores: columns variant, choice, setting, seed, total (seconds of all stages, without cached
            features), then TRIAL_COLUMNS; `stage` is the last trained stage.
    """
    recipe = run.recipe if run.quick else RECIPES["tuned"]
    several = len(generators_of(run.used_images())) > 1
    found = variants(recipe, fine_tuning=not run.quick, generators=several)
    found = found[::3] if run.quick else found
    cases = [(each, seed) for each in found for seed in _seeds(run)]
    frames = _run_all(
        run, "ablation", [Trial(f"{each.name} {seed}", each.recipe, each.until, seed) for each, seed in cases]
    )
    rows = []
    for (each, seed), frame in zip(cases, frames):
        stage = each.judged or each.until
        words = {
            "variant": each.name,
            "choice": each.choice,
            "setting": each.setting,
            "seed": seed,
            "stage": each.until,
        }
        spent = frame.groupby("stage")["seconds"].first()[list(STAGES[: STAGES.index(stage) + 1])]
        mine = (frame["split"] == "validation") & (frame["stage"] == stage)
        rows.append(frame[mine].assign(**words, total=spent.sum()))
    return pd.concat(rows, ignore_index=True)


def _seeds(run: Run) -> list[int]:
    return [run.seed + number for number in range(1 if run.quick else REPEATS)]


# ---------------------------------------------------------------------------------------------------------- imbalance


def imbalance(run: Run) -> pd.DataFrame:
    """The recipe on the full data, and with either class thinned to a ninth of the other.

    A recipe that gives a rare class more views is compared with itself using weights in the loss alone.

    Training and validation images are thinned. The test images stay, so that both recalls are measured on the full
    number.

    Returns:
        Scores of validation and test after the last stage: columns case, seed, train_real, train_synthetic (training
            images of each class), then TRIAL_COLUMNS.
    """
    cases = [("balanced", "", run.recipe)]
    for words, rare in (("1 synthetic for 9 real", "synthetic"), ("1 real for 9 synthetic", "real")):
        cases.append((words, rare, run.recipe))
        if run.recipe.rare == "views":
            cases.append((f"{words}, weights alone", rare, dataclasses.replace(run.recipe, rare="weights")))
    rows = []
    for case, rare, recipe in cases:
        trials = [Trial(f"{case} {seed}", recipe, "full", seed, rare=rare) for seed in _seeds(run)]
        for trial, frame in zip(trials, _run_all(run, "imbalance", trials)):
            counts = trial_images(run, trial).query("split == 'train'")["label"].value_counts()
            counted = {f"train_{label}": int(counts[label]) for label in LABELS}
            rows.append(frame.query("stage == 'full'").assign(case=case, seed=trial.seed, **counted))
    return pd.concat(rows, ignore_index=True)


# ------------------------------------------------------------------------------------------------------ left-out values


def generators(run: Run, least: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detectors that have never seen one generator, beside the one that has seen all; phase 1 alone.

    Everything is chosen without the left-out generator: epoch, regularisation, and the threshold. The same is done for
    the sources of real images, if there is a column `source`. The detector that has seen all differs in nothing else:
    where some values are unknown, it is trained without those images too.

    Args:
        least: test images of a value that are needed to measure it.

    Returns:
        What is left out: columns column, value, images (its test images), why (the reason if it is not measured, else
            ""). Columns with fewer than two values do not appear, so the table can be empty.
        Scores of validation and test: columns column, value, seen, then TRIAL_COLUMNS. The test images are those of the
            value and all of the other class.
    """
    images = run.used_images()
    whole = Trial("with all", run.recipe, "phase1", run.seed)
    cases, trials = [], []
    for column, value in _values(images):
        mine = (images["label"] == SIDES[column]) & (images[column] == value)
        unknown = ((images["label"] == SIDES[column]) & (images[column] == "")).any()
        with_all = dataclasses.replace(whole, left_out=(column, "")) if unknown else whole
        without = dataclasses.replace(whole, name=f"without {value}", left_out=(column, value))
        count = int((mine & (images["split"] == "test")).sum())
        why = "too few test images" if count < least else _too_few(trial_images(run, without), least)
        cases.append({"column": column, "value": value, "images": count, "why": why})
        trials += [] if why else [with_all, without]
    frames = iter(_run_all(run, "generators", trials))
    scored = [pd.DataFrame(columns=["column", "value", "seen", *TRIAL_COLUMNS])]
    for case in cases:
        for seen in () if case["why"] else (True, False):
            words = {"column": case["column"], "value": case["value"], "seen": seen}
            scored.append(_tested(next(frames), images, case).assign(**words))
    return pd.DataFrame(cases, columns=["column", "value", "images", "why"]), pd.concat(scored[1:] or scored)


def _tested(frame: pd.DataFrame, images: pd.DataFrame, case: dict) -> pd.DataFrame:
    """The scores of a trial, without the test images of the other values of the column."""
    mine = images["label"] == SIDES[case["column"]]
    others = images.loc[mine & (images[case["column"]] != case["value"]), "image_id"]
    return frame[(frame["split"] == "validation") | ~frame["image_id"].isin(others)]


def _values(images: pd.DataFrame) -> list[tuple[str, str]]:
    """Columns with two or more known values among the class that has them, each with its values, most test images first."""
    found = []
    for column, label in SIDES.items():
        mine = images[images["label"] == label]
        known = sorted(set(mine[column]) - {""}) if column in mine else []
        counts = mine.loc[mine["split"] == "test", column].value_counts() if known else {}
        known.sort(key=lambda value: -counts.get(value, 0))
        found += [(column, value) for value in known[:MOST_LEFT_OUT]] if len(known) > 1 else []
    return found


def _too_few(images: pd.DataFrame, least: int) -> str:
    """Why nothing can be trained on what remains, or ""."""
    groups = images.assign(group=independent_groups(images)).groupby(["split", "label"])["group"].nunique()
    for split, needed in (("train", least), ("validation", LEAST_GROUPS), ("test", LEAST_GROUPS)):
        if any(groups.get((split, label), 0) < needed for label in LABELS):
            return "too few other images"
    return ""


# --------------------------------------------------------------------------------------------------------- wrong turns


TURNS = {
    "a": "none: the recipe, run correctly",
    "b": "inputs divided by 255 first",
    "c": "predictions of a shuffled generator against unshuffled labels",
    "d": "random weights, frozen base",
    "e": "fine-tuning at 1e-8 only, from an untrained head",
    "f": "BatchNorm in training mode while fine-tuning",
    "g": "threshold of best F1 chosen on test",
}


def wrong_turns(run: Run) -> pd.DataFrame:
    """The original recipe run correctly, and with each mistake that is common in such studies.

    Returns:
        Scores of validation and test: columns turn, what, chosen_on (the split that the threshold is chosen on), then
            TRIAL_COLUMNS of the last trained stage. `c` and `g` use the scores of `a` in other ways.
    """
    recipe = RECIPES["original"]
    if run.quick:
        # Without fine-tuning these mistakes could not be seen.
        short = {name: dataclasses.replace(recipe.phase(name), epochs=1, images=QUICK_EPOCH) for name in STAGES[1:]}
        recipe = dataclasses.replace(recipe.quick(), **short)
    untrained, skipped = (dataclasses.replace(phase, epochs=0) for phase in (recipe.phase1, recipe.partial))
    tiny = Phase(epochs=1 if run.quick else 5, learning_rate=1e-8)
    only_tiny = dataclasses.replace(recipe, phase1=untrained, partial=skipped, full=tiny)
    trials = {
        "a": Trial("a", recipe, "full", run.seed),
        "b": Trial("b", recipe, "full", run.seed, change=inputs_divided_by_255),
        "d": Trial("d", recipe, "phase1", run.seed, change=random_weights),
        "e": Trial("e", only_tiny, "full", run.seed),
        "f": Trial("f", dataclasses.replace(recipe, batch_norm="trained"), "full", run.seed),
    }
    frames = dict(zip(trials, _run_all(run, "wrong_turns", list(trials.values()))))
    rng = np.random.default_rng(run.seed)
    shuffled = frames["a"].groupby(["stage", "split"])["score"].transform(lambda scores: rng.permutation(scores))
    frames |= {"c": frames["a"].assign(score=shuffled), "g": frames["a"]}
    rows = []
    for turn, what in TURNS.items():
        until = trials[turn].until if turn in trials else "full"
        words = {"turn": turn, "what": what, "chosen_on": "test" if turn == "g" else "validation"}
        rows.append(frames[turn][frames[turn]["stage"] == until].assign(**words))
    return pd.concat(rows, ignore_index=True)
