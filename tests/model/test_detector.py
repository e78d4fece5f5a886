"""A detector's folder: complete, read back as written, refused where anything is missing, changed or of another version."""

import dataclasses
import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from support import complaints, refused

from lib import study
from lib.metrics import calibration
from lib.model.scores import run_files
from lib.model.use import detector
from lib.model.use.detector import Statistics, find_detector, read_detector, unfinished_detector, write_elsewhere


def rewrite(path, change, seal=True):
    """Changes a JSON file, with its own hash made right again or not."""
    content = json.loads(path.read_text(encoding="utf-8"))
    old = content.pop("sha256")
    change(content)
    content["sha256"] = study.text_hash(content) if seal else old
    path.write_text(json.dumps(content), encoding="utf-8")


def test_what_was_written_is_read_back(scored_run, written_folder):
    found = read_detector(written_folder)
    chosen = scored_run.thresholds()["stages"]["full"]
    assert {name: found.threshold(name) for name in found.policies} == {
        name: content["threshold"] for name, content in chosen.items()
    }
    calibrated = scored_run.calibration()["stages"]["full"]
    scores = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    method = calibrated["recommended"]
    expected = scores if method == "uncalibrated" else calibration.from_dict(calibrated["methods"][method])(scores)
    np.testing.assert_array_equal(found.probabilities(scores), expected)
    assert (found.view.kind, found.view.size) == (scored_run.recipe.view, 64)
    assert found.elsewhere == {}
    known = found.training
    assert known["images"] == {split: {"real": 12, "synthetic": 12} for split in study.SPLITS}
    assert known["formats"] == {"JPEG": 72} and known["jpeg_quality"] == {"least": 80, "median": 84.0, "most": 89}
    assert known["shorter_side"] == {"least": 80, "median": 80.0, "most": 80}
    assert known["test"]["roc_auc"] == scored_run.metrics()["stages"]["full"]["test"]["roc_auc"]
    assert "noise for a test" in found.describe() and "trained on 24 images" in found.describe()


def test_detector_json_is_as_its_schema_says(written_folder):
    content = json.loads((written_folder / "detector.json").read_text(encoding="utf-8"))
    assert complaints("detector", content) == []
    assert complaints("detector", {**content, "schema": 1}) != []
    assert complaints("elsewhere", {"schema": 2, "model_sha256": "", "tested_on": {}, "sha256": "0" * 64}) == []


@pytest.mark.parametrize("method", [*calibration.METHODS, "uncalibrated"])
def test_every_calibration_is_applied_from_its_numbers(detector_folder, method):
    scores = np.linspace(0.01, 0.99, 40)
    labels = (np.random.default_rng(0).uniform(size=40) < scores**2).astype(int)
    fitted = {"uncalibrated": lambda values: values, **calibration.fit_all(labels, scores)}[method]
    numbers = {"method": method} if method == "uncalibrated" else fitted.to_dict()
    rewrite(detector_folder / "detector.json", lambda content: content.update(calibration=numbers))
    np.testing.assert_array_equal(read_detector(detector_folder).probabilities(scores), fitted(scores))


@pytest.mark.parametrize("name", ["full.keras", "training_features.npz", "detector.json"])
def test_a_missing_or_changed_file_is_refused(detector_folder, name):
    data = (detector_folder / name).read_bytes()
    (detector_folder / name).unlink()
    text = refused(read_detector, detector_folder)
    assert name in text and "missing" in text and "notebook 04" in text
    changed = (
        data.replace(b"temperature", b"Temperature") if name == "detector.json" else data[:-1] + bytes([data[-1] ^ 1])
    )
    if changed == data:
        changed = data.replace(b"uncalibrated", b"Uncalibrated")
    (detector_folder / name).write_bytes(changed)
    text = refused(read_detector, detector_folder)
    assert name in text and "sha256 differs" in text and "notebook 04" in text


