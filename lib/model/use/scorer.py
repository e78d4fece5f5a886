"""Scores of pictures by a detector, with reasons not to trust each one, and pictures that explain the scores."""

from __future__ import annotations

import itertools
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image

from lib.data.images.batches import ahead
from lib.data.images.parts import Parts, parts_of
from lib.data.images.pictures import SUFFIXES, Picture, Unreadable, decode_picture, is_picture, read_picture
from lib.data.images.views import OTHER_SCALE, ImageFile, View
from lib.data.source.checks import printable
from lib.data.source.folders import entries
from lib.metrics import abstention, thresholds
from lib.metrics.checks import decimals, share
from lib.model.use.detector import Detector, image_distances, pixel_statistics
from lib.study.files import version_of, written_whole
from lib.study.names import LABELS, UserError

if TYPE_CHECKING:
    from lib.model.native import keras

COLUMNS = (
    *("path", "decision", "probability", "score", "leans", "policy", "threshold", "unlikeness"),
    *("width", "height", "share_seen", "format", "jpeg_quality", "warnings", "why", "explained", "error"),
    *("sha256", "model", "model_sha256", "versions", "time"),
)
# The decision where there is none, and the warnings that lead to it.
UNDECIDED = "undecided"
UNDECIDING = ("stand_ins", "at_chance", "unlike", "near_threshold")

# Below it a JPEG counts as heavily compressed if none of the training images was a JPEG.
LOWEST_QUALITY = 50

# The packages that decode pictures and compute scores.
_PACKAGES = ("tensorflow", "keras", "openvino", "numpy", "pillow", "simplejpeg", "opencv-python-headless")

# Pictures that are decoded together. Several such groups are in memory at once; larger ones are no faster.
AT_ONCE = 16

EXPLAINED = "_explained"

_MARK = "Explanation of a score"  # marks the PNG files of --explain: only those may be overwritten

_SHOWN = 512  # the longer side of a picture in its explanation, pixels


class Seen(NamedTuple):
    """Facts of a picture that are kept after its view has been made.

    Attributes:
        height, width: of the picture, pixels.
        format: as Pillow names it, such as `JPEG`.
        jpeg_quality: as in `Picture`.
        shown: a small copy of it for its explanation, or None.
        sha256: of the bytes that were decoded.
        bytes: number of them.
        fineness, blocking: as `pixel_statistics` gives them.
    """

    height: int
    width: int
    format: str
    jpeg_quality: int | None
    shown: np.ndarray | None
    sha256: str = ""
    bytes: int = 0
    fineness: float = 1.0
    blocking: float = 1.0


