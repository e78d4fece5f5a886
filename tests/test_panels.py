"""The threshold panel: moved in Python and read, and the figure in its place."""

import re

import IPython.display
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import finish

from lib import study
from lib.metrics import decisions, measures
from lib.metrics.checks import decimals
from lib.metrics.figures import POLICY_NAMES
from lib.panels import thresholds as panels
from lib.show import frontend


@pytest.fixture
def made(own_home, tmp_path, monkeypatch):
    """A finished run of made-up scores with pictures on disk: run, validation rows, thresholds, test policies."""
    run = study.open_run(dataset="1")
    images = finish(run)
    root = tmp_path / "pictures"
    root.mkdir()
    for number, row in enumerate(images.itertuples()):
        Image.new("RGB", (40, 30), (number, 10, 200)).save(root / f"{row.image_id}.png")
    run.write_audit(
        images.assign(path=images["image_id"] + ".png"), pd.DataFrame(columns=study.PAIR_COLUMNS), run.audit()
    )
    monkeypatch.setattr(panels, "image_root", lambda run: root)
    stage = study.STAGES[-1]
    validation = run.scored().query("stage == @stage and split == 'validation'")
    return run, validation, run.thresholds()["stages"][stage], run.metrics()["stages"][stage]["policies"]


@pytest.fixture
def panel(made):
    run, validation, chosen, test = made
    marks = {policy: found["threshold"] for policy, found in chosen.items()}
    tried = decisions.thresholds_to_try(validation["score"], list(marks.values()))
    curve = decisions.recall_curve(validation["y"], validation["score"], validation["group"], tried)
    return panels.ThresholdPanel(
        curve, decisions.RankedImages(validation), marks, test, panels.Pictures(run), run.source()
    )


def text(widget):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", widget.value)).strip()


def test_the_slider_shows_what_the_measures_say(panel, made):
    _, validation, chosen, _ = made
    y, score, group = (validation[name] for name in ("y", "score", "group"))
    for place in (0, 7, 40, panel.slider.max):
        panel.slider.value = place
        threshold = float(re.search(r"Threshold ([\d.e-]+)", text(panel.numbers)).group(1))
        exact = min([*score, *(found["threshold"] for found in chosen.values())], key=lambda s: abs(s - threshold))
        if place == panel.slider.max:
            exact = np.nextafter(score.max(), 2)
        cells = measures.confusion(y, score, exact)
        recalls = measures.bootstrap_intervals(y, score, group, exact, ["recall_real", "recall_synthetic"])
        shown = text(panel.numbers)
        assert f"real {cells['true_real']} {cells['false_synthetic']} {recalls['recall_real']}" in shown
        assert f"synthetic {cells['false_real']} {cells['true_synthetic']} {recalls['recall_synthetic']}" in shown


def test_buttons_go_to_the_chosen_thresholds_and_the_test_images_stay_at_them(panel, made):
    _, _, chosen, test = made
    before = panel.test.value
    assert f"{POLICY_NAMES['balanced']}" in text(panel.numbers)  # where it starts
    for policy, button in panel.buttons.items():
        panel.slider.value = 0
        button.click()
        shown = text(panel.numbers)
        assert f"Threshold {decimals(chosen[policy]['threshold'])}" in shown and POLICY_NAMES[policy] in shown
        recall = test[policy]["recall_real"]
        assert f"{recall['value']:.3f} [{recall['low']:.3f}, {recall['high']:.3f}]" in text(panel.test)
    assert panel.test.value == before
    assert "chooses nothing" in text(panel.box.children[0]) and "validation" in text(panel.box.children[0])


def test_pictures_are_of_validation_images_and_read_when_they_are_asked_for(panel, made, monkeypatch):
    _, validation, _, _ = made
    asked = []
    original = panels.thumbnail
    monkeypatch.setattr(panels, "thumbnail", lambda path, side: asked.append(path.stem) or original(path, side))
    seen = set()
    for place in (0, 20, 0, 20):
        panel.slider.value = place
        seen |= set(re.findall(r"title='([^']+)'", panel.examples.value))
    assert seen <= set(validation["image_id"]) and len(seen) > panels.COUNT
    assert asked and len(asked) == len(set(asked))  # each read once
    assert set(asked) <= seen


def test_a_picture_that_is_gone_is_grey(made):
    run, validation, _, _ = made
    pictures = panels.Pictures(run)
    there, gone = validation["image_id"].iloc[:2]
    (panels.image_root(run) / f"{gone}.png").unlink()
    assert (pictures.pixels(gone) == 160).all() and pictures.pixels(there)[0, 0, 2] == 200
    assert pictures.address(gone).startswith("data:image/jpeg;base64,")


def test_names_cannot_break_the_page(made):
    run, validation, _, _ = made
    rows = validation.head(1).assign(image_id="a'><script>b")
    pictures = panels.Pictures(run)
    pictures._paths["a'><script>b"] = "nowhere.png"
    assert "<script>" not in panels._picture_row("title", rows, pictures)


@pytest.mark.parametrize("attended", [False, True])
def test_programs_get_a_figure_and_people_a_panel_that_falls_back_to_it(made, monkeypatch, attended):
    run, validation, chosen, test = made
    shown = []
    monkeypatch.setattr(frontend, "is_attended", lambda: attended)
    monkeypatch.setattr(IPython.display, "display", lambda content, raw=False: shown.append((content, raw)))
    panels.show_threshold_panel(run, validation, chosen, test)
    (content, raw), *rest = shown
    assert not rest and (run.recipe_folder / "figures" / "threshold_overview.png").stat().st_size > 10_000
    if attended:
        assert raw and {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(content)
    else:
        assert isinstance(content, IPython.display.Image) and run.source() in content.alt