def test_a_changed_threshold_is_refused(detector_folder):
    def lower(content):
        content["thresholds"]["balanced"]["threshold"] = 0.01

    rewrite(detector_folder / "detector.json", lower, seal=False)
    assert "was changed after it was written" in refused(read_detector, detector_folder)


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda content: content.update(schema=1), "version 1, this program reads version 2"),
        (lambda content: content.pop("calibration"), "must contain ['calibration']"),
        (lambda content: content.update(calibration={"method": "magic"}), "calibration.method must be one of"),
        (lambda content: content.update(calibration={"method": "platt"}), "calibration 'platt' has []"),
        (lambda content: content["thresholds"]["balanced"].pop("threshold"), "must contain ['threshold']"),
        (lambda content: content.pop("training"), "must contain ['training']"),
        (lambda content: content["training"]["images"].pop("train"), "must contain ['train']"),
        (lambda content: content.pop("files"), "must contain ['files']"),
        (lambda content: content["files"].update({"../other": "0" * 64}), "does not say which files"),
        (lambda content: content.update(model="partial.keras"), "does not say which files"),
        (lambda content: content.update(model="../full.keras"), "model must match pattern"),
        (lambda content: content["preprocessing"].update(view="magic"), "preprocessing.view must be one of"),
        (
            lambda content: content["preprocessing"].update(image_size=-5),
            "image_size must be bigger than or equal to 32",
        ),
        (lambda content: content["preprocessing"].update(image_size=10**9), "image_size must be smaller than or equal"),
        (lambda content: content["preprocessing"].update(image_size="64"), "image_size must be integer, found '64'"),
        (lambda content: content["preprocessing"].update(image_size=True), "image_size must be integer, found True"),
        (lambda content: content["preprocessing"].update(scale=[9, 5, 1]), "three numbers that do not fall"),
        (
            lambda content: content["thresholds"]["fixed"].update(threshold="0.5"),
            "threshold must be number, found '0.5'",
        ),
        (lambda content: content["thresholds"]["fixed"].update(threshold=True), "threshold must be number, found True"),
        (lambda content: content["thresholds"]["fixed"].update(threshold=None), "threshold must be number, found None"),
        (lambda content: content["thresholds"]["fixed"].update(threshold=float("nan")), "the number 'NaN'"),
        (lambda content: content["thresholds"]["fixed"].update(threshold=float("inf")), "the number 'Infinity'"),
        (
            lambda content: content["thresholds"]["fixed"].update(threshold=7.0),
            "threshold must be smaller than or equal",
        ),
        (
            lambda content: content["thresholds"]["fixed"]["band"].update(low=0.9, high=0.1),
            "ends at 0.1 before it begins",
        ),
        (lambda content: content["training"]["images"]["train"].update(real=10**30), "less than 18 digits"),
        (lambda content: content["training"].update(name="\ud800"), "surrogates not allowed"),
        (lambda content: content["training"].update(name="x" * 2**21), "expected at most 1,048,576"),
        (lambda content: content["training"].update(quick="x" * 2**19), "quick must be boolean, found 'xxxx"),
    ],
)
def test_content_that_cannot_be_used_is_refused_in_one_line(detector_folder, change, says):
    rewrite(detector_folder / "detector.json", change)
    text = refused(read_detector, detector_folder)
    assert says in text and "detector.json" in text and len(text) < 1000


def test_fields_of_a_later_version_are_no_reason_to_refuse(detector_folder):
    rewrite(detector_folder / "detector.json", lambda content: content["training"].update(more="of it"))
    assert read_detector(detector_folder).training["more"] == "of it"


def with_file(folder, name, data):
    """Puts a file into a detector's folder, with the right hashes."""
    (folder / name).write_bytes(data)
    new = study.file_hash(folder / name)
    rewrite(folder / "detector.json", lambda content: content["files"].update({name: new}))


