"""A report on one picture: a page to print, with the decision or why there is none, and how often the detector is wrong."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from lib.data.source.checks import printable
from lib.metrics.checks import Interval, decimals, share
from lib.model.use.detector import Detector
from lib.model.use.scorer import UNDECIDED, Explained, Scorer, Seen
from lib.study.files import write_text
from lib.study.names import LABELS

# Nothing but pictures inside the page and its own style: no script, no network.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# What each policy chooses, for a reader who has not seen the study.
POLICIES = {
    "fixed": "0.5, whatever the scores are",
    "best_f1": "that of the best F1 of the synthetic class on validation images",
    "balanced": "that at which both classes of validation images are called rightly about equally often",
    "fpr_5": "that at which at most 5% of the real validation images are called synthetic",
    "fpr_1": "that at which at most 1% of the real validation images are called synthetic",
    "cost": "that of least expected cost on validation images",
}
NOT_FOR = (
    "Proof: a score says what a picture has in common with the training images. It is no evidence about a person, and no decision "
    "about a person may rest on it alone.",
    "Pictures from other generators, cameras or programs than those it was trained on. Its error rate there is unknown unless this "
    "page states it, and nothing in a picture shows which generator made it.",
    "Pictures that were edited in part. It was trained on pictures that are real or synthetic as a whole.",
    "Finding out who made a picture, whom it shows, or whether what it shows has happened.",
)


class CaseReport:
    """Writes the page of one picture, as `score_pictures` calls it."""

    def __init__(self, scorer: Scorer, target: Path):
        self.scorer, self.target = scorer, target

    def __call__(self, path: Path, row: dict, seen: Seen, maps: Explained) -> None:
        """Write the page; the file appears whole or not at all."""
        write_text(self.target, page(self.scorer, path.name, row, seen, maps))


def page(scorer: Scorer, name: str, row: dict, seen: Seen, maps: Explained) -> str:
    """The page as HTML; everything that comes from the file or the detector is escaped.

    Args:
        scorer: that scored the picture.
        name: of the file.
        row: of COLUMNS, without an error.
        seen: facts of the picture, with `shown`.
        maps: of the picture.
    """
    detector, policy = scorer.detector, scorer.policy
    return (
        _environment()
        .get_template("case.html.j2")
        .render(
            security=POLICY,
            name=printable(name),
            row=row,
            undecided=row["decision"] == UNDECIDED,
            reasons=list(scorer.reasons(seen, row["score"], row["unlikeness"]).values()),
            picture=data_uri(seen.shown),
            shown=seen.shown.shape,
            figure=_figure(seen, maps),
            parts=len(maps.boxes),
            bytes=seen.bytes,
            chosen=POLICIES.get(policy, "chosen on validation images"),
            band=_band(detector, policy),
            errors=errors_in_words(detector.content["thresholds"][policy]),
            rates=_rates(detector.content["thresholds"][policy]),
            auc=str(Interval.from_dict(detector.training["test"]["roc_auc"])),
            elsewhere=_elsewhere(detector, policy),
            training=training_in_words(detector),
            not_for=NOT_FOR,
        )
    )


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["decimals"] = decimals
    made.filters["share"] = share
    return made


def data_uri(pixels: np.ndarray) -> str:
    """An image (height, width, 3), uint8, as a PNG inside an address; the bytes of the original file are not in it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return _address(buffer)


def _figure(seen: Seen, maps: Explained) -> str:
    # Not above: drawing takes seconds to import, and most pictures are scored without.
    from lib.metrics import figures

    buffer = io.BytesIO()
    figures.explained_picture(seen.shown, maps.boxes, maps.view, maps.heat, "").savefig(buffer, format="png", dpi=130)
    return _address(buffer)


def _address(buffer: io.BytesIO) -> str:
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def errors_in_words(threshold: Mapping) -> list[str]:
    """How many test images of each class are called wrongly, a sentence for each.

    Args:
        threshold: of a policy in detector.json.
    """
    counts = threshold["test_confusion"]
    real = counts["true_real"] + counts["false_synthetic"]
    synthetic = counts["false_real"] + counts["true_synthetic"]
    return [
        f"Of {real:,} real test images {counts['false_synthetic']:,} were wrongly called synthetic.",
        f"Of {synthetic:,} synthetic test images {counts['false_real']:,} were wrongly called real.",
    ]


def _rates(threshold: Mapping) -> list[tuple[str, str, str, str]]:
    """Rows of the table of error rates: which images count, the share of them, and both recalls, with intervals."""
    decided = threshold["test_decided"]
    every = [str(Interval.from_dict(threshold[f"test_recall_{label}"])) for label in LABELS]
    some = [str(Interval.from_dict(decided[name])) for name in ("coverage", *(f"recall_{label}" for label in LABELS))]
    return [("every test image is decided", "1.000", *every), ("scores near the threshold are left undecided", *some)]


def _band(detector: Detector, policy: str) -> str:
    """The scores that are left undecided, in words."""
    low, high = detector.band(policy)
    if low == high:
        return "no score is left undecided for being near the threshold"
    return f"scores from {decimals(low)} to {decimals(high)} are near the threshold and are left undecided"


def _elsewhere(detector: Detector, policy: str) -> list[tuple[str, ...]]:
    """Rows of the table of results on other datasets: name, source, images, AUC and both recalls with intervals."""
    found = []
    for name, content in detector.elsewhere.items():
        recalls = content["policies"].get(policy, {})
        read = [str(Interval.from_dict(recalls[f"recall_{label}"])) if recalls else "-" for label in LABELS]
        auc = str(Interval.from_dict(content["roc_auc"]))
        found.append((name, content["source"], f"{content['images']:,}", auc, *read))
    return found


def training_in_words(detector: Detector) -> list[tuple[str, str]]:
    """What the detector was trained on: pairs of a name and a value."""
    known = detector.training
    images = known["images"]["train"]
    side, quality = known["shorter_side"], known["jpeg_quality"]
    return [
        ("images", ", ".join(f"{count:,} {label}" for label, count in images.items())),
        ("source", known["source"]),
        ("formats", ", ".join(f"{name} ({count:,})" for name, count in known["formats"].items())),
        ("shorter side", f"{side['least']} to {side['most']} pixels"),
        ("JPEG quality", f"{quality['least']} to {quality['most']}" if quality else "no JPEG"),
        ("network", f"{known['weights']}, recipe {known['recipe']['name']}, seed {known['seed']}"),
    ]
