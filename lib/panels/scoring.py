"""A panel that scores a picture in the notebook; a figure replaces it if nobody can use it."""

from __future__ import annotations

import html
import io
from functools import cached_property

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from lib.data.audit.normalise import image_root
from lib.data.images.decode import read_rgb
from lib.data.images.pictures import Unreadable, decode_picture
from lib.data.source.checks import printable
from lib.metrics import figures
from lib.metrics.checks import decimals
from lib.model.use.detector import unfinished_detector
from lib.model.use.scorer import UNDECIDED, Scorer, score_bytes
from lib.show.frontend import show
from lib.study.names import LABELS
from lib.study.run import Run

# Validation images of each class in the figure.
EXAMPLES = 3
# A place to drop files on. ipywidgets' own button keeps its file input outside the page and takes no dropped file; so its click,
# which would open the browser's dialogue, is made to hand the dropped files to that input instead.
_DROP = """
<div style="border: 2px dashed grey; border-radius: 6px; padding: 1em; text-align: center"
 ondragover="event.preventDefault()"
 ondrop="event.preventDefault(); event.stopPropagation();
  const files = event.dataTransfer.files, before = HTMLInputElement.prototype.click;
  HTMLInputElement.prototype.click = function () { this.files = files; this.dispatchEvent(new Event('change')); };
  try { this.closest('.widget-vbox').querySelector('.widget-upload').click(); }
  finally { HTMLInputElement.prototype.click = before; }">or drop pictures here</div>
"""
_SHOWN = 224  # height of a dropped picture in the panel, pixels


def show_scoring_panel(run: Run, stage: str) -> None:
    """Show a panel where a trained stage scores dropped pictures; if nobody has the notebook open, `example_figure`.

    The figure is saved too.
    """
    show(run.save_figure(example_figure(run, stage), "scored_pictures"), lambda: UploadPanel(run, stage).box)


def example_figure(run: Run, stage: str) -> Figure:
    """Validation images from the lowest score to the highest, of each class, with their scores in scores.csv."""
    rows = run.scored().query("stage == @stage and split == 'validation'").sort_values("score", kind="stable")
    shown = pd.concat([_spread(rows[rows["label"] == label]) for label in LABELS])
    paths = run.images().set_index("image_id")["path"]
    cases = [
        (read_rgb(image_root(run) / paths[row.image_id]), f"{row.label}\nscore {decimals(row.score)}")
        for row in shown.itertuples()
    ]
    words = "Scored pictures, validation (in JupyterLab: a panel for your own)"
    return figures.scored_pictures(cases, run.title(words, len(rows)))


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """The first, the last and those evenly between."""
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).round().astype(int))]


def sentence(row: dict) -> str:
    """A scored picture in words, as HTML; `row` as in `scoring.COLUMNS`."""
    name = html.escape(printable(row["path"]))
    if row["error"]:
        return f"<b>{name}</b> could not be scored: {html.escape(row['error'])}"
    decided = row["decision"] != UNDECIDED
    found = f"probability of synthetic {decimals(row['probability'])}" if decided else f"it leans {row['leans']}"
    reasons = "Why not to trust it" if decided else "Why there is no decision"
    return (
        f"<b>{name}</b>: <b>{row['decision']}</b>, {found} "
        f"(score {decimals(row['score'])}, threshold {decimals(row['threshold'])}, {row['policy']}). "
        + (f"{reasons}: {html.escape(row['why'])}." if row["why"] else "")
    )


class UploadPanel:
    """The widget: a button that takes files, and the result for each."""

    def __init__(self, run: Run, stage: str):
        self._run, self._stage = run, stage
        self.upload = widgets.FileUpload(accept="image/*", multiple=True, description="Score pictures")
        self.found = widgets.VBox()
        self.upload.observe(self._score, names="value")
        self.box = widgets.VBox([self.upload, widgets.HTML(_DROP), self.found])

    @cached_property
    def _scorer(self) -> Scorer:
        # Made for the first picture, because reading the training images takes a while.
        return Scorer(unfinished_detector(self._run, self._stage))

    def _score(self, change: dict) -> None:
        self.found.children = [widgets.HTML("scoring …")]
        rows = []
        for file in change["new"]:
            data = bytes(file["content"])
            rows.append(
                widgets.HBox([*_thumbnail(data), widgets.HTML(sentence(score_bytes(self._scorer, file["name"], data)))])
            )
        self.found.children = rows


def _thumbnail(data: bytes) -> list[widgets.Image]:
    """The picture in a form that the browser can show, whatever its format; nothing if it cannot be read."""
    try:
        image = Image.fromarray(decode_picture(data).pixels)
    except Unreadable:
        return []
    image.thumbnail((2 * _SHOWN, _SHOWN))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return [widgets.Image(value=buffer.getvalue(), format="png")]