def statistics(**changes):
    arrays = {"mean": np.zeros(1280, "f4"), "scale": np.ones(1280, "f4"), "limit": 1.0, "average_map": np.zeros((2, 2))}
    file = io.BytesIO()
    np.savez_compressed(file, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"mean": None}, "mean is not a file in the archive"),
        ({"mean": np.zeros(5, "f4")}, "expected (n,), (n,), () and (side, side)"),
        ({"limit": np.ones(3)}, "expected (n,), (n,), () and (side, side)"),
        ({"limit": np.nan}, "limit: expected finite numbers, above 0"),
        ({"scale": np.zeros(1280, "f4")}, "scale: expected finite numbers, above 0"),
        ({"mean": np.full(1280, np.inf, "f4")}, "mean: expected finite numbers"),
        ({"mean": np.full(1280, "text")}, "mean: expected finite numbers"),
        ({"average_map": np.zeros((4000, 4000))}, "unpacks to"),
    ],
)
def test_statistics_that_cannot_be_used_are_refused_in_one_line(detector_folder, changes, says):
    with_file(detector_folder, "training_features.npz", statistics(**changes))
    text = refused(read_detector, detector_folder)
    assert says in text and "training_features.npz" in text


def test_statistics_of_another_network_are_refused_before_the_first_picture(detector_folder):
    five = {"mean": np.zeros(5, "f4"), "scale": np.ones(5, "f4")}
    with_file(detector_folder, "training_features.npz", statistics(**five))
    text = refused(read_detector(detector_folder).engine)
    assert "training_features.npz: describes 5 features, but full.keras has 1,280" in text


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            with made.open(name.replace("_", "."), "w") as target:
                for part in data:
                    target.write(part)
    return file.getvalue()


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "is no whole zip file"),
        (b"PK" * 100, "is no whole zip file"),
        (archive(config_json=[b" " * 2**20] * 600), "unpacks to"),
        (archive(config_json=[b" " * 2**20] * 30), "'config.json' has 31,457,280 bytes"),
        (archive(metadata_json=[b"{}"]), "model.weights.h5"),
        (archive(config_json=[b"[" * 10**5], model_weights_h5=[b"x"]), "no HDF5 file"),
    ],
)
def test_a_network_that_cannot_be_read_is_refused_in_one_line(detector_folder, data, says):
    with_file(detector_folder, "full.keras", data)
    text = refused(lambda: read_detector(detector_folder).engine())
    assert says in text and "full.keras" in text and len(text) < 600


def test_a_network_of_layers_that_fill_the_memory_is_refused(detector_folder):
    path = detector_folder / "full.keras"
    with zipfile.ZipFile(path) as made:
        members = {name: made.read(name) for name in made.namelist()}
    wide = members["config.json"].replace(b'"filters": 1280', b'"filters": 1280000000')
    assert wide != members["config.json"]
    with zipfile.ZipFile(path, "w") as made:
        for name, data in {**members, "config.json": wide}.items():
            made.writestr(name, data)
    with_file(detector_folder, "full.keras", path.read_bytes())
    assert "a layer has 1280000000 filters" in refused(read_detector(detector_folder).engine)


