"""Training in the study's three stages: a head on frozen features, then some blocks, then all of them.

Only the training split is fitted and only the validation split chooses (early stopping, regularisation); the test split
is scored at the end of a stage and looked at by nobody here.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from lib.code_hash import code_hash
from lib.data.loading import FRESH_VERSION, ImageFile, load_views, recipe_view, training_batches
from lib.metrics.checks import UndefinedMeasure
from lib.metrics.delong import paired_test
from lib.model import network
from lib.model.backbone import build_backbone
from lib.model.checkpoint import Checkpoint, Progress
from lib.model.features import BATCH, Engine, Rows, features_kind, frozen_features
from lib.model.scores import image_scores, run_files, saved_engine, score_images
from lib.pretrained import resolve
from lib.progress import progress
from lib.study.files import device, file_hash, text_hash, versions, written_whole
from lib.study.names import STAGES, UserError, as_int, independent_groups
from lib.study.recipes import FRESH, Phase, Recipe
from lib.study.run import Run
from lib.study.steps import step_of

# Strengths of regularisation that validation chooses from, for the regression that starts a linear head: the penalty of the
# ridge regression, for each feature, and the inverse penalty of the logistic one.
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
# The regression needs its rows in memory at once, in float32, and how each two of them are alike; of more rows (images and
# their views) than these it sees a sample, and the epochs that follow see all.
MAX_REGRESSION_ROWS = 5_000
# Batches of features that are taken from their views at once, and steps of a head that Keras takes before it comes back to
# Python, at most: such a step takes a few milliseconds, the way back one more.
TOGETHER = 16
# How often an image of a rare class is used in an epoch, at most: its views become more and more alike.
MAX_USES = 10
# Bytes that the activations before the first trained block may take on disk: 60 to 80 kB an image and view. Above it, the
# partial stage computes them anew for every epoch.
ACTIVATION_BUDGET = 8 * 2**30


# What the epochs of a stage draw their features from: arrays (images, n), one for each view of the images, or a function
# from the epoch (from 1) to such arrays.
Views = Sequence[np.ndarray | Rows] | Callable[[int], Sequence[np.ndarray]]
# What an epoch is judged by: a function that gives the validation scores of the model as it is, the labels (0 or 1), and the
# name of each image's group (a person, say), or None where images are independent.
Judged = tuple[Callable[[], np.ndarray], np.ndarray, np.ndarray | None]


def make_deterministic(seed: int) -> None:
    """Fix every source of chance: the same seed gives the same scores on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def class_weights(labels: np.ndarray) -> dict[int, float]:
    """Weights that make both classes count the same: images / (2 * images of the class), as scikit-learn's `balanced`.

    Args:
        labels: 0 or 1 of each training image.

    Raises:
        ValueError: a class is missing.
    """
    counts = np.bincount(labels, minlength=2)
    if (counts == 0).any():
        raise ValueError(f"training images of both classes are needed, found {counts[0]} real, {counts[1]} synthetic")
    return {label: len(labels) / (2 * counts[label]) for label in (0, 1)}


def split_rows(run: Run) -> dict[str, pd.DataFrame]:
    """Split to the rows of its images; the training rows are those of `training_rows`."""
    parts = {split: rows.reset_index(drop=True) for split, rows in run.used_images().groupby("split")}
    return {**parts, "train": training_rows(parts["train"], run.recipe)}


