"""Images: samples, pairs, means, heat maps, errors."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from lib.metrics.checks import share
from lib.metrics.figures.style import CLASS_COLOURS, WITHIN_CHANCE, panels, sentence, styled
from lib.metrics.relabelling import Difference

PAIRS_A_ROW, SINGLES_A_ROW = 4, 6
# Of heat maps over a picture.
HEAT_COLOURS, HEAT_ALPHA = "inferno", 0.5
HEAT_LABEL = "what speaks for\nthe class it was called\n(each map on its own scale)"


@styled
def sample_sheet(images: Mapping[str, Sequence[np.ndarray]], title: str) -> Figure:
    """A row of images for each class.

    Args:
        images: label to uint8 RGB images (height, width, 3); the same number for each label looks best.
    """
    columns = max(len(row) for row in images.values())
    figure, axes = panels(columns, title, (1.35 * columns, 1.6 * len(images) + 0.7), rows=len(images))
    for ax in axes:
        ax.set_axis_off()
    for row, (label, pictures) in enumerate(images.items()):
        for column, picture in enumerate(pictures):
            axes[row * columns + column].imshow(picture)
        axes[row * columns].set_title(label, loc="left", color=CLASS_COLOURS.get(label, "black"), fontweight="bold")
    return figure


@styled
def pair_gallery(pairs: Sequence[tuple[np.ndarray, np.ndarray, str]], title: str) -> Figure:
    """Pairs of images side by side, each with a caption: (image a, image b, caption); a sentence if there are none."""
    pictures = [[(first, None), (second, None)] for first, second, _ in pairs]
    return _gallery(pictures, [caption for *_, caption in pairs], title, "No pairs.")


def _gallery(
    pictures: Sequence[Sequence[tuple[np.ndarray, np.ndarray | None]]],
    captions: Sequence[str],
    title: str,
    nothing: str,
) -> Figure:
    """Cells with a caption above one or two pictures, each an image and its heat map, if any."""
    wide = max((len(row) for row in pictures), default=2)
    across = max(1, min(len(pictures), PAIRS_A_ROW if wide == 2 else SINGLES_A_ROW))
    down = max(1, -(-len(pictures) // across))
    # Wrapped to the width of the pictures, so that a long file name is not cut and does not overlap its neighbour.
    columns = 34 if wide == 2 else 22
    heats = any(heat is not None for row in pictures for _, heat in row)
    captions = ["\n".join(textwrap.fill(line, columns) for line in caption.splitlines()) for caption in captions]
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    width = 2.6 if wide == 2 else 1.7
    size = (max(width * across + 0.5, 4.0) + heats, (1.5 + 0.17 * lines) * down + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    if not pictures:
        figure.text(0.5, 0.4, nothing, ha="center")
    grid = figure.add_gridspec(down, across + heats, width_ratios=[width] * across + [1.0] * heats)
    places = [figure.add_subfigure(grid[number // across, number % across]) for number in range(len(pictures))]
    for place, row, caption in zip(places, pictures, captions):
        place.suptitle(caption, fontsize=9)
        for ax, (image, heat) in zip(place.subplots(1, len(row), squeeze=False).ravel(), row):
            if heat is None:
                ax.imshow(image)
            else:
                _draw_heat(ax, image, heat, float(np.max(heat)) or 1.0)
            ax.set_axis_off()
    if heats:
        _bar_of_maps(figure.add_subfigure(grid[:, -1]))
    return figure


def _bar_of_maps(place: SubFigure) -> None:
    """The colour bar of maps, each drawn from 0 to its own largest value."""
    scale = ScalarMappable(Normalize(0, 1), HEAT_COLOURS)
    bar = place.colorbar(scale, cax=place.subplots(), alpha=HEAT_ALPHA, ticks=[0, 1])
    bar.set_label(HEAT_LABEL, fontsize=8)
    bar.ax.set_box_aspect(8)
    bar.ax.set_yticklabels(["none", "most"], fontsize=8)
    bar.outline.set_visible(False)


@styled
def mean_images(images: Mapping[str, np.ndarray], title: str, difference: Difference | None = None) -> Figure:
    """The mean image of each class and their difference.

    The difference is synthetic - real, averaged over red, green and blue. Its colours are the classes', centred on 0,
    and grey where it is within chance.

    Args:
        images: `real` and `synthetic` to uint8 (side, side, 3), equal sides.
        difference: of the grey levels (side, side) against relabelling; None without a comparison.
    """
    figure, axes = panels(3, title, (10.5, 3.6))
    for ax, label in zip(axes, CLASS_COLOURS):
        ax.set_title(label, color=CLASS_COLOURS[label], fontweight="bold")
        ax.set_axis_off()
        if label in images:
            ax.imshow(images[label])
        else:
            sentence(ax, f"No {label} images.")
    axes[2].set_title("synthetic − real")
    axes[2].set_axis_off()
    if difference is None:
        sentence(axes[2], "Nothing to compare.")
        return figure
    axes[2].set_title(f"synthetic − real\n{_told(difference)}")
    # At least one grey level, so that noise does not get full colour.
    most = max(1.0, np.abs(difference.value).max())
    told = np.ma.masked_array(difference.value, mask=~difference.beyond)
    shown = axes[2].imshow(told, cmap=_class_colours().with_extremes(bad=WITHIN_CHANCE), vmin=-most, vmax=most)
    bar = figure.colorbar(
        shown, ax=axes[2], label="grey levels (0 to 255)\nblue: real is brighter\ngrey: within chance"
    )
    bar.outline.set_visible(False)
    return figure


def _told(difference: Difference) -> str:
    beyond = float(difference.beyond.mean())
    return f"{share(beyond)} of it beyond chance" if beyond else "all of it within chance"


@styled
def heat_maps(
    maps: Mapping[str, np.ndarray],
    title: str,
    images: Mapping[str, np.ndarray] | None = None,
    label: str = "Grad-CAM",
    difference: np.ndarray | None = None,
) -> Figure:
    """Average heat map of each class, on one colour scale, over an image if one is given.

    Args:
        maps: `real` and `synthetic` to arrays (height, width), from 0 upwards; with the images' height and width or
            coarser.
        images: label to the image below the map, uint8 (height, width, 3), e.g. the mean image of the class.
        label: content of the maps, for the colour bar.
        difference: synthetic - real at every position, in its own panel, in the classes' colours around 0.
    """
    columns = len(CLASS_COLOURS) + (difference is not None)
    figure, axes = panels(columns, title, (4 * columns, 3.8))
    most = max((float(np.max(values)) for values in maps.values()), default=0.0) or 1.0
    shown = None
    for ax, name in zip(axes, CLASS_COLOURS):
        ax.set_title(name, color=CLASS_COLOURS[name], fontweight="bold")
        ax.set_axis_off()
        if name in maps:
            shown = _draw_heat(ax, None if images is None else images.get(name), maps[name], most)
        else:
            sentence(ax, f"No {name} images.")
    if shown is not None:
        bar = figure.colorbar(
            shown, ax=list(axes[: len(CLASS_COLOURS)]), label=f"{label} (mean over images)", shrink=0.85
        )
        bar.outline.set_visible(False)
    if difference is not None:
        axes[-1].set_title("synthetic − real")
        axes[-1].set_axis_off()
        most = float(np.max(np.abs(difference))) or 1.0
        shown = axes[-1].imshow(difference, cmap=_class_colours(), vmin=-most, vmax=most, interpolation="bicubic")
        figure.colorbar(shown, ax=axes[-1], label=f"difference in {label}", shrink=0.85).outline.set_visible(False)
    return figure


def _class_colours() -> LinearSegmentedColormap:
    """From the colour of real through white to that of synthetic."""
    return LinearSegmentedColormap.from_list("classes", [CLASS_COLOURS["real"], "white", CLASS_COLOURS["synthetic"]])


def _draw_heat(ax: Axes, image: np.ndarray | None, heat: np.ndarray, most: float) -> AxesImage:
    height, width = heat.shape if image is None else image.shape[:2]
    place = {"extent": (-0.5, width - 0.5, height - 0.5, -0.5), "interpolation": "bicubic"}
    if image is not None:
        # In grey, so that only the map has colour.
        ax.imshow(image.mean(axis=2) if image.ndim == 3 else image, cmap="gray", vmin=0, vmax=255)
    return ax.imshow(heat, cmap=HEAT_COLOURS, vmin=0, vmax=most, alpha=1 if image is None else HEAT_ALPHA, **place)


@styled
def scored_pictures(cases: Sequence[tuple[np.ndarray, str]], title: str) -> Figure:
    """Pictures, uint8 (height, width, 3), each with a caption; a sentence if there are none."""
    return _gallery([[(image, None)] for image, _ in cases], [caption for _, caption in cases], title, "No pictures.")


@styled
def explained_picture(
    picture: np.ndarray,
    boxes: Sequence[tuple[float, float, float, float]],
    view: np.ndarray,
    heat: np.ndarray,
    title: str,
) -> Figure:
    """A picture with the parts marked that the network looks at, one of them, and the map that explains the score.

    Args:
        picture: uint8 (height, width, 3).
        boxes: left, top, width and height of each part, in pixels of `picture`.
        view: the only part, or the whole picture squeezed, as the network's input, uint8 (side, side, 3).
        heat: (rows, columns) over `view`, evidence in logits: above 0 for synthetic, below 0 for real.
    """
    figure, axes = panels(3, title, (11, 4.2))
    for ax, words in zip(
        axes, ("the picture, and its parts looked at", "what the network was given", "what speaks for each class")
    ):
        ax.set_title(words)
        ax.set_axis_off()
    axes[0].imshow(picture)
    for left, top, width, height in boxes:
        for colour, thickness in (("white", 3), ("black", 1)):
            edge = {"fill": False, "edgecolor": colour, "linewidth": thickness}
            axes[0].add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **edge))
    axes[1].imshow(view)
    # In grey, so that only the map has colour.
    axes[2].imshow(view.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    most = float(np.max(np.abs(heat))) or 1.0
    place = {"extent": (-0.5, view.shape[1] - 0.5, view.shape[0] - 0.5, -0.5), "interpolation": "bicubic"}
    shown = axes[2].imshow(heat, cmap=_class_colours(), vmin=-most, vmax=most, alpha=0.55, **place)
    bar = figure.colorbar(shown, ax=axes[2], label="logit against an average image\nblue: real, orange: synthetic")
    bar.outline.set_visible(False)
    return figure


@styled
def error_gallery(cases: Sequence[tuple[np.ndarray, np.ndarray | None, str]], title: str) -> Figure:
    """Wrongly classified images, each with a caption and, if there is one, its heat map beside it.

    Args:
        cases: (image, heat map or None, caption); the image uint8 (height, width, 3), the map (height, width) or
            coarser, from 0 upwards, drawn on its own scale.
    """
    pictures = [[(image, None)] if heat is None else [(image, None), (image, heat)] for image, heat, _ in cases]
    return _gallery(pictures, [caption for *_, caption in cases], title, "No errors.")
