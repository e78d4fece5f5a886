"""A made-up results folder as finished runs leave it, with hostile names in it, and its report."""

import dataclasses

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat import v4
from PIL import Image
from support import finish, finish_stages

from lib import report, study
from lib.metrics import comparison, evaluation, robustness

HOSTILE = [
    "<script>alert(1)</script>.png",
    '" onerror="alert(2)" x="é.png',
    "</script><img src=x onerror=alert(3)>.jpg",
    "{{ 7 * 7 }}.png",
]
FIGURES = {
    True: (
        "roc",
        "scores",
        "confusion",
        "reliability",
        "robustness",
        "phase1_curves",
        "errors_most_certain",
        "mine_own",
    ),
    False: ("samples", "split"),
}


def save_figures(run):
    for per_recipe, names in FIGURES.items():
        folder = (run.recipe_folder if per_recipe else run.folder) / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            Image.new("RGBA", (200, 80), (0, 120, 180, 200)).save(folder / f"{name}.png")


def save_notebook(path):
    """An executed notebook whose outputs would like to run and to load things."""
    panel = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "VBox()"}
    outputs = [
        v4.new_output("display_data", {"text/html": "<style>p {}</style><table><tr><td>cell</td></tr></table>"}),
        v4.new_output(
            "display_data",
            {
                "text/html": '<script src="https://example.org/a.js"></script><img src="https://example.org/a.png" onerror="alert(4)">'
            },
        ),
        v4.new_output("display_data", {"application/javascript": "alert(5)"}),
        v4.new_output("display_data", panel),
        v4.new_output(
            "display_data", {"text/markdown": "**What we see.** <iframe src='https://example.org'></iframe>"}
        ),
    ]
    cells = [
        v4.new_markdown_cell("# 2. A title & more\n\nA paragraph.", id="a"),
        v4.new_code_cell("SEED = 7  # as it stands\nOPTIONS = {}", metadata={"tags": ["parameters"]}, id="c"),
        v4.new_code_cell(
            'SEED = 7\nOPTIONS = {"data": "my <b>faces"}', metadata={"tags": ["injected-parameters"]}, id="d"
        ),
        v4.new_code_cell("1 < 2", outputs=outputs, id="b"),
        v4.new_code_cell("head.fit()", metadata={"tags": ["open-code"]}, id="f"),
        v4.new_markdown_cell("<details><summary>Answer</summary>\n\n**forty-two**\n\n</details>", id="e"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)


def hostile(run):
    """The run's image table with hostile paths among its test images and one file set aside."""
    images = run.images()
    images.loc[images.index[-len(HOSTILE) :], "path"] = HOSTILE
    images.loc[0, ["split", "issue", "path"]] = ["", "set aside: <b>unreadable</b>", "bad</td>.jpg"]
    images["format"] = "PNG"
    # Generators with the same hostile names.
    made = pd.Series([HOSTILE[n // 2 % 3] for n in range(len(images))], images.index)
    images["generator"] = made.where(images["label"] == "synthetic", "")
    audit = run.audit()
    audit |= {"used": len(images) - 1, "set_aside": 1}
    audit["shortcut"]["warning"] = "the files' outside alone tells the classes apart (AUC 0.91)"
    del audit["schema"]
    run.write_audit(images, run.pairs(), audit)
    finish_stages(run, images[images["split"] != ""], shift=-0.4)


def left_out():
    """A table of unseen generators with hostile names; the last one has too few images."""
    values = dict(zip(HOSTILE, (0.5, 0.7, np.nan)))
    cases = {"column": "generator", "value": list(values), "images": 20, "why": ["", "", "too few test images"]}
    table = pd.DataFrame(cases)
    for name in study.EXPERIMENT_COLUMNS["generators"][4:]:
        for ending, shift in (("", 0.0), ("_low", -0.125), ("_high", 0.125)):
            table[f"{name}{ending}"] = [value + shift for value in values.values()]
    return table


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """Results folder of dataset 1 by both recipes (stand-ins), own images with hostile names (at chance), and one audit."""
    results = tmp_path_factory.mktemp("my results é") / "results"
    tuned = study.open_run(dataset="1", results=str(results))
    original = dataclasses.replace(tuned, recipe=study.RECIPES["original"])
    own = study.open_run(data=str(results.parent / "faces & co"), name="my (faces)", results=str(results))
    audited = study.open_run(dataset="2", results=str(results))
    # The noise of these scores favours the synthetic images a little; less 0.4 it is at chance.
    for run, shift in ((tuned, 2.0), (original, 1.0), (own, -0.4)):
        finish(run, shift=shift, stand_in=run is not own)
        if run is own:
            hostile(own)
        run.record(seconds={"02_phase1_training": 1.5}, versions={"python": "3.11"}, weights="ImageNet weights")
        save_figures(run)
        save_notebook(run.recipe_folder / "02_phase1_training.ipynb")
    tuned.write_calibration(evaluation.calibrate(tuned.scored()))
    finish(audited, stand_in=True, evaluated=False)
    (audited.recipe_folder / "metrics.json").unlink()
    test = tuned.scored().query("stage == 'full' and split == 'test'")
    clean = test.assign(degradation="none", level=np.nan)
    blurred = clean.assign(degradation="blur", level=2.0, score=1 - clean["score"])
    limits = study.all_thresholds([tuned])["dataset_1", "tuned", "full"]
    tuned.write_robustness(robustness.robustness_table(pd.concat([clean, blurred]), limits))
    save_figures(tuned)
    turns = {"turn": ["a"], "what": ["none"], "stage": ["full"], "roc_auc": [0.9], "roc_auc_low": [0.8]}
    own.write_experiment("wrong_turns", pd.DataFrame({**turns, "roc_auc_high": [0.95], "degenerate": [True]}))
    own.write_experiment("generators", left_out())
    runs = study.finished_runs(results, results / "models", quick=False)
    scored = study.home_scores(runs)
    compared = study.with_warnings(comparison.compare(scored, study.all_thresholds(runs)), runs)
    study.write_comparison(results, compared, comparison.paired_by_test_set(scored)[0])
    return results


@pytest.fixture(scope="session")
def hostile_names():
    """File names that would run as markup, script or template."""
    return HOSTILE


@pytest.fixture(scope="session")
def page(made_up):
    """The written report."""
    return report.write(made_up)
