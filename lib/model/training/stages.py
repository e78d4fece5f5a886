"""Training in the study's three stages: a head on frozen features, then some blocks, then all of them.

Only the training split is fitted, and only the validation split chooses (early stopping, regularisation). The test
split is scored at the end of a stage and chooses nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import shutil
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from lib.data.images.batches import load_views, training_batches
from lib.data.images.parts import Parts, parts_of
from lib.data.images.views import FRESH_VERSION, ImageFile, View
from lib.model import network, pooling
from lib.model.backbone import build_backbone
from lib.model.engine import Engine
from lib.model.features import BATCH, Rows, features_kind, frozen_features, held
from lib.model.native import keras, tf
from lib.model.scores import image_scores, run_files, run_view, saved_engine, score_images
from lib.model.training.checkpoint import Checkpoint
from lib.model.training.fitting import fit_stage, inference, make_deterministic, probabilities, validation_measures
from lib.model.training.heads import train_head
from lib.model.training.sampling import drawn, feature_batches, generator_weights, row_labels, split_rows
from lib.show.progress import progress
from lib.study.code_hash import code_hash
from lib.study.files import device, file_hash, text_hash, versions, written_whole
from lib.study.names import STAGES, UserError, as_int, independent_groups
from lib.study.pretrained import resolve
from lib.study.recipes import FRESH, Recipe
from lib.study.results import key_columns
from lib.study.run import Run
from lib.study.steps import step_of

# Maximum size on disk, in bytes, of the activations before the first trained block: 60 to 80 kB per image and view.
# Above it, the partial stage computes them anew in every epoch.
ACTIVATION_BUDGET = 8 * 2**30


def train_phase1(
    run: Run, change: Callable[[keras.Model], keras.Model] | None = None, further: Sequence[View] = ()
) -> list[np.ndarray]:
    """Phase 1: train the head on features of the frozen backbone, plain and augmented.

    Writes models/…/phase1.keras, the stage's rows in scores.csv and history.csv, and run.json.

    Args:
        change: replaces the pretrained backbone before anything is computed; its name is part of all cache keys.
        further: views under which the validation images are scored too, from features that are kept as those of training.

    Returns:
        For each further view the scores (validation images,), 0 to 1; an empty list if the stage was finished before.
    """
    weights = resolve(run.backbone, run.weights)
    # The key includes its code, which this module does not import.
    origin = f"{weights.sha256}/{text_hash(inspect.getsource(change))}" if change else weights.sha256
    key = _stage_key(run, "phase1", origin)
    if _is_done(run, "phase1", key):
        return []
    make_deterministic(run.seed)
    # Recorded with the scores, not before: until then run.json describes the old ones.
    made = {
        "options": {
            "dataset": run.dataset,
            "data": run.data,
            "normalise": run.normalise,
            "reading": run.reading.as_dict(),
            "backbone": run.backbone,
            "weights": run.weights,
            "quick": run.quick,
            "seed": run.seed,
        },
        "backbone": weights.backbone,
        "weights": weights.describe(),
        "weights_sha256": origin,
        "device": device(),
        "versions": versions(),
    }
    backbone = build_backbone(weights)
    backbone = change(backbone) if change else backbone
    rows = split_rows(run)
    view = run_view(run)
    parts = {split: parts_of(run_files(run, images), view) for split, images in rows.items()}
    plain, augmented, others = _features(run, backbone, parts, origin, further)
    head, history = train_head(
        plain["train"],
        augmented,
        as_int(rows["train"]["label"]).to_numpy(),
        plain["validation"],
        as_int(rows["validation"]["label"]).to_numpy(),
        run.recipe,
        run.seed,
        _checkpoint(run, "phase1", key),
        groups=independent_groups(rows["validation"]).to_numpy(),
        parts=(parts["train"], parts["validation"]),
        image_weights=generator_weights(rows["train"], run.recipe),
    )
    infer = inference(head)
    scored = [
        (rows[split], parts[split].combined(probabilities(infer, plain[split]))) for split in ("validation", "test")
    ]
    model = network.assemble(backbone, head, run.recipe)
    _replace_model(run, "phase1", model)
    _finish(run, "phase1", key, scored, history, network=network.described(model, run.recipe), **made)
    return [parts["validation"].combined(probabilities(infer, features)) for features in others]


def _stage_key(run: Run, stage: str, before: str) -> str:
    """Changes with everything that a stage's result depends on: code, recipe, seed, images, and its start."""
    used = run.used_images()
    images = used[key_columns(used)]
    code = code_hash(__name__)
    return text_hash(code, dataclasses.asdict(run.recipe), run.seed, stage, before, images.to_numpy().tolist())


