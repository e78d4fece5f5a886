"""Can the label be told from the file's metadata alone? A classifier without pixels tests this.

A detector trained on such data can learn the encoder instead of the generator. Then a high score means nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.study.names import as_int, independent_groups

# Every table of the dataset carries a warning if the lower end of the probe's interval is above this.
WARN_ABOVE = 0.6
_RARE = 20  # values of a text column beyond the most frequent ones count as one


def outside(images: pd.DataFrame) -> pd.DataFrame:
    """The metadata of image files, without pixels, as numbers.

    Args:
        images: rows of an image table.

    Returns:
        float columns width, height, aspect, density (bytes per pixel), quantisation (0 if the file is not a JPEG),
        exif, icc; and format, mode, subsampling as codes, the most frequent value first.
    """
    pixels = images["width"] * images["height"]
    frame = images[["width", "height", "quantisation", "exif", "icc"]].astype(float).fillna(0)
    frame = frame.assign(aspect=images["width"] / images["height"], density=images["bytes"] / pixels)
    for column in ("format", "mode", "subsampling"):
        order = images[column].value_counts().index
        frame[column] = np.minimum(order.get_indexer(images[column]), _RARE).astype(float)
    return frame


def shortcut_scores(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Out-of-fold scores of a classifier on `outside`, in five folds by group.

    The score is the mean of two models. Logistic regression finds a small shift of file sizes. Gradient-boosted trees
    find a leak that is not monotonous, such as one quality in the middle of the other class's range. On few images
    without a leak, pooled folds rank a little below 0.5. If a class has fewer than five groups, there are as many folds
    as groups.

    Args:
        images: used rows of an image table.

    Returns:
        Columns label (0 real, 1 synthetic), score (0-1), group.
    """
    labels = as_int(images["label"]).to_numpy()
    groups = independent_groups(images).to_numpy()
    folds = min(5, *(len(set(groups[labels == label])) for label in (0, 1)))
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    # Few and small trees: with a thousand images, larger ones learn the noise of file sizes.
    leaf = min(15, max(3, len(labels) // 20))
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=leaf, random_state=seed)
    line = make_pipeline(StandardScaler(), LogisticRegression())
    probe = VotingClassifier([("trees", trees), ("line", line)], voting="soft")
    features = outside(images).to_numpy()
    scores = cross_val_predict(probe, features, labels, groups=groups, cv=split, method="predict_proba")
    return pd.DataFrame({"label": labels, "score": scores[:, 1], "group": groups})


def warning(low: float, value: float) -> str:
    """The warning in every table of the dataset, or "".

    Args:
        low, value: ROC AUC of the probe and the lower end of its 95% interval.
    """
    return f"the files' outside alone tells the classes apart (AUC {value:.3f})" if low > WARN_ABOVE else ""
