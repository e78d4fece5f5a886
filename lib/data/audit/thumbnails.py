"""What tiny pictures alone tell: the baseline that a network has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.data.audit.appearance import central_squares
from lib.data.audit.normalise import image_root
from lib.study.names import as_int, independent_groups
from lib.study.run import Run

SIDE = 32
# Images of each split, at most: a baseline is to cost seconds.
MOST_IMAGES = 2000
COMPONENTS = 50
BASELINES = {
    "dummy": "no look at all: one score for every image",
    "thumbnails": f"logistic regression on thumbnails of {SIDE} x {SIDE} pixels",
}


def baseline_scores(run: Run) -> pd.DataFrame:
    """Scores of two baselines on the images of the run's own split, fitted to training images alone.

    `dummy` scores every image 0.5. `thumbnails` is a logistic regression on the first principal components of the central
    squares, made small. The split is the run's: no person is on two sides.

    Returns:
        Columns baseline, image_id, split (`validation`, `test`), y (0 real, 1 synthetic), group, score (0 to 1).
    """
    root, images = image_root(run), run.used_images().sort_values("sha256", kind="stable")
    parts = {split: rows.head(MOST_IMAGES) for split, rows in images.groupby("split")}
    pixels = {split: _pixels([root / path for path in rows["path"]]) for split, rows in parts.items()}
    components = min(COMPONENTS, len(parts["train"]) - 1)
    # The full solver gives the same components in every run.
    model = make_pipeline(
        StandardScaler(),
        PCA(components, svd_solver="full"),
        LogisticRegression(C=0.01, class_weight="balanced", max_iter=500),
    )
    model.fit(pixels["train"], as_int(parts["train"]["label"]))
    found = []
    for split in ("validation", "test"):
        rows = parts[split]
        known = rows[["image_id", "split"]].assign(y=as_int(rows["label"]), group=independent_groups(rows))
        found.append(known.assign(baseline="dummy", score=0.5))
        found.append(known.assign(baseline="thumbnails", score=model.predict_proba(pixels[split])[:, 1]))
    return pd.concat(found, ignore_index=True)


def _pixels(paths: list) -> np.ndarray:
    """float32 (images, 3 * SIDE * SIDE), 0 to 1."""
    return central_squares(paths, SIDE).reshape(len(paths), -1).astype("float32") / 255
