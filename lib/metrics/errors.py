"""Wrong decisions, by the detector's certainty."""

import numpy as np
import pandas as pd

from lib.metrics import thresholds

# A sigmoid in float32 reaches 0 and 1, where the logit is infinite.
_NEAREST = 1e-7


def wrong_decisions(scored: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Images that a threshold classifies wrongly, the most certain first.

    Args:
        scored: columns image_id, y (0 real, 1 synthetic), score (probability of synthetic).
        threshold: an image is called synthetic when `score >= threshold`.

    Returns:
        The wrong rows with two more columns: `called` (0 or 1), and `certainty`: the distance between score and
            threshold in logits, from 0 upwards. In probabilities, a threshold near 0 would leave no room on one side,
            and every error of one class would count as uncertain.
    """
    called = thresholds.apply(threshold, scored["score"])
    distance = np.abs(_logit(scored["score"].to_numpy(float)) - _logit(np.array(threshold)))
    wrong = scored.assign(called=called, certainty=distance)[called != scored["y"].to_numpy()]
    return wrong.sort_values(["certainty", "image_id"], ascending=[False, True], ignore_index=True)


def extremes(errors: pd.DataFrame, count: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The most and the least certain errors, `count` of each. With fewer than twice as many, each gets half; none
    occurs twice.

    Args:
        errors: of `wrong_decisions`.

    Returns:
        The most certain, most certain first, and the least certain, least certain first.
    """
    half = len(errors) // 2
    most, least = errors.head(min(count, len(errors) - half)), errors.tail(min(count, half))
    return most, least.iloc[::-1].reset_index(drop=True)


def _logit(scores: np.ndarray) -> np.ndarray:
    kept = np.clip(scores, _NEAREST, 1 - _NEAREST)
    return np.log(kept) - np.log1p(-kept)
