"""Interactive panels for a person with the notebook open; otherwise a figure.

A thin layer of widgets: the content comes from `lib.metrics`, and every choice is made elsewhere, on validation.
"""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Mapping

import ipywidgets as widgets
import numpy as np
import pandas as pd
from PIL import Image

from lib.data.audit.gallery import thumbnail
from lib.data.audit.normalise import image_root
from lib.metrics import decisions, evaluation, figures
from lib.metrics.checks import Interval, decimals
from lib.show.frontend import show
from lib.study.run import Run

# Pixels of an example picture's side, and pictures of each kind.
SIDE, COUNT = 88, 6
# The policy that the panel shows first and the figure shows.
FIRST = "balanced"
WORDS = (
    "The slider moves over the scores of <b>validation</b> images, where thresholds are chosen. It chooses nothing: the "
    "thresholds of this run are those of the buttons, and the test images are shown at these alone."
)
CELL = "padding:2px 10px;text-align:right"


def show_threshold_panel(
    run: Run, validation: pd.DataFrame, chosen: Mapping[str, dict], test: Mapping[str, dict]
) -> None:
    """Show the effect of a threshold on validation images: a panel with a slider, or a figure if nobody has the
    notebook open.

    The figure is saved too. If a panel is saved with its notebook, programs without widgets (GitHub, nbconvert) show
    the figure.

    Args:
        run: the run of these images.
        validation: scores of one stage on VALIDATION images: columns image_id, y (0 real, 1 synthetic), score, group.
        chosen: policy to the facts of its threshold, as in thresholds.json for a stage.
        test: policy to its results on test, as in `policies` of a stage in metrics.json.
    """
    marks = {policy: found["threshold"] for policy, found in chosen.items()}
    tried = decisions.thresholds_to_try(validation["score"], list(marks.values()))
    curve = decisions.recall_curve(validation["y"], validation["score"], validation["group"], tried)
    ranked = decisions.RankedImages(validation)
    pictures = Pictures(run)
    cells = curve[curve["threshold"] == marks[FIRST]].iloc[0]
    shown = {
        name: [(pictures.pixels(row.image_id), _label(row.y), decimals(row.score)) for row in rows.itertuples()]
        for name, rows in ranked.examples(marks[FIRST], COUNT).items()
    }
    title = run.title("What a threshold does, on validation", len(validation))
    figure = run.save_figure(
        figures.threshold_overview(curve, marks, FIRST, cells[list(decisions.CELLS)].astype(int), shown, title),
        "threshold_overview",
    )
    show(figure, lambda: ThresholdPanel(curve, ranked, marks, test, pictures, run.source()).box)


class Pictures:
    """Small pictures of a run's images, each read at its first use."""

    def __init__(self, run: Run):
        self._root = image_root(run)
        images = run.used_images()
        self._paths = dict(zip(images["image_id"], images["path"]))
        self.pixels = functools.lru_cache(maxsize=4096)(self._read)
        self.address = functools.lru_cache(maxsize=4096)(self._as_address)

    def _read(self, image_id: str) -> np.ndarray:
        """uint8 (SIDE, SIDE, 3); grey if the file no longer exists."""
        try:
            return thumbnail(self._root / self._paths[image_id], SIDE)
        except (OSError, ValueError):
            return np.full((SIDE, SIDE, 3), 160, dtype=np.uint8)

    def _as_address(self, image_id: str) -> str:
        """The picture as a `data:` address, for HTML."""
        picture = io.BytesIO()
        Image.fromarray(self.pixels(image_id)).save(picture, format="JPEG", quality=85)
        return f"data:image/jpeg;base64,{base64.b64encode(picture.getvalue()).decode()}"


class ThresholdPanel:
    """A slider over thresholds and the effect of each.

    Attributes:
        box: the panel, to be displayed.
        slider: position in the curve, 0 to its last row.
        buttons: policy to the button that moves the slider to its threshold.
        numbers: HTML: confusion and both recalls on validation.
        examples: HTML: pictures on both sides of the threshold, and errors.
        test: HTML: the chosen thresholds on test images; the slider does not change it.
    """

    def __init__(
        self,
        curve: pd.DataFrame,
        ranked: decisions.RankedImages,
        marks: Mapping[str, float],
        test: Mapping[str, dict],
        pictures: Pictures,
        source: str = "",
    ):
        """Args: curve: of `decisions.recall_curve`, with every threshold of `marks`. The rest as in `show_threshold_panel`."""
        self._rows = curve.to_dict("records")
        self._ranked, self._marks, self._pictures = ranked, marks, pictures
        places = {policy: int(np.searchsorted(curve["threshold"], value)) for policy, value in marks.items()}
        self.slider = widgets.IntSlider(
            value=places[FIRST],
            max=len(self._rows) - 1,
            description="threshold",
            readout=False,
            layout=widgets.Layout(width="98%"),
        )
        self.buttons = {}
        for policy, place in places.items():
            button = widgets.Button(description=figures.POLICY_NAMES.get(policy, policy), layout={"width": "auto"})
            button.on_click(lambda _, place=place: setattr(self.slider, "value", place))
            self.buttons[policy] = button
        self.numbers, self.examples = widgets.HTML(), widgets.HTML()
        self.test = widgets.HTML(_test_table(test))
        self._show()
        self.slider.observe(lambda _: self._show(), names="value")
        words = widgets.HTML(f"<p>{WORDS} Source: {html.escape(source)}.</p>")
        # A box that wraps: five buttons are wider than a narrow window.
        buttons = widgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        self.box = widgets.VBox([words, self.slider, buttons, self.numbers, self.examples, self.test])

    def _show(self) -> None:
        row = self._rows[self.slider.value]
        here = [
            figures.POLICY_NAMES.get(name, name) for name, value in self._marks.items() if value == row["threshold"]
        ]
        # Numbers first, because pictures that are not read yet may take a moment.
        self.numbers.value = _numbers(row, here)
        found = self._ranked.examples(row["threshold"], COUNT)
        self.examples.value = "".join(
            _picture_row(figures.EXAMPLE_NAMES[name], rows, self._pictures) for name, rows in found.items()
        )