def test_a_file_of_many_gigabytes_is_refused_before_it_is_read(detector_folder):
    with (detector_folder / "full.keras").open("r+b") as file:
        file.truncate(2**42)
    assert "full.keras: holds 4,398,046,511,104 bytes" in refused(read_detector, detector_folder)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", "\udcff", "[" * 10**5, '{"a":' * 10**5, "null", "true", '{"schema": true}']
)
def test_what_is_no_json_is_refused(detector_folder, text):
    (detector_folder / "detector.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    refused(read_detector, detector_folder)


def test_statistics_that_hold_a_pickle_are_refused(detector_folder):
    path = detector_folder / "training_features.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "mean": np.array([{"a": 1}], dtype=object)})
    new = study.file_hash(path)
    rewrite(detector_folder / "detector.json", lambda content: content["files"].update({path.name: new}))
    assert "cannot be used" in refused(read_detector, detector_folder)


def test_a_folder_of_models_alone_is_refused_and_told_what_to_do(detector_folder):
    (detector_folder / "detector.json").unlink()
    assert "thresholds, calibration" in refused(read_detector, detector_folder)
    assert "no folder" in refused(read_detector, detector_folder / "full.keras")


def test_unlikeness_is_the_mean_squared_z_score_over_its_limit():
    found = Statistics(np.array([0.0, 1.0], "float32"), np.array([1.0, 2.0], "float32"), 2.0, np.zeros((1, 1)))
    # z-scores (2, 0), (1, 1), (0, 0).
    np.testing.assert_allclose(found.unlikeness(np.array([[2, 1], [1, 3], [0, 1]], "float32")), [1.0, 0.5, 0.0])


def test_the_limit_leaves_out_one_validation_image_in_a_hundred(scored_run, written_folder):
    found = read_detector(written_folder)
    images = scored_run.used_images()
    features = {}
    for split, rows in images.groupby("split"):
        views = np.stack([found.view.apply(file.read(), "") for file in run_files(scored_run, rows)])
        features[split] = found.engine()(views)[:, 1:].copy()
    stored = found.statistics
    np.testing.assert_allclose(stored.mean, features["train"].mean(axis=0), rtol=1e-3, atol=1e-4)
    deviations = features["train"].std(axis=0)
    expected = np.maximum(np.hypot(deviations, 0.1 * np.median(deviations)), 1e-3)
    np.testing.assert_allclose(stored.scale, expected, rtol=2e-2)
    assert np.quantile(stored.unlikeness(features["validation"]), 0.99) == pytest.approx(1, rel=1e-3)
    ramp = np.broadcast_to(np.linspace(0, 255, 64)[:, None, None], (1, 64, 64, 3)).astype("uint8")
    assert stored.unlikeness(found.engine()(ramp)[:, 1:]) > 1.5


def changed(found, elsewhere=None, **training):
    thresholds = {
        name: {**content, "why": "", "too_few": "", "band": {**content["band"], "why": ""}}
        for name, content in found.content["thresholds"].items()
    }
    content = {**found.content, "thresholds": thresholds, "training": {**found.training, **training}}
    return dataclasses.replace(found, content=content, elsewhere=elsewhere or {})


def test_warnings_say_why_no_score_is_to_be_trusted(written_folder):
    found = read_detector(written_folder)
    good, chance = {"value": 0.9, "low": 0.8, "high": 0.95}, {"value": 0.55, "low": 0.5, "high": 0.6}
    fine = {"quick": False, "test": {"roc_auc": good}}
    assert set(changed(found, **fine).warnings("fixed")) == set()
    assert set(changed(found, **{**fine, "quick": True}).warnings("fixed")) == {"quick"}
    assert set(changed(found, **fine, stand_in=True).warnings("fixed")) == {"stand_ins"}
    assert set(changed(found, **fine, warning="sizes tell").warnings("fixed")) == {"shortcut"}
    at_chance = changed(found, quick=False, test={"roc_auc": chance}).warnings("fixed")
    assert set(at_chance) == {"at_chance"} and "0.550 [0.500, 0.600]" in at_chance["at_chance"]
    row = {"source": "", "images": 9, "policies": {}, "control": False}
    others = {"a": {**row, "roc_auc": chance}, "b": {**row, "roc_auc": good}}
    others["control"] = {**row, "roc_auc": chance, "control": True}
    elsewhere = changed(found, others, **fine).warnings("fixed")
    assert set(elsewhere) == {"chance_elsewhere"} and "a (AUC 0.550" in elsewhere["chance_elsewhere"]
    assert "control" not in elsewhere["chance_elsewhere"] and "b (" not in elsewhere["chance_elsewhere"]
    of_policy = changed(found, **fine)
    of_policy.content["thresholds"]["best_f1"]["why"] = "calls nearly everything synthetic"
    assert set(of_policy.warnings("best_f1")) == {"one_class"} and not of_policy.warnings("fixed")
    of_policy = changed(found, **fine)
    of_policy.content["thresholds"]["fpr_1"]["too_few"] = "cannot be set on 24 real images"
    assert set(of_policy.warnings("fpr_1")) == {"too_few_real"}
    of_policy = changed(found, **fine)
    of_policy.content["thresholds"]["fpr_1"]["band"]["why"] = "no band leaves an error of at most 5%"
    assert set(of_policy.warnings("fpr_1")) == {"error_not_reached"} and not of_policy.warnings("fixed")


def comparison(run, **rows):
    interval = {"roc_auc": 0.7, "roc_auc_low": 0.6, "roc_auc_high": 0.8}
    recalls = {f"recall_{label}{end}": 0.5 for label in study.LABELS for end in ("", "_low", "_high")}
    names = {"trained_on": run.name, "recipe": run.recipe.name, "stage": "full", "images": 20, "policy": "balanced"}
    return pd.DataFrame([{**names, **interval, **recalls, "tested_on": name, **more} for name, more in rows.items()])


def test_what_it_gave_elsewhere_is_kept_beside_it_and_belongs_to_that_model(scored_run, detector_folder, monkeypatch):
    monkeypatch.setattr(study.Run, "model_folder", property(lambda run: detector_folder))
    others = [dataclasses.replace(scored_run, name=name) for name in ("other", "third")]
    for other in others:
        other.write_audit(scored_run.images(), scored_run.pairs(), scored_run.audit())
    runs = [scored_run, others[0]]
    table = comparison(scored_run, small={}, other={}, unknown={}, third={"stage": "phase1"})
    write_elsewhere([scored_run], comparison(scored_run, small={}))
    assert not (detector_folder / "elsewhere.json").exists()
    write_elsewhere(runs, table)
    found = read_detector(detector_folder).elsewhere
    assert set(found) == {"other"} and found["other"]["roc_auc"] == {"value": 0.7, "low": 0.6, "high": 0.8}
    # A comparison of fewer, later: what is known is kept, and renewed where it is there.
    again = comparison(scored_run, third={"roc_auc_low": np.nan}, other={"images": 7})
    write_elsewhere([*runs, others[1]], again)
    found = read_detector(detector_folder).elsewhere
    assert set(found) == {"other", "third"} and found["other"]["images"] == 7
    assert found["third"]["roc_auc"]["low"] is None
    rewrite(detector_folder / "elsewhere.json", lambda content: content.update(model_sha256="another"))
    assert read_detector(detector_folder).elsewhere == {}
    rewrite(detector_folder / "elsewhere.json", lambda content: content.update(tested_on=[1]))
    assert "elsewhere.json: cannot be used (tested_on must be object" in refused(read_detector, detector_folder)
    rewrite(detector_folder / "elsewhere.json", lambda content: content.update(tested_on={}))
    rewrite(detector_folder / "elsewhere.json", lambda content: content.update(model_sha256="that"), seal=False)
    assert "delete it" in refused(read_detector, detector_folder)


def test_a_detector_of_an_earlier_version_stops_no_comparison(scored_run, detector_folder, monkeypatch):
    monkeypatch.setattr(study.Run, "model_folder", property(lambda run: detector_folder))
    content = json.loads((detector_folder / "detector.json").read_text(encoding="utf-8"))
    content.pop("sha256")
    old = {**content, "schema": 1}
    (detector_folder / "detector.json").write_text(json.dumps({**old, "sha256": study.text_hash(old)}))
    (said,) = write_elsewhere([scored_run], comparison(scored_run, other={}))
    assert "The detector of small (original) is not told" in said and "is of version 1" in said
    assert not (detector_folder / "elsewhere.json").exists()


def test_a_detector_in_memory_is_the_one_that_would_be_written(scored_run, written_folder):
    made, read = unfinished_detector(scored_run, "full"), read_detector(written_folder)
    assert made.content["thresholds"] == read.content["thresholds"]
    assert made.content["calibration"] == read.content["calibration"]
    np.testing.assert_array_equal(made.statistics.average_map, read.statistics.average_map)


def test_the_only_detector_is_found_and_of_several_one_must_be_named(own_home, written_folder):
    assert "run_all.py --dataset 1" in refused(find_detector)
    models = own_home / "models"
    shutil.copytree(written_folder, models / "quick" / "one" / "tuned")
    assert find_detector().folder == models / "quick" / "one" / "tuned"
    shutil.copytree(written_folder, models / "one" / "tuned")
    assert find_detector().folder == models / "one" / "tuned"
    assert "did you mean" in refused(find_detector, str(models / "one"))
    shutil.copytree(written_folder, models / "two" / "tuned")
    text = refused(find_detector)
    assert str(models / "one" / "tuned") in text and str(models / "two" / "tuned") in text
    assert find_detector(str(models / "two" / "tuned")).folder == models / "two" / "tuned"


def test_files_of_the_detector_are_those_that_a_run_is_asked_for():
    assert (detector.CONTENT, detector.STATISTICS) == study.DETECTOR_FILES
