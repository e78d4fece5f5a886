"""The panel of notebook 02: what it says is what scoring gives; a figure stands in its place where nobody can use it."""

from datetime import UTC, datetime
from pathlib import Path

import IPython.display
import ipywidgets as widgets
import pytest

from lib.model.use.detector import read_detector
from lib.model.use.scorer import Scorer, score_bytes
from lib.panels import scoring as panel
from lib.show import frontend

NOW = datetime.now(tz=UTC)


@pytest.fixture
def shown(monkeypatch):
    """What was displayed: objects and mime bundles."""
    found = []
    monkeypatch.setattr(IPython.display, "display", lambda item, raw=False: found.append(item))
    return found


def test_without_a_reader_a_figure_stands_there(scored_run, shown, monkeypatch):
    monkeypatch.setattr(frontend, "is_attended", lambda: False)
    panel.show_scoring_panel(scored_run, "full")
    (figure,) = shown
    assert isinstance(figure, IPython.display.Image) and "noise for a test" in figure.alt
    captions = [part.get_suptitle() for part in panel.example_figure(scored_run, "full").subfigs]
    scores = scored_run.scored().query("split == 'validation'").groupby("label")["score"]
    assert len(captions) == 6
    assert captions[0] == f"real\nscore {scores.min()['real']:.3f}"
    assert captions[5] == f"synthetic\nscore {scores.max()['synthetic']:.3f}"
    assert (scored_run.recipe_folder / "figures" / "scored_pictures.png").is_file()


def test_a_saved_panel_carries_the_figure_for_pages_without_widgets(scored_run, shown, monkeypatch):
    monkeypatch.setattr(frontend, "is_attended", lambda: True)
    panel.show_scoring_panel(scored_run, "full")
    (content,) = shown
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(content)


def test_a_dropped_picture_is_scored_and_a_bad_one_reported(scored_run, written_folder, monkeypatch):
    scorer = Scorer(read_detector(written_folder))
    monkeypatch.setattr(panel, "unfinished_detector", lambda run, stage: scorer.detector)
    box = panel.UploadPanel(scored_run, "full").box
    upload, zone, found = box.children
    # The zone's own script was tried in JupyterLab; here that it finds the button it stands beside.
    assert "ondrop=" in zone.value and ".widget-upload" in zone.value and "widget-vbox" in zone.value
    data = next(path for path in sorted(scored_run.images()["path"]))
    content = (Path(scored_run.data) / data).read_bytes()
    upload.value = [
        {"name": "<b>mine</b>.jpg", "type": "", "size": 1, "content": memoryview(content), "last_modified": NOW},
        {"name": "words.txt", "type": "", "size": 1, "content": memoryview(b"words"), "last_modified": NOW},
    ]
    good, bad = found.children
    picture, text = good.children
    row = score_bytes(scorer, "<b>mine</b>.jpg", content)
    assert isinstance(picture, widgets.Image) and text.value == panel.sentence(row)
    assert "<b>undecided</b>" in text.value and f"it leans {row['leans']}" in text.value
    assert "Why there is no decision: undecided: " in text.value
    decided = panel.sentence(row | {"decision": "real", "probability": 0.25})
    assert "<b>real</b>, probability of synthetic 0.250" in decided and "Why not to trust it" in decided
    assert "&lt;b&gt;mine" in text.value and "quick run" in text.value
    assert bad.children[0].value == "<b>words.txt</b> could not be scored: not an image"