def training_rows(images: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The training images as an epoch uses them: where the recipe asks for it, those of a rare class several times.

    Args:
        images: rows of the training images.

    Returns:
        The rows, then further uses of some of them, numbered from 1 in the column `copy`: as many as bring the rare class
        nearest to the other one's number, at most MAX_USES - 1 of each image.
    """
    counts = images["label"].value_counts()
    uses = min(MAX_USES, round(counts.max() / counts.min())) if recipe.rare == "views" and len(counts) == 2 else 1
    rare = images[images["label"] == counts.idxmin()]
    return pd.concat([images.assign(copy=0), *(rare.assign(copy=use) for use in range(1, uses))], ignore_index=True)


# -------------------------------------------------------------------------------------------------------- phase 1


def train_phase1(run: Run, change: Callable[[keras.Model], keras.Model] | None = None) -> None:
    """Phase 1: train the head on features of the frozen backbone, plain and augmented.

    Leaves models/…/phase1.keras, the stage's rows in scores.csv and history.csv, and run.json.

    Args:
        change: makes another backbone of the pretrained one before anything is computed; its name is part of the keys
            of all that is kept.
    """
    weights = resolve(run.backbone, run.weights)
    # With its code, which is no part of what this module imports.
    origin = f"{weights.sha256}/{text_hash(inspect.getsource(change))}" if change else weights.sha256
    key = _stage_key(run, "phase1", origin)
    if _is_done(run, "phase1", key):
        return
    make_deterministic(run.seed)
    # Noted with the scores, not before: until then run.json is of those that are there.
    made = {
        "options": {
            **{"dataset": run.dataset, "data": run.data, "normalise": run.normalise},
            "reading": run.reading.as_dict(),
            **{"backbone": run.backbone, "weights": run.weights, "quick": run.quick, "seed": run.seed},
        },
        "backbone": weights.backbone,
        "weights": weights.describe(),
        "weights_sha256": origin,
        "device": device(),
        "versions": versions(),
    }
    backbone = build_backbone(weights)
    backbone = change(backbone) if change else backbone
    parts = split_rows(run)
    plain, augmented = _features(run, backbone, parts, origin)
    head, history = train_head(
        plain["train"],
        augmented,
        as_int(parts["train"]["label"]).to_numpy(),
        plain["validation"],
        as_int(parts["validation"]["label"]).to_numpy(),
        run.recipe,
        run.seed,
        _checkpoint(run, "phase1", key),
        groups=independent_groups(parts["validation"]).to_numpy(),
    )
    infer = _inference(head)
    scored = [(parts[split], _probabilities(infer, plain[split])) for split in ("validation", "test")]
    _replace_model(run, "phase1", network.assemble(backbone, head, run.recipe))
    _finish(run, "phase1", key, scored, history, **made)


def _stage_key(run: Run, stage: str, before: str) -> str:
    """Changes with everything a stage's result depends on: code, recipe, seed, images, and what it starts from."""
    images = run.used_images()[["image_id", "sha256", "label", "group", "split"]]
    code = code_hash(__name__)
    return text_hash(code, dataclasses.asdict(run.recipe), run.seed, stage, before, images.to_numpy().tolist())


def _is_done(run: Run, stage: str, key: str) -> bool:
    """Whether an earlier call has finished this very stage and its results are still there."""
    files = [run.model_path(stage), run.recipe_folder / "scores.csv", run.recipe_folder / "run.json"]
    if not all(path.is_file() for path in files):
        return False
    return run.recorded().get("stages", {}).get(stage) == key and stage in set(run.scores()["stage"])


def _checkpoint(run: Run, stage: str, key: str) -> Checkpoint:
    return Checkpoint(run.model_path(stage).with_name(f"{stage}.checkpoint.npz"), key)


def _replace_model(run: Run, stage: str, model: keras.Model) -> None:
    """Store a stage's model. What was made of the one that was there goes before it does."""
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
    """Store the scores and the history of a stage whose model is stored, note that it is done, and forget its checkpoint."""
    rows = [rows[["image_id", "label", "split"]].assign(stage=stage, score=scores) for rows, scores in scored]
    run.add_stage(pd.concat(rows, ignore_index=True), history.assign(stage=stage))
    run.record(stages={stage: key}, **made)
    _checkpoint(run, stage, key).remove()


def _boundary_kind(recipe: Recipe, weights_hash: str) -> str:
    return f"{features_kind(recipe, weights_hash)}/before block {recipe.unfreeze_from}"


def _engine(model: keras.Model, recipe: Recipe, kinds: Iterable[str]) -> Callable[[], Engine]:
    """Makes the engine of a frozen model when it is first asked for."""
    return functools.cache(lambda: Engine(model, recipe.image_size, key=text_hash(*kinds, recipe.image_size)[:24]))


def _features(run: Run, backbone: keras.Model, parts: dict[str, pd.DataFrame], weights_hash: str):
    """Frozen features: of the plain view for every split, and the training split's as `train_head` takes its views.

    What the partial stage goes on from is computed on the way, and kept with them.
    """
    recipe = run.recipe
    files = {split: run_files(run, rows) for split, rows in parts.items()}
    frozen = network.pooled(backbone, recipe)
    kinds = {features_kind(recipe, weights_hash): frozen.output_shape[1]}
    total = sum(map(len, files.values())) + max(0, recipe.views) * len(files["train"])
    if _can_keep(recipe, "partial"):
        joint = network.pooled_with_boundary(backbone, recipe)
        width = joint.output_shape[1] - frozen.output_shape[1]
        if _fits(width, total):
            frozen, kinds = joint, {**kinds, _boundary_kind(recipe, weights_hash): width}
    engine = _engine(frozen, recipe, kinds)
    with progress(total, "frozen features") as advance:

        def pooled(part: list[ImageFile], version: int) -> np.ndarray:
            view = recipe_view(recipe, version, run.seed if version else 0)
            return frozen_features(part, view, kinds=kinds, engine=engine, on_progress=advance)[0][:]

        def compute(split: str, version: int) -> np.ndarray:
            first = [file for file in files[split] if not file.copy]
            further = files[split][len(first) :]
            if not further:
                return pooled(first, version)
            # The plain view is the same in every use of an image: further ones have one more augmented view instead.
            return np.concatenate([pooled(first, version), pooled(further, version or max(0, recipe.views) + 1)])

        plain = {split: compute(split, 0) for split in files}
        kept = [plain["train"], *(compute("train", version) for version in range(1, recipe.views + 1))]
    if recipe.views != FRESH:
        return plain, kept

    def fresh(epoch: int) -> list[np.ndarray]:
        view = recipe_view(recipe, FRESH_VERSION + epoch, run.seed)
        return [np.concatenate(list(engine().stream(load_views(files["train"], view, BATCH))))]

    return plain, fresh


def train_head(
    train: np.ndarray,
    views: Views,
    labels: np.ndarray,
    validation: np.ndarray,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint | None = None,
    groups: np.ndarray | None = None,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a head on frozen features.

    Args:
        train: features (images, n) of the training images' plain view.
        views: what the epochs use, and where they are kept also the regression that starts a linear head.
        labels: 0 or 1 of each training image.
        validation: features (images, n) of the validation images.
        validation_labels: their labels.
        checkpoint: where progress is kept, so that a killed training goes on.
        groups: name of the group (a person, say) of each validation image; None where images are independent.

    Returns:
        The head with the weights of its best epoch by validation AUC, and the history: one row per epoch, 0 being the
        head as it started, with the training measures, `val_loss`, `val_roc_auc`, `weight_change` and `score_change` (the
        largest change of any weight and of any validation score since the start), and `kept`, true of the best epoch.
    """
    keras.utils.set_random_seed(seed)
    weight = class_weights(labels)
    if recipe.head == "study":
        head = network.study_head(validation.shape[1])
    elif recipe.head == "small":
        scaler = _scaler(train.astype("float32"))
        head = network.small_head(scaler.mean_, np.square(scaler.scale_))
    else:
        kept = [train] if callable(views) else views
        regression = {"linear": _ridge, "logistic": _logistic}[recipe.head]
        head = _linear_head(kept, labels, validation, validation_labels, seed, regression)
    weights = np.array([weight[label] for label in labels])
    images = recipe.phase1.epoch_images(len(labels))
    steps = -(-images // recipe.batch_size)
    options = {"width": validation.shape[1], "images": images}
    data = lambda done: feature_batches(views, labels, weights, recipe.batch_size, seed, done, **options)
    features = validation.astype("float32")
    infer = _inference(head)
    score = lambda: _probabilities(infer, features)
    # What is left of an epoch must not be cut off or run over: as many as divide its steps.
    together = max(count for count in range(1, TOGETHER + 1) if steps % count == 0)
    judged = (score, validation_labels, groups)
    history = _fit(head, data, steps, judged, recipe, "phase1", checkpoint, together=together)
    return head, history


def feature_batches(
    views: Views,
    labels: np.ndarray,
    weights: np.ndarray,
    batch_size: int,
    seed: int,
    done: int = 0,
    *,
    width: int,
    images: int | None = None,
) -> tf.data.Dataset:
    """Endless batches of what the frozen part of the network gives for the training images.

    Args:
        views: what an epoch draws from: it uses one view of each image.
        labels, weights: of each image.
        done: epochs that are finished already; the next batch is the one after them.
        width: number of features.
        images: how many of the images an epoch uses, drawn anew each time; None uses all.

    Returns:
        Dataset of float32 (features (batch, n), labels (batch, 1), weights (batch, 1)), at most `batch_size` rows each.
    """
    steps = -(-(images or len(labels)) // batch_size)
    kept = "float32" if callable(views) else "float16"

    def together():
        """Several batches at a time: Python would hold the training up if it had to give each of them."""
        for epoch in itertools.count(done + 1):
            given = views(epoch) if callable(views) else views
            order, version = _drawn(len(labels), len(given), seed, epoch, images)
            # array_split makes the last batches one row smaller; those of one size go together.
            for _, same in itertools.groupby(np.array_split(order, steps), len):
                batches = np.stack(list(same))
                for rows in np.split(batches, range(TOGETHER, len(batches), TOGETHER)):
                    features = np.empty((*rows.shape, width), kept)
                    for number, view in enumerate(given):
                        mine = version[rows] == number
                        features[mine] = view[rows[mine]]
                    yield features, labels[rows, None], weights[rows, None]

    kinds = ((width, kept), (1, "float32"), (1, "float32"))
    spec = tuple(tf.TensorSpec((None, None, columns), kind) for columns, kind in kinds)
    data = tf.data.Dataset.from_generator(together, output_signature=spec).prefetch(1).unbatch()
    return data.map(lambda features, *rest: (tf.cast(features, "float32"), *rest)).prefetch(2)


def _drawn(count: int, views: int, seed: int, epoch: int, images: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The images of an epoch in their order, and the view that each of all images would have in it."""
    rng = np.random.default_rng([seed, epoch])
    return rng.permutation(count)[:images], rng.integers(views, size=count)


def _linear_head(
    views: Sequence[np.ndarray],
    labels: np.ndarray,
    validation: np.ndarray,
    validation_labels: np.ndarray,
    seed: int,
    regression: Callable,
) -> keras.Model:
    """A linear head that starts as the regression which does best on the validation images; a view of an image is a row.

    Args:
        regression: gives the coefficients of one strength of regularisation after the other.
    """
    chosen = np.random.default_rng(seed).permutation(len(views) * len(labels))[:MAX_REGRESSION_ROWS]
    version, image = np.divmod(chosen, len(labels))
    train = np.empty((len(chosen), validation.shape[1]), "float32")
    for number, view in enumerate(views):
        train[version == number] = view[image[version == number]]
    scaler = _scaler(train)
    train = scaler.transform(train, copy=False)
    check = scaler.transform(validation.astype("float32"), copy=False)
    found = list(regression(train, labels[image]))
    aucs = [roc_auc_score(validation_labels, check @ coefficients) for coefficients in found]
    best = found[int(np.argmax(aucs))]
    # Slope and intercept of the logit are fitted to the validation scores, both classes counting the same (Platt 1999).
    scores = check @ best
    centre, spread = scores.mean(), max(scores.std(), 1e-6)
    logistic = LogisticRegression(class_weight="balanced").fit((scores[:, None] - centre) / spread, validation_labels)
    # Where validation says that higher scores are no more synthetic, the direction stays what training made it.
    slope = max(float(logistic.coef_[0, 0]), 0.1) / spread
    intercept = float(logistic.intercept_[0]) - slope * centre
    return network.linear_head(scaler.mean_, np.square(scaler.scale_), slope * best, intercept)


def _ridge(rows: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    """Coefficients of ridge regressions on the labels.

    They are Fisher's discriminant with a shrunk covariance: unlike a logistic regression, which leans on the few images
    nearest to the other class, it uses how all of them scatter, so that a rare class gains from the images of the other one.
    """
    # Fewer rows than features: solved through the rows' products, which all penalties share.
    products, targets = rows @ rows.T, labels - labels.mean()
    for penalty in PENALTIES:
        ridge = KernelRidge(alpha=penalty * rows.shape[1], kernel="precomputed").fit(products, targets)
        yield rows.T @ ridge.dual_coef_.astype("float32")


def _logistic(rows: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    """Coefficients of logistic regressions, both classes counting the same."""
    for strength in INVERSE_PENALTIES:
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=200).fit(rows, labels)
        yield regression.coef_[0].astype("float32")


def _scaler(features: np.ndarray) -> StandardScaler:
    scaler = StandardScaler().fit(features)
    # A channel that is (nearly) constant on few training images would explode on others.
    scaler.scale_ = np.maximum(scaler.scale_, 1e-3)
    return scaler


def _probabilities(infer: Callable, features: np.ndarray | Rows, rows: int = 1024) -> np.ndarray:
    """Scores (images,) by the `_inference` of a head, or of an upper half of the network, for which 1,024 rows at once
    would take gigabytes."""
    chunks = (features[start : start + rows].astype("float32") for start in range(0, len(features), rows))
    return np.concatenate([np.asarray(infer(tf.constant(chunk)))[:, 0] for chunk in chunks])


def _inference(model: keras.Model) -> Callable:
    """The model as a function that is traced once for all epochs: the weights change, the graph does not."""
    return tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)


# ----------------------------------------------------------------------------------------------------- fine-tuning


def fine_tune(run: Run, stage: str) -> None:
    """Train the `partial` or `full` stage from where the stage before it ended.

    Leaves models/…/<stage>.keras and the stage's rows in scores.csv and history.csv.

    Raises:
        UserError: the stage before it has not been trained, or on another split than today's.
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
    # Before the model is built: its dropout draws its seeds then.
    make_deterministic(run.seed)
    model = network.load(run.model_path(before))
    network.unfreeze(model, run.recipe, stage)
    parts = split_rows(run)
    labels = as_int(parts["train"]["label"]).to_numpy()
    weight = class_weights(labels)
    weights = np.array([weight[label] for label in labels])
    known = scored["score"]
    start = known[parts["validation"]["image_id"]].to_numpy()
    truth = as_int(parts["validation"]["label"]).to_numpy()
    groups = independent_groups(parts["validation"]).to_numpy()
    train, validation = (run_files(run, parts[split]) for split in ("train", "validation"))
    used = run.recipe.phase(stage).epoch_images(len(train))
    steps = -(-used // run.recipe.batch_size)
    kept = _kept_activations(run, model, train, validation) if _can_keep(run.recipe, stage) else None
    if kept:
        upper, views, plain = kept
        batches = (views, labels, weights, run.recipe.batch_size, run.seed)
        data = lambda done: feature_batches(*batches, done, width=upper.input_shape[1], images=used)
        infer = _inference(upper)
        score = lambda: _probabilities(infer, plain, run.recipe.batch_size)
        judged = (score, truth, groups)
        history = _fit(upper, data, steps, judged, run.recipe, stage, _checkpoint(run, stage, key), start)
    else:
        data = lambda done: training_batches(train, labels, weights, run.recipe, run.seed, done, used)[0]
        score = lambda: image_scores(Engine(model, run.recipe.image_size), validation, recipe_view(run.recipe))
        judged = (score, truth, groups)
        try:
            history = _fit(model, data, steps, judged, run.recipe, stage, _checkpoint(run, stage, key), start)
        except tf.errors.OpError:
            # tf.data wraps what a file's reader raised; reading them again raises it as it is, and names the file.
            for file in train:
                file.read()
            raise
    _replace_model(run, stage, model)
    changed = history.loc[history["kept"], "epoch"].item() > 0
    _finish(run, stage, key, _end_scores(run, stage, parts, known, changed), history)


def _end_scores(
    run: Run, stage: str, parts: dict[str, pd.DataFrame], known: pd.Series, changed: bool
) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Scores of validation and test by the stored model of a stage; `known` are those of the stage before it."""
    asked = [parts[split] for split in ("validation", "test")]
    if stage != STAGES[-1] and not changed:
        # The stage ended where it began, and so did its scores. Those of the last are what the detector gives for a picture,
        # to the last digit, which phase 1's, from features in float16, are not.
        return [(rows, known[rows["image_id"]].to_numpy()) for rows in asked]
    engine = saved_engine(run.model_path(stage), run.recipe.image_size)
    return [(rows, score_images(engine, run_files(run, rows), run.recipe)) for rows in asked]


def _skip(run: Run, stage: str, key: str, before: pd.DataFrame) -> None:
    """A stage to which the recipe gives no epochs: its model is the one before it.

    Args:
        before: rows of scores.csv of the stage before, by image_id.
    """
    known, parts = before["score"], split_rows(run)
    run.outdate(step_of(stage))
    with written_whole(run.model_path(stage)) as temporary:
        shutil.copyfile(run.model_path(STAGES[STAGES.index(stage) - 1]), temporary)
    rows = parts["validation"]
    scores = known[rows["image_id"]].to_numpy()
    start = _measured(as_int(rows["label"]).to_numpy(), scores)
    history = pd.DataFrame([start]).assign(epoch=0, weight_change=0.0, score_change=0.0, kept=True)
    _finish(run, stage, key, _end_scores(run, stage, parts, known, False), history)


def _measured(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """What the history says of validation scores (0-1)."""
    loss = float(log_loss(truth, np.clip(scores, 1e-7, 1 - 1e-7)))
    return {"val_loss": loss, "val_roc_auc": float(roc_auc_score(truth, scores))}


def _can_keep(recipe: Recipe, stage: str) -> bool:
    """Whether the lower blocks give the same in every epoch of a stage, and there are epochs to use it."""
    fixed = recipe.batch_norm == "frozen" and recipe.views != FRESH
    return stage == "partial" and fixed and recipe.partial.epochs > 0


def _fits(width: int, rows: int) -> bool:
    """Whether so many rows of activations (float16) stay within the budget."""
    return 2 * width * rows <= ACTIVATION_BUDGET


def _kept_activations(
    run: Run, model: keras.Model, train: list[ImageFile], validation: list[ImageFile]
) -> tuple[keras.Model, list[Rows], Rows] | None:
    """What the unchanged lower half of the network gives for the training views that are used and for validation, once.

    Returns:
        The upper half with the head, the training images' views (plain first), and the validation images; None where
        keeping them would take more than ACTIVATION_BUDGET on disk.
    """
    recipe, count, views = run.recipe, len(train), run.recipe.views + 1
    lower, upper = network.split_at_boundary(model.get_layer("backbone"), recipe)
    upper = keras.Model(upper.input, model.get_layer("head")(upper.output))
    # The draws follow from the seed: what no epoch will use is not computed, where phase 1 has not kept it on its way.
    wanted = np.zeros((views, count), bool)
    for epoch in range(1, recipe.partial.epochs + 1):
        order, version = _drawn(count, views, run.seed, epoch, recipe.partial.epoch_images(count))
        wanted[version[order], order] = True
    total = int(wanted.sum()) + len(validation)
    if not _fits(lower.output_shape[1], total):
        return None
    kinds = {_boundary_kind(recipe, run.recorded()["weights_sha256"]): lower.output_shape[1]}
    with progress(total, "activations of the frozen blocks") as advance:
        options = {"kinds": kinds, "engine": _engine(lower, recipe, kinds), "on_progress": advance}
        kept = [
            frozen_features(
                train, recipe_view(recipe, version, run.seed if version else 0), **options, wanted=wanted[version]
            )[0]
            for version in range(views)
        ]
        return upper, kept, frozen_features(validation, recipe_view(recipe), **options)[0]


def _fit(
    model: keras.Model,
    data: Callable[[int], tf.data.Dataset],
    steps: int,
    judged: Judged,
    recipe: Recipe,
    stage: str,
    checkpoint: Checkpoint | None = None,
    start: np.ndarray | None = None,
    together: int = 1,
) -> pd.DataFrame:
    """Fit a stage, keep the weights of the best epoch by validation AUC (see `Phase.margin`), and return the history.

    Args:
        data: from the number of finished epochs to the endless dataset of (inputs, labels, weights) that follows.
        steps: batches of an epoch.
        judged: what each epoch is judged by.
        checkpoint: where progress is kept; training goes on from what is there.
        start: validation scores before the first epoch, where they are known already.
        together: steps that Keras takes at a time; a divisor of `steps`.
    """
    phase = recipe.phase(stage)
    rate = phase.learning_rate
    if phase.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, max(1, steps * phase.epochs))
    # A model of its own shares the weights but keeps optimiser and metrics out of the file that is saved.
    trainee = keras.Model(model.inputs, model.outputs)
    trainee.compile(
        FusedAdam(rate),
        keras.losses.BinaryCrossentropy(label_smoothing=recipe.label_smoothing),
        weighted_metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.AUC(name="roc_auc"),
        ],
        steps_per_execution=together,
    )
    with progress(steps * phase.epochs, f"{stage} training", "batches", each=recipe.batch_size) as advance:
        keeper = _BestEpoch(judged, phase, advance, checkpoint)
        reached = keeper.begin(trainee, start)
        advance(steps * reached)
        if reached < phase.epochs and not keeper.is_stuck():
            fit = {"steps_per_epoch": steps, "initial_epoch": reached, "epochs": phase.epochs}
            trainee.fit(data(reached), **fit, verbose=0, shuffle=False, callbacks=[keeper])
    trainee.set_weights(keeper.state.best_weights)
    history = pd.DataFrame(keeper.state.rows)
    return history.assign(kept=history["epoch"] == keeper.state.best_epoch)


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam by TensorFlow's one operation for it: the same formula in a third of the time, where a head has millions
    of weights."""

    def update_step(self, gradient, variable, learning_rate):
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        changed = {"var": variable, "m": self._momentums[index], "v": self._velocities[index]}
        # Keras hands over TensorFlow's own variables here, and keeps the moments in its own.
        held = {name: one.value if isinstance(one, keras.Variable) else one for name, one in changed.items()}
        tf.raw_ops.ResourceApplyAdam(
            **{name: one.handle for name, one in held.items()},
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class _BestEpoch(keras.callbacks.Callback):
    """Scores validation after every epoch, remembers the best weights, saves progress and stops when it gets no better."""

    def __init__(
        self,
        judged: Judged,
        phase: Phase,
        advance: Callable[[int], None],
        checkpoint: Checkpoint | None,
    ):
        super().__init__()
        self._score, self._truth, self._groups = judged
        self._phase = phase
        self._advance, self._checkpoint = advance, checkpoint
        self.state = Progress([], 0, -math.inf, [])

    def begin(self, model: keras.Model, start: np.ndarray | None) -> int:
        """Go on from the checkpoint, or score the model as it is; returns the number of finished epochs."""
        self._first = model.get_weights()
        self._first_scores = np.asarray(self._score() if start is None else start)
        restored = self._checkpoint.restore(model) if self._checkpoint else None
        if restored:
            self.state = restored
        else:
            self._take(model, 0, {}, self._first_scores)
        return self.state.epochs

    def is_stuck(self) -> bool:
        """Whether validation has not become better for `patience` epochs."""
        patience = self._phase.patience
        return patience is not None and self.state.epochs - self.state.best_epoch >= patience

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        # `batch` is the last of those taken together, from 0.
        self._advance(batch + 1 - self._steps)
        self._steps = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        names = ("loss", "accuracy", "precision", "recall", "roc_auc")
        self._take(self.model, epoch + 1, {name: float(logs[name]) for name in names}, self._score())
        if self._checkpoint:
            self._checkpoint.save(self.model, self.state)
        if self.is_stuck():
            self.model.stop_training = True

    def _take(self, model: keras.Model, epoch: int, row: dict, scores: np.ndarray) -> None:
        measured = _measured(self._truth, scores)
        auc = measured["val_roc_auc"]
        moved = max(float(np.abs(now - first).max()) for now, first in zip(model.get_weights(), self._first))
        moved_scores = float(np.abs(scores - self._first_scores).max())
        measured |= {"weight_change": moved, "score_change": moved_scores}
        self.state.rows.append({"epoch": epoch, **row, **measured})
        if auc > self.state.best_auc and self._is_beyond_chance(scores):
            self.state.best_auc, self.state.best_epoch = auc, epoch
            self.state.best_weights = model.get_weights()

    def _is_beyond_chance(self, scores: np.ndarray) -> bool:
        """Whether scores rank better than those of the stage's start by more than the margin (DeLong's paired test)."""
        if not self._phase.margin or scores is self._first_scores:
            return True
        try:
            test = paired_test(self._truth, self._first_scores, scores, self._groups)
            return test.z > self._phase.margin
        except UndefinedMeasure:  # a class of one group, or no image between them: no error can be told
            return True
