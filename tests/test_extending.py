"""docs/extending.md is true: each of its five changes is made as written there, through the registries, and does what it says."""

import dataclasses
import re
import sys
import types

import keras
import numpy as np
import pandas as pd
import pytest
from support import PROJECT, finish, refused

import lib.data.source
from lib import study
from lib.data.images import degrade
from lib.data.images.views import View
from lib.data.source import listing, manifest, sources
from lib.metrics import comparison, evaluation, measures, robustness
from lib.model import network, pooling
from lib.model.backbone import build_backbone
from lib.model.training import heads
from lib.model.use import explanation
from lib.study import recipes, results, steps
from lib.study.pretrained import resolve
from lib.study.recipes import RECIPES

MODULES = {
    "lib/study/recipes.py": recipes,
    "lib/model/pooling.py": pooling,
    "lib/model/training/heads.py": heads,
    "lib/data/source/sources.py": sources,
    "lib/metrics/measures.py": measures,
    "lib/data/images/degrade.py": degrade,
    "lib/study/results.py": results,
    "lib/study/steps.py": steps,
}


def section(title):
    """The code blocks of a section, as (file that the first line names, code)."""
    text = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
    (part,) = [part for part in text.split("\n## ")[1:] if part.startswith(title)]
    return [(re.match(r"# (\S+?\.py)", code)[1], code) for code in re.findall(r"```python\n(.*?)```", part, re.S)]


