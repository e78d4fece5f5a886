"""Keys of what is kept follow from the code that made it, from all that it imports, and from the libraries."""

import dataclasses
from importlib import metadata

import pytest
from support import PROJECT

import run_all
from lib import study
from lib.data.images.views import View
from lib.model import engine, features, scores
from lib.model.training import trials
from lib.model.training.stages import _stage_key
from lib.study import code_hash
from lib.study.code_hash import closure, notebook_imports


@pytest.fixture
def keys(trained_run):
    """Name to a function that gives the key of one kind of what is kept."""
    images = trained_run.used_images()
    trial = trials.Trial("", trained_run.recipe, "full", 7)
    backbone = dataclasses.replace(trained_run, backbone="efficientnet-lite0")
    step = {step.notebook[:2]: step for step in study.STEPS}
    return {
        "features": lambda: str(features._features_folder("kind", 3, View("crop"))),
        "engine": lambda: str(engine._converted_path("model")),
        "stage": lambda: _stage_key(trained_run, "full", ""),
        "trial": lambda: trials.trial_key(backbone, trial, images),
        "scores": lambda: scores.scores_key(trained_run.model_path("full"), trained_run.recipe, images),
        "notebook 02": lambda: run_all._source(step["02"]),
        "notebook 04": lambda: run_all._source(step["04"]),
    }


EVERYTHING = {"features", "engine", "stage", "trial", "scores", "notebook 02", "notebook 04"}
DEPENDS = {
    "model/network.py": EVERYTHING,
    "model/pooling.py": EVERYTHING,
    # A saved model has its whole backbone in its file.
    "model/backbone.py": EVERYTHING - {"scores", "notebook 04"},
    "model/engine.py": EVERYTHING,
    "model/features.py": EVERYTHING,
    "data/images/decode.py": EVERYTHING,
    "data/images/views.py": EVERYTHING,
    "data/images/degrade.py": EVERYTHING,
    "model/scores.py": EVERYTHING - {"features", "engine"},
    "model/training/fitting.py": {"stage", "trial", "notebook 02"},
    "model/training/stages.py": {"stage", "trial", "notebook 02"},
    "metrics/delong.py": {"stage", "trial", "notebook 02", "notebook 04"},
    "model/training/trials.py": {"trial"},
    "model/use/detector.py": {"notebook 02", "notebook 04"},
    # How results are laid out is no part of what a network computes.
    "study/results.py": EVERYTHING - {"features", "engine"},
    "report/page.py": set(),
    "data/omnigen/plan.py": set(),
}


@pytest.mark.parametrize("changed", DEPENDS)
def test_exactly_what_depends_on_a_changed_module_gets_another_key(changed, keys, change_code):
    before = {name: key() for name, key in keys.items()}
    assert before == {name: key() for name, key in keys.items()}
    change_code(changed, "\nchanged = True\n")
    assert {name for name, key in keys.items() if key() != before[name]} == DEPENDS[changed]


@pytest.mark.parametrize(
    "library", ["keras", "tensorflow", "openvino", "opencv-python-headless", "pillow", "simplejpeg", "numpy"]
)
def test_another_version_of_a_library_gives_everything_another_key(library, keys, monkeypatch):
    before = {name: key() for name, key in keys.items()}
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0" if name.lower() == library else version(name))
    assert {name for name, key in keys.items() if key() != before[name]} == EVERYTHING


def test_words_about_the_code_change_no_key(keys, change_code):
    before = {name: key() for name, key in keys.items()}
    path = change_code("model/network.py", "\n# A comment.\n")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"""The study', '"""Our study'), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    assert before == {name: key() for name, key in keys.items()}


def test_labels_groups_and_views_are_part_of_the_keys(trained_run, keys):
    images = trained_run.used_images()
    trial = trials.Trial("", trained_run.recipe, "full", 7)
    run = dataclasses.replace(trained_run, backbone="efficientnet-lite0")
    tables = [images, images.assign(group="one"), images.assign(label=images["label"][::-1].tolist())]
    assert len({trials.trial_key(run, trial, table) for table in tables}) == 3
    audit, stages = trained_run.audit(), set()
    for table in tables:
        trained_run.write_audit(table, trained_run.pairs(), audit)
        stages.add(keys["stage"]())
    assert len(stages) == 3
    view = scores.run_view(trained_run)
    views = [view, dataclasses.replace(view, size=96), dataclasses.replace(view, scale=(100, 100, 100))]
    assert len({scores.scores_key(trained_run.model_path("full"), each, images) for each in views}) == 3


def test_imports_are_followed_into_functions_packages_and_notebooks():
    found = {path.relative_to(PROJECT).as_posix() for path in closure("lib.model.features")}
    assert {
        "lib/__init__.py",
        "lib/model/__init__.py",
        "lib/data/images/views.py",
        "lib/data/images/degrade.py",
    } <= found
    assert "lib/model/training/stages.py" not in found and "lib/study/results.py" not in found
    for step in (*study.STEPS, *study.EXPERIMENTS.values(), study.GENERATE):
        assert "lib.study" in notebook_imports(step.source) or step is study.GENERATE
    with pytest.raises(ValueError, match=r"lib\.nowhere"):
        code_hash.code_hash("lib.nowhere")