def _numbers(row: Mapping, here: list[str]) -> str:
    real, synthetic = figures.CLASS_COLOURS.values()
    lines = [
        ("real", real, row["true_real"], row["false_synthetic"], "recall_real"),
        ("synthetic", synthetic, row["false_real"], row["true_synthetic"], "recall_synthetic"),
    ]
    body = "".join(
        f"<tr><th style='{CELL};color:{colour}'>{label}</th><td style='{CELL}'>{as_real:,}</td><td style='{CELL}'>{as_synthetic:,}</td>"
        f"<td style='{CELL}'>{Interval.of(row, recall)}</td>"
        f"<td style='min-width:200px'>{_bar(row, recall, colour)}</td></tr>"
        for label, colour, as_real, as_synthetic, recall in lines
    )
    named = f" ({', '.join(here)})" if here else ""
    return (
        f"<p><b>Threshold {decimals(row['threshold'])}</b>{named}: an image is called synthetic from this score on.</p><table>"
        f"<tr><th style='{CELL}'>validation images</th><th style='{CELL}'>called real</th><th style='{CELL}'>called synthetic</th>"
        f"<th style='{CELL}'>recall [95%]</th><th></th></tr>{body}</table>"
    )


def _bar(row: Mapping, recall: str, colour: str) -> str:
    found = Interval.of(row, recall)
    value, low, high = 100 * found.value, 100 * found.low, 100 * found.high
    return (
        "<div style='position:relative;height:14px;background:rgba(128,128,128,.2)'>"
        f"<div style='position:absolute;height:14px;width:{value:.1f}%;background:{colour};opacity:.75'></div>"
        f"<div style='position:absolute;top:6px;height:2px;left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%;background:currentColor'>"
        "</div></div>"
    )


def _picture_row(title: str, rows: pd.DataFrame, pictures: Pictures) -> str:
    shown = "".join(
        f"<div style='text-align:center;line-height:1.2'><img alt='{_label(row.y)} image, score {decimals(row.score)}' "
        f"src='{pictures.address(row.image_id)}' title='{html.escape(str(row.image_id), quote=True)}' "
        f"style='width:{SIDE}px;height:{SIDE}px;border:3px solid {figures.CLASS_COLOURS[_label(row.y)]}'>"
        f"<br><small>{_label(row.y)}<br>{decimals(row.score)}</small></div>"
        for row in rows.itertuples()
    )
    return (
        f"<p style='margin:6px 0 2px'>{title}</p>"
        f"<div style='display:flex;flex-wrap:wrap;gap:6px'>{shown or '<small>none</small>'}</div>"
    )


def _test_table(test: Mapping[str, dict]) -> str:
    rows = [
        (found["threshold"], policy, *(Interval.from_dict(found[name]) for name in evaluation.RECALLS))
        for policy, found in test.items()
    ]
    body = "".join(
        f"<tr><th style='{CELL}'>{html.escape(figures.POLICY_NAMES.get(policy, policy))}</th>"
        f"<td style='{CELL}'>{decimals(threshold)}</td><td style='{CELL}'>{real}</td><td style='{CELL}'>{synthetic}</td></tr>"
        for threshold, policy, real, synthetic in rows
    )
    return (
        "<p style='margin:10px 0 2px'><b>Test images</b>, at the thresholds that validation chose; the slider does not touch them.</p>"
        f"<table><tr><th style='{CELL}'>policy</th><th style='{CELL}'>threshold</th><th style='{CELL}'>recall real [95%]</th>"
        f"<th style='{CELL}'>recall synthetic [95%]</th></tr>{body}</table>"
    )


def _label(y: int) -> str:
    return list(figures.CLASS_COLOURS)[int(y)]