def _is_done(run: Run, stage: str, key: str) -> bool:
    """Whether an earlier call has finished exactly this stage and its results still exist."""
    if not run.model_path(stage).is_file() or not run.has_scores():
        return False
    return run.recorded().get("stages", {}).get(stage) == key and stage in set(run.scores()["stage"])


def _checkpoint(run: Run, stage: str, key: str) -> Checkpoint:
    return Checkpoint(run.model_path(stage).with_name(f"{stage}.checkpoint.npz"), key)


def _replace_model(run: Run, stage: str, model: keras.Model) -> None:
    """Store a stage's model. Results of the old model are removed first."""
    run.outdate(step_of(stage))
    network.save(model, run.model_path(stage))


def _finish(
    run: Run,
    stage: str,
    key: str,
    scored: list[tuple[pd.DataFrame, np.ndarray]],
    history: pd.DataFrame,
    **made: object,
) -> None:
    """Store the scores and the history of a stage whose model is stored, mark it as done, and delete its checkpoint."""
    rows = [rows[["image_id", "label", "split"]].assign(stage=stage, score=scores) for rows, scores in scored]
    run.add_stage(pd.concat(rows, ignore_index=True), history.assign(stage=stage))
    run.record(stages={stage: key}, **made)
    _checkpoint(run, stage, key).remove()


def _boundary_kind(recipe: Recipe, weights_hash: str) -> str:
    return f"{features_kind(recipe, weights_hash)}/before block {recipe.unfreeze_from}"


def _engine(model: keras.Model, recipe: Recipe, kinds: Iterable[str]) -> Callable[[], Engine]:
    """Makes the engine of a frozen model at its first use."""
    return functools.cache(lambda: Engine(model, recipe.image_size, key=text_hash(*kinds, recipe.image_size)[:24]))


def _features(
    run: Run, backbone: keras.Model, parts: dict[str, Parts], weights_hash: str, further: Sequence[View] = ()
):
    """Frozen features of the parts of the images: the plain view of every split, the training views that `train_head`
    takes, and further views of the validation images.

    The activations that the partial stage starts from are computed in the same pass and cached too.
    """
    recipe = run.recipe
    files = {split: each.files for split, each in parts.items()}
    frozen = pooling.pooled(backbone, recipe)
    kinds = {features_kind(recipe, weights_hash): frozen.output_shape[1]}
    total = sum(map(len, files.values())) + max(0, recipe.views) * len(files["train"])
    if _can_keep(recipe, "partial"):
        joint = pooling.pooled_with_boundary(backbone, recipe)
        width = joint.output_shape[1] - frozen.output_shape[1]
        if _fits(width, total):
            frozen, kinds = joint, {**kinds, _boundary_kind(recipe, weights_hash): width}
    engine = _engine(frozen, recipe, kinds)
    with progress(total + len(further) * len(files["validation"]), "frozen features") as advance:

        def seen(some: list[ImageFile], view: View) -> Rows:
            return frozen_features(some, view, kinds=kinds, engine=engine, on_progress=advance)[0]

        def pooled(some: list[ImageFile], version: int) -> Rows:
            return seen(some, run_view(run, version))

        def compute(split: str, version: int) -> Rows | np.ndarray:
            first = [file for file in files[split] if not file.copy]
            again = files[split][len(first) :]
            if not again:
                return pooled(first, version)
            # The plain view is the same in every use of an image. So further uses have one more augmented view instead.
            return np.concatenate([pooled(first, version)[:], pooled(again, version or max(0, recipe.views) + 1)[:]])

        plain = {split: compute(split, 0) for split in files}
        kept = held([plain["train"], *(compute("train", version) for version in range(1, recipe.views + 1))])
        others = [seen(files["validation"], view) for view in further]
    plain = {split: kept[0] if split == "train" else held([rows])[0] for split, rows in plain.items()}
    if recipe.views != FRESH:
        return plain, kept, others

    def fresh(epoch: int) -> list[np.ndarray]:
        view = run_view(run, FRESH_VERSION + epoch)
        return [np.concatenate(list(engine().stream(load_views(files["train"], view, BATCH))))]

    return plain, fresh, others