def carry_out(code, module, monkeypatch, **more):
    """Run a code block as if it stood in a module, whose own names come back after the test."""
    names = {**vars(module), **more}
    exec(compile(code, "docs/extending.md", "exec"), names)
    for name, thing in names.items():
        if name not in more and not name.startswith("__") and vars(module).get(name) is not thing:
            monkeypatch.setattr(module, name, thing, raising=False)
    return names


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What a test registers is forgotten after it."""
    for registry in (pooling.POOLINGS, heads.HEADS, degrade.DEGRADATIONS, sources.KINDS, manifest.LOCATIONS):
        monkeypatch.setattr(registry, "_things", dict(registry._things))
    for table in (recipes.CHOICES, measures._OF_SCORES):
        for name, value in table.items():
            monkeypatch.setitem(table, name, value)
        # setitem puts back what was there; what is new goes here.
    known = set(measures._OF_SCORES)
    yield
    for name in set(measures._OF_SCORES) - known:
        del measures._OF_SCORES[name]


def test_every_section_changes_two_files_of_lib_at_most():
    text = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
    titles = [part.splitlines()[0] for part in text.split("\n## ")[1:]]
    assert len(titles) == 5
    for title in titles:
        files = {file for file, _ in section(title)} - (
            {"lib/model/training/heads.py"} if "pooling" in title else set()
        )
        assert 1 <= len(files) <= 2, title


def test_a_pooling_and_a_head(monkeypatch):
    with pytest.raises(ValueError, match="pooling is 'maximum', expected 'average', "):
        dataclasses.replace(RECIPES["tuned"], pooling="maximum")
    for file, code in section("A pooling or a head"):
        carry_out(code, MODULES[file], monkeypatch)
    recipe = dataclasses.replace(RECIPES["tuned"], pooling="maximum", head="centroid", image_size=64, views=0)
    backbone = build_backbone(resolve("efficientnet-lite0"))
    extract = pooling.pooled(backbone, recipe)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 64, 64, 3)).astype("float32")
    activation = keras.Model(backbone.input, backbone.outputs[-1])(images, training=False)
    features = np.asarray(extract(images))
    np.testing.assert_allclose(features, np.asarray(activation).max(axis=(1, 2)), rtol=1e-5)
    labels = np.arange(16) % 2
    head, history = heads.train_head(features, [features], labels, features, labels, recipe, seed=0)
    assert history["val_roc_auc"].iloc[0] > 0.9  # of the images that it started from
    detector = network.assemble(backbone, head, recipe)
    assert network.with_features(detector).output_shape == (None, 1 + 1280)
    maps = explanation.explain(detector, images[:2])
    assert maps.contributions.shape == (2, 1, 8, 8)
    # All that comes from features is laid out over the picture: adding it up gives the logit but for a constant.
    rest = maps.logit - maps.contributions.mean(axis=(1, 2, 3))
    assert rest[0] == pytest.approx(rest[1], abs=1e-3)
    said = refused_name(pooling.POOLINGS, "median")
    assert said.startswith("pooling 'median': expected one of ") and "average" in said and "maximum" in said


def refused_name(registry, name):
    with pytest.raises(ValueError) as found:
        registry[name]
    return str(found.value)


def test_a_kind_of_source(monkeypatch, tmp_path, own_home, folder_of_images):
    folder_of_images(3).rename(tmp_path / "set_2")
    (file, code), (_, line) = section("A kind of source")
    assert file.startswith("lib/data/source/") and file not in MODULES
    laboratory = types.ModuleType("lib.data.source.laboratory")
    exec(compile(code, "docs/extending.md", "exec"), vars(laboratory))
    monkeypatch.setitem(sys.modules, laboratory.__name__, laboratory)
    monkeypatch.setattr(lib.data.source, "laboratory", laboratory, raising=False)
    stand_ins = sources.KINDS._things.pop("standin")
    carry_out(line, sources, monkeypatch)
    sources.KINDS.register("standin", stand_ins)
    assert sources.find_source("2").stand_in
    monkeypatch.setenv("LABORATORY", str(tmp_path))
    found = sources.find_source("2")
    assert found.words == "photographs of the laboratory" and len(listing.image_files(found)) == 6
    assert sources.find_source("1").stand_in
    # And its location is one that the manifest may hold.
    rows = (PROJECT / "data_manifest.csv").read_text(encoding="utf-8").splitlines()
    mine = [row.replace(",standin:,", ",laboratory:faces,") for row in rows if row.startswith("2,")]
    assert len(mine) == 2
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join([*rows, *mine]), encoding="utf-8")
    assert "laboratory:faces" in set(manifest.read_manifest(path)["location"])
    path.write_text(path.read_text().replace("laboratory:faces", "laboratory:/"))
    assert "laboratory:<set>, with / and without .." in refused(manifest.read_manifest, path)


def test_a_measure_with_its_interval(monkeypatch):
    ((_, code),) = section("A measure")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    scored = pd.DataFrame({"y": y, "score": (0.3 * y + rng.random(60)) / 1.3, "group": np.arange(60) // 2})
    before = evaluation.intervals(scored)
    carry_out(code, measures, monkeypatch)
    found = evaluation.intervals(scored)
    assert set(found) - set(before) == {"gini"}
    auc = found["roc_auc"]
    assert found["gini"].value == pytest.approx(2 * auc.value - 1)
    # Of the same resamples, hence the interval of the AUC on another scale.
    assert (found["gini"].low, found["gini"].high) == pytest.approx((2 * auc.low - 1, 2 * auc.high - 1))
    monkeypatch.setattr(robustness, "MEASURES", measures.TABLE_MEASURES)
    monkeypatch.setattr(comparison, "RANKINGS", ["roc_auc", "gini"])
    names = {"trained_on": "a", "recipe": "tuned", "stage": "full", "tested_on": "b", "overlap_removed": 0}
    (row,) = comparison.transfer_rows(y, scored["score"], None, {"balanced": 0.5}, **names, resamples=50)
    assert {"gini", "gini_low", "gini_high"} <= set(row)
    table = scored.assign(image_id=[f"i{number}" for number in range(60)], degradation="none", level=np.nan)
    read = robustness.robustness_table(table, {"balanced": 0.5}, "balanced")
    assert {"gini", "gini_low", "gini_high", "recall_real"} <= set(read)


def test_a_degradation(monkeypatch):
    ((_, code),) = section("A degradation")
    carry_out(code, degrade, monkeypatch)
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3)).astype("uint8")
    assert len(np.unique(View("crop", 64, degradation="posterise 3").apply(image, "key"))) == 8
    assert degrade.units()["posterise"] == "bits a channel"
    from lib.model.use import robustness as scored

    run = study.open_run(dataset="1")
    assert ("posterise", 5.0) in scored.degradations(run) and ("posterise", 3.0) in scored.degradations(run)
    # Training does not use it.
    views = {degrade.degrade_at_random(image, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert degrade.degrade(image, "posterise", 3, None).tobytes() not in views


def test_another_file_of_results(monkeypatch, own_home):
    (_, methods), (_, outputs) = section("Another layout")
    names = carry_out(methods, results, monkeypatch)
    for name in ("write_remark", "remark"):
        monkeypatch.setattr(results.Results, name, names[name], raising=False)
    step = next(step for step in steps.STEPS if step.notebook == "06_robustness")
    asked = carry_out(outputs, steps, monkeypatch)["OUTPUTS"]
    changed = tuple(dataclasses.replace(one, outputs=asked) if one is step else one for one in steps.STEPS)
    monkeypatch.setattr(results, "STEPS", changed)
    run = study.open_run(dataset="1")
    finish(run)
    assert "run notebook 06_robustness" in refused(run.remark)
    run.write_remark("Glasses are taken for traces.")
    assert run.remark() == "Glasses are taken for traces."
    assert "remark.txt" in {path.name for path in run.files()}
    run.outdate("04_threshold_analysis")
    assert not (run.recipe_folder / "remark.txt").exists()


def test_the_page_names_what_is_registered_where():
    text = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(lib/[\w/]+\.py)`", text):
        assert (PROJECT / name).is_file() or name == "lib/data/source/laboratory.py", name