class Scorer:
    """A detector with a threshold, ready to score."""

    def __init__(self, detector: Detector, policy: str = "balanced"):
        """Raises UserError for a policy that the detector does not have."""
        self.detector, self.policy = detector, policy
        self.threshold = detector.threshold(policy)
        self.warnings = undeciding_first(detector.warnings(policy))
        self.custody = {
            "model": f"{detector.training['name']}/{detector.training['recipe']['name']}",
            "model_sha256": detector.content["files"][detector.content["model"]],
            "versions": versions_in_words(),
        }

    @cached_property
    def engine(self):
        """Built at its first use, because this takes seconds."""
        return self.detector.engine()

    def see(self, picture: Picture, show: bool = False) -> tuple[Seen, np.ndarray]:
        """The facts of a picture, and the views of its parts, uint8 (parts, side, side, 3)."""
        view, facts, pixels = self.detector.view, picture.facts, picture.pixels
        prepared, (height, width) = view.prepared(pixels, ""), pixels.shape[:2]
        seen = Seen(
            height=height,
            width=width,
            format=facts["format"],
            jpeg_quality=picture.jpeg_quality,
            shown=_small(pixels) if show else None,
            sha256=facts["sha256"],
            bytes=facts["bytes"],
            **pixel_statistics(pixels, prepared),
        )
        return seen, np.stack([view.part_of(prepared, "", part) for part in view.parts(height, width)])

    def parts(self, seen: Sequence[Seen]) -> Parts:
        """The parts of pictures, in the order of the views that `see` gives."""
        files = [ImageFile(Path(), "", size=(one.height, one.width)) for one in seen]
        return parts_of(files, self.detector.view)

    def rows(self, names: Sequence[str], seen: Sequence[Seen], views: np.ndarray) -> list[dict]:
        """A row of COLUMNS for each picture.

        Args:
            names: values of `path`.
            seen: facts of each picture.
            views: uint8 (parts of all pictures, side, side, 3).
        """
        outputs, parts = self.engine(views), self.parts(seen)
        # The shortest decimals of float32, as in scores.csv: thresholds were chosen on those.
        scores = np.array([float(str(score)) for score in parts.combined(outputs[:, 0])])
        probabilities = self.detector.probabilities(scores)
        unlike = image_distances(self.detector.statistics.unlikeness(outputs[:, 1:]), parts)
        numbers = zip(scores.tolist(), probabilities.tolist(), unlike.tolist())
        return [self._row(name, one, *each) for name, one, each in zip(names, seen, numbers)]

    def _row(self, name: str, seen: Seen, score: float, probability: float, unlikeness: float) -> dict:
        """A row of COLUMNS."""
        found = self.reasons(seen, score, unlikeness)
        leans = LABELS[thresholds.apply(self.threshold, [score])[0]]
        decided = not set(UNDECIDING) & set(found)
        return {
            **dict.fromkeys(COLUMNS),
            "path": name,
            "decision": leans if decided else UNDECIDED,
            "probability": probability if decided else None,
            "score": score,
            "leans": leans,
            "policy": self.policy,
            "threshold": self.threshold,
            "unlikeness": unlikeness,
            "width": seen.width,
            "height": seen.height,
            "share_seen": self.share_seen(seen),
            "format": seen.format,
            "jpeg_quality": seen.jpeg_quality,
            "warnings": list(found),
            "why": "; ".join(found.values()),
            "sha256": seen.sha256,
            "time": now(),
            **self.custody,
        }

    def reasons(self, seen: Seen, score: float, unlikeness: float) -> dict[str, str]:
        """All warnings of a picture, code to words: those that lead to no decision come first."""
        return undeciding_first(self.score_warnings(score) | self.picture_warnings(seen, unlikeness) | self.warnings)

    def failed(self, name: str, error: Unreadable) -> dict:
        """The row of a file that could not be scored; `error` states why."""
        row = {**dict.fromkeys(COLUMNS), "path": name, "warnings": [], "error": str(error)}
        return row | {"sha256": error.facts.get("sha256"), "time": now(), **self.custody}

    def score_warnings(self, score: float) -> dict[str, str]:
        """`near_threshold` if a score lies in the band that validation left undecided: code to words."""
        low, high = self.detector.band(self.policy)
        if not abstention.is_undecided(low, high, score):
            return {}
        error = self.detector.content["thresholds"][self.policy]["band"]["error"]
        return {
            "near_threshold": (
                f"undecided: the score {decimals(score)} lies near the threshold, between {decimals(low)} and {decimals(high)} "
                f"(of validation images outside of that, {share(error)} are called wrongly, as a mean of both classes)"
            )
        }

    def picture_warnings(self, seen: Seen, unlikeness: float) -> dict[str, str]:
        """Reasons not to trust the score of a picture: stable code to words. `warnings` holds those of all pictures."""
        known, side, found = self.detector.training, self.detector.view.size, {}
        shorter, (least, median, most) = min(seen.height, seen.width), self.detector.scale
        crop = self.detector.view.kind == "crop"
        if shorter < side:
            found["too_small"] = (
                f"shorter side of {shorter} pixels, enlarged to the {side} that the network takes: enlarging wipes traces out"
            )
        elif OTHER_SCALE * shorter < least:
            found["too_small"] = (
                f"another scale: shorter side of {shorter} pixels, at least {least} in training; "
                f"the whole picture was looked at, squeezed to {side} x {side} pixels, and no part of it at native resolution"
            )
        if shorter > OTHER_SCALE * most:
            looked = f"brought to {median}" if crop else f"squeezed to {side} x {side} pixels"
            found["too_large"] = (
                f"another scale: shorter side of {shorter} pixels, {most} at most in training; it was {looked} first"
            )
        if seen.jpeg_quality is not None:
            known_quality = known["jpeg_quality"]
            least = known_quality["least"] if known_quality else LOWEST_QUALITY
            if seen.jpeg_quality < least:
                trained = f"at least {least} in training" if known_quality else "no JPEG in training"
                found["compressed"] = f"JPEG quality about {seen.jpeg_quality}, {trained}"
        if not unlikeness <= 1:
            found["unlike"] = (
                f"undecided: unlike the training data: {unlikeness:.2g} times the distance that 99% of its own images stay within"
            )
        return found | self._pixel_warnings(seen)

    def _pixel_warnings(self, seen: Seen) -> dict[str, str]:
        """Warnings of pixels that are outside of the range of 99% of the training images: code to words."""
        limits, found = self.detector.content["pixels"], {}
        if seen.fineness < limits["least_fineness"]:
            found["upscaled"] = (
                f"smoother than the training images, as an enlarged picture is: neighbours differ {seen.fineness:.2f} times as much "
                f"as pixels two apart, at least {limits['least_fineness']:.2f} times in 99% of the training images"
            )
        if limits["most_blocking"] is not None and seen.blocking > limits["most_blocking"]:
            found["recompressed"] = (
                f"blocks of an earlier JPEG: steps across their borders are {seen.blocking:.2f} times the others, at most "
                f"{limits['most_blocking']:.2f} times in 99% of the training images"
            )
        return found

    def share_seen(self, seen: Seen) -> float:
        """Share of a picture's pixels that lie in a part that the network looked at, 0 to 1."""
        boxes = self.detector.view.boxes(seen.height, seen.width)
        # Several parts include the whole.
        return max(height * width for _, _, height, width in boxes.values())