def fine_tune(run: Run, stage: str) -> None:
    """Train the `partial` or `full` stage from the end of the stage before it.

    Writes models/…/<stage>.keras and the stage's rows in scores.csv and history.csv.

    Raises:
        UserError: the stage before it has not been trained, or was trained on another split.
    """
    before = {"partial": "phase1", "full": "partial"}[stage]
    run.require(run.model_path(before), step_of(before))
    scored = run.scores().query("stage == @before and split != 'train'").set_index("image_id")
    today = run.used_images().query("split != 'train'").set_index("image_id")
    if not scored[["label", "split"]].sort_index().equals(today[["label", "split"]].sort_index()):
        raise UserError(
            f"{run.model_path(before)} was trained on another split of the images than today's: run notebook "
            "02_phase1_training with the same parameters again"
        )
    key = _stage_key(run, stage, file_hash(run.model_path(before)))
    if _is_done(run, stage, key):
        return
    if not run.recipe.phase(stage).epochs:
        _skip(run, stage, key, scored)
        return
    # Before the model is built, because its dropout draws seeds then.
    make_deterministic(run.seed)
    model = network.load(run.model_path(before))
    network.unfreeze(model, run.recipe, stage)
    rows = split_rows(run)
    files = {split: run_files(run, rows[split]) for split in ("train", "validation")}
    # Once, because the images are read for it.
    view = run_view(run)
    parts = {split: parts_of(files[split], view) for split in files}
    labels, counted = as_int(rows["train"]["label"]).to_numpy(), generator_weights(rows["train"], run.recipe)
    labels, weights = row_labels(labels, parts["train"], counted)
    known = scored["score"]
    start = known[rows["validation"]["image_id"]].to_numpy()
    truth = as_int(rows["validation"]["label"]).to_numpy()
    groups = independent_groups(rows["validation"]).to_numpy()
    train, validation = parts["train"].files, parts["validation"].files
    used = run.recipe.phase(stage).epoch_images(len(train))
    steps = -(-used // run.recipe.batch_size)
    kept = _kept_activations(run, model, train, validation) if _can_keep(run.recipe, stage) else None
    if kept:
        # The blocks below do not change, so only those above are computed.
        trainee, views, plain = kept
        infer = inference(trainee)
    else:
        trainee = model

    def data(done: int) -> tf.data.Dataset:
        if not kept:
            return training_batches(train, labels, weights, run.recipe, run.seed, done, used, view.scale)[0]
        batches = (views, labels, weights, run.recipe.batch_size, run.seed, done)
        return feature_batches(*batches, width=trainee.input_shape[1], images=used)

    def score() -> np.ndarray:
        if not kept:
            return image_scores(Engine(model, run.recipe.image_size), files["validation"], view)
        return parts["validation"].combined(probabilities(infer, plain, run.recipe.batch_size))

    judged, checkpoint = (score, truth, groups), _checkpoint(run, stage, key)
    try:
        history = fit_stage(trainee, data, steps, judged, run.recipe, stage, checkpoint, start)
    except tf.errors.OpError:
        # tf.data wraps the errors of reading a file. Reading the files again raises the original error, which names the
        # file.
        for file in train:
            file.read()
        raise
    _replace_model(run, stage, model)
    changed = history.loc[history["kept"], "epoch"].item() > 0
    _finish(run, stage, key, _end_scores(run, stage, rows, known, changed), history)


def _end_scores(
    run: Run, stage: str, parts: dict[str, pd.DataFrame], known: pd.Series, changed: bool
) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Scores of validation and test by the stored model of a stage; `known` are those of the stage before it."""
    asked = [parts[split] for split in ("validation", "test")]
    if stage != STAGES[-1] and not changed:
        # The stage ended where it began, so its scores are unchanged. The last stage's scores must equal the detector's
        # to the last digit. Phase 1's, from float16 features, do not.
        return [(rows, known[rows["image_id"]].to_numpy()) for rows in asked]
    engine = saved_engine(run.model_path(stage), run.recipe.image_size)
    return [(rows, score_images(engine, run_files(run, rows), run_view(run))) for rows in asked]


def _skip(run: Run, stage: str, key: str, before: pd.DataFrame) -> None:
    """A stage with no epochs in the recipe: its model is the one before it.

    Args:
        before: rows of scores.csv of the stage before, by image_id.
    """
    known, parts = before["score"], split_rows(run)
    run.outdate(step_of(stage))
    with written_whole(run.model_path(stage)) as temporary:
        shutil.copyfile(run.model_path(STAGES[STAGES.index(stage) - 1]), temporary)
    rows = parts["validation"]
    scores = known[rows["image_id"]].to_numpy()
    start = validation_measures(as_int(rows["label"]).to_numpy(), scores)
    history = pd.DataFrame([start]).assign(epoch=0, weight_change=0.0, score_change=0.0, kept=True)
    _finish(run, stage, key, _end_scores(run, stage, parts, known, False), history)


def _can_keep(recipe: Recipe, stage: str) -> bool:
    """Whether the lower blocks give the same output in every epoch of a stage, and the stage has epochs."""
    fixed = recipe.batch_norm == "frozen" and recipe.views != FRESH
    return stage == "partial" and fixed and recipe.partial.epochs > 0


def _fits(width: int, rows: int) -> bool:
    """Whether this number of rows of activations (float16) fits the budget."""
    return 2 * width * rows <= ACTIVATION_BUDGET


def _kept_activations(
    run: Run, model: keras.Model, train: list[ImageFile], validation: list[ImageFile]
) -> tuple[keras.Model, list[Rows], Rows] | None:
    """Outputs of the unchanged lower half of the network for the training views in use and for validation.

    Returns:
        The upper half with the head, the training images' views (plain first), and the validation images; None if they
        would take more than ACTIVATION_BUDGET on disk.
    """
    recipe, count, views = run.recipe, len(train), run.recipe.views + 1
    lower, upper = pooling.split_at_boundary(model.get_layer("backbone"), recipe)
    upper = keras.Model(upper.input, model.get_layer("head")(upper.output))
    # The seed fixes the draws. Rows that no epoch uses are not computed, unless phase 1 has already cached them.
    wanted = np.zeros((views, count), bool)
    for epoch in range(1, recipe.partial.epochs + 1):
        order, version = drawn(count, views, run.seed, epoch, recipe.partial.epoch_images(count))
        wanted[version[order], order] = True
    total = int(wanted.sum()) + len(validation)
    if not _fits(lower.output_shape[1], total):
        return None
    kinds = {_boundary_kind(recipe, run.recorded()["weights_sha256"]): lower.output_shape[1]}
    with progress(total, "activations of the frozen blocks") as advance:
        options = {"kinds": kinds, "engine": _engine(lower, recipe, kinds), "on_progress": advance}
        kept = [
            frozen_features(train, run_view(run, version), **options, wanted=wanted[version])[0]
            for version in range(views)
        ]
        return upper, kept, frozen_features(validation, run_view(run), **options)[0]