def undeciding_first(found: dict[str, str]) -> dict[str, str]:
    """Warnings with those first that lead to no decision, in the order of UNDECIDING."""
    first = [code for code in UNDECIDING if code in found]
    return {code: found[code] for code in [*first, *(code for code in found if code not in first)]}


def versions_in_words() -> str:
    """The versions of the program and of the packages that scores depend on, in one line."""
    return ", ".join(f"{name} {number}" for name, number in _versions().items())


def _versions() -> dict[str, str]:
    packages = {name: version_of(name) for name in _PACKAGES}
    return {"study": version_of("deepfake-efficientnet-study"), "python": platform.python_version(), **packages}


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


class Explained(NamedTuple):
    """What explains the score of one picture.

    Attributes:
        view: uint8 (side, side, 3), what the map lies over.
        heat: float (rows, columns), evidence in logits against an average image: above 0 for synthetic.
        boxes: left, top, width and height of each part looked at, in pixels of `Seen.shown`.
    """

    view: np.ndarray
    heat: np.ndarray
    boxes: list[tuple[float, float, float, float]]


def map_pictures(
    detector: Detector, model: keras.Model, seen: Sequence[Seen], views: np.ndarray, parts: Parts
) -> list[Explained]:
    """The maps of some pictures, from their views; arguments as `Scorer.see` and `Scorer.parts` give them."""
    # Not above: without maps, scoring needs no TensorFlow.
    from lib.model.use import explanation

    maps, shown = explanation.whole_maps(explanation.explain(model, views), views, parts, detector.view)
    heats = maps.contributions.sum(axis=1) - detector.statistics.average_map
    return [Explained(view, heat, _boxes(detector.view, one)) for one, view, heat in zip(seen, shown, heats)]


def _boxes(view: View, seen: Seen) -> list[tuple[float, float, float, float]]:
    tall, wide = seen.shown.shape[:2]
    return [
        (left * wide, top * tall, width * wide, height * tall)
        for top, left, height, width in view.boxes(seen.height, seen.width).values()
    ]


def score_pictures(
    scorer: Scorer,
    paths: Iterable[Path],
    *,
    explained: Path | None = None,
    report: Callable[[Path, dict, Seen, Explained], None] | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Iterator[dict]:
    """Score picture files in order. All cores decode while the network scores earlier ones; each is decoded once.

    At most a few batches are in memory, whatever the number of files.

    Args:
        paths: of the files.
        explained: folder for a picture with the map of each file, or None.
        report: called with each scored picture, its row and its maps, or None.
        on_progress: called with the number of files just done.

    Yields:
        A row of COLUMNS for each path, with None for unknown values. If a file could not be scored, `error` states why.
    """
    explain = Explainer(explained) if explained else None
    model = scorer.detector.model() if explain or report else None

    def load(part: list[Path]) -> tuple[list[Seen | Unreadable], np.ndarray]:
        found, views = [], []
        for path in part:
            try:
                seen, mine = scorer.see(read_picture(path), show=model is not None)
                views.append(mine)
            except Unreadable as error:
                seen = error
            found.append(seen)
        return found, np.concatenate(views) if views else np.empty(0)

    for part, (found, views) in ahead(load, paths, AT_ONCE):
        names = [printable(path) for path in part]
        rows = [scorer.failed(name, one) if isinstance(one, Unreadable) else None for name, one in zip(names, found)]
        good = [number for number, row in enumerate(rows) if row is None]
        if good:
            seen = [found[number] for number in good]
            scored = scorer.rows([names[number] for number in good], seen, views)
            for number, row in zip(good, scored):
                rows[number] = row
            maps = map_pictures(scorer.detector, model, seen, views, scorer.parts(seen)) if model else []
            for number, one, shown in zip(good, seen, maps):
                if explain:
                    rows[number]["explained"] = printable(explain(part[number], rows[number], one, shown))
                if report:
                    report(part[number], rows[number], one, shown)
        yield from rows
        on_progress(len(part))


def score_bytes(scorer: Scorer, name: str, data: bytes) -> dict:
    """The row of one picture in memory, as `score_pictures` gives it."""
    try:
        seen, views = scorer.see(decode_picture(data))
    except Unreadable as error:
        return scorer.failed(name, error)
    return scorer.rows([name], [seen], views)[0]


def said(row: dict) -> str:
    """The decision of a row in words, with its probability, or with the score if there is none."""
    if row["decision"] == UNDECIDED:
        return f"{UNDECIDED}, score {decimals(row['score'])} leans {row['leans']}"
    return f"{row['decision']}, probability of synthetic {decimals(row['probability'])}"


def _small(pixels: np.ndarray) -> np.ndarray:
    scale = _SHOWN / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


class Explainer:
    """Writes a picture that explains each score; it overwrites only its own pictures."""

    def __init__(self, folder: Path):
        self.folder, self._taken = folder, set()

    def __call__(self, path: Path, row: dict, seen: Seen, maps: Explained) -> Path:
        """The written file."""
        # Not above: drawing takes seconds to import, and most pictures are scored without.
        from lib.metrics import figures

        name = printable(path.name)
        title = f"{name if len(name) < 80 else name[:77] + '…'}: {said(row)}"
        if row["warnings"]:
            title += f"\nwarnings: {', '.join(row['warnings'])}"
        figure = figures.explained_picture(seen.shown, maps.boxes, maps.view, maps.heat, title)
        target = self._free(printable(path.stem))
        with written_whole(target) as temporary, warnings.catch_warnings():
            # A letter that is missing in the font is drawn as a box; the file has its true name.
            warnings.filterwarnings("ignore", "Glyph")
            figure.savefig(temporary, dpi=110, metadata={"Title": _MARK})
        return target

    def _free(self, stem: str) -> Path:
        """A name that is not used by a picture of this call or by a file that --explain did not write."""
        for number in itertools.count(1):
            target = self.folder / f"{stem}{EXPLAINED}{'' if number == 1 else f'_{number}'}.png"
            # Names that differ only in case are one file on some systems.
            if target.name.casefold() not in self._taken and (not os.path.lexists(target) or _is_explanation(target)):
                self._taken.add(target.name.casefold())
                return target
        raise AssertionError("unreachable: numbers do not end")


def _is_explanation(path: Path) -> bool:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get("Title") == _MARK
    except (OSError, ValueError, SyntaxError):
        return False


def find_pictures(given: Sequence[str], passed_over: list[str], explained: Path | None = None) -> Iterator[Path]:
    """The named files, and every picture below the named folders, by name; links to folders are not followed.

    Args:
        given: files and folders.
        passed_over: gets the names of files in folders that are not pictures, by content and by name. A picture of an
            unsupported kind, such as HEIC, is not among them: it is returned, and its row states why it has no score.
        explained: a folder to leave out, because explanations are written to it.

    Raises:
        UserError: a web address among those given.
    """
    for name in given:
        if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) and not os.path.lexists(name):
            raise UserError(
                f"{printable(name)}: an address; expected a file or folder: download the picture and give its file"
            )
        if os.path.isdir(name):
            yield from _below(Path(name), passed_over, explained and Path(os.path.realpath(explained)))
        else:
            # Every named file is tried, and reported if it does not exist.
            yield Path(name)


def _below(folder: Path, passed_over: list[str], left_out: Path | None) -> Iterator[Path]:
    if left_out and Path(os.path.realpath(folder)) == left_out:
        return
    try:
        found = sorted(entries(folder), key=lambda entry: entry.name)
    except UserError:
        yield folder  # reported like a file that cannot be read
        return
    for entry in found:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, passed_over, left_out)
        elif path.is_dir() or (EXPLAINED in path.stem and _is_explanation(path)):
            passed_over.append(printable(path))
        elif path.suffix.lower() in SUFFIXES or is_picture(path):
            yield path
        else:
            passed_over.append(printable(path))
