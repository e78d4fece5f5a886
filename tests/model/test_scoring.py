"""Scoring from the command line: the notebook's scores, its threshold and calibration; bad files reported, good ones scored."""

import base64
import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import study
from lib.data.images.pictures import read_picture
from lib.metrics import calibration, thresholds
from lib.model import scoring
from lib.model.use.case import CaseReport
from lib.model.use.detector import read_detector
from lib.model.use.scorer import COLUMNS, Scorer, Seen, score_bytes, score_pictures


@pytest.fixture(scope="module")
def scorer(written_folder):
    return Scorer(read_detector(written_folder))


def trusted(detector, band=None, **limits):
    """The detector as if it were better than chance, with no band (or this one), and with other limits of the pixels."""
    thresholds = {
        policy: {
            **found,
            "band": {**found["band"], "low": found["threshold"], "high": found["threshold"], **(band or {})},
        }
        for policy, found in detector.content["thresholds"].items()
    }
    training = {**detector.training, "test": {"roc_auc": {"value": 0.9, "low": 0.8, "high": 1.0}}}
    pixels = {**detector.content["pixels"], "least_fineness": 0.0, **limits}
    content = {**detector.content, "thresholds": thresholds, "training": training, "pixels": pixels}
    return dataclasses.replace(
        detector, content=content, statistics=dataclasses.replace(detector.statistics, limit=1e9)
    )


@pytest.fixture(scope="module")
def deciding(written_folder):
    return Scorer(trusted(read_detector(written_folder)))


@pytest.fixture
def paths(scored_run):
    """Paths of the run's test images, by image_id."""
    rows = scored_run.used_images().query("split == 'test'")
    return {row.image_id: scored_run_root(scored_run) / row.path for row in rows.itertuples()}


def scored_run_root(run):
    return Path(run.data)


@pytest.fixture
def pictures(tmp_path, paths):
    """A folder with four pictures under odd names, one below another folder, and what is no picture among them."""
    root = tmp_path / "my pictures é"
    (root / "more").mkdir(parents=True)
    names = ["a b.jpg", "日本 ü, with comma.jpg", "no ending", "more/a b.jpg"]
    for name, source in zip(names, paths.values()):
        shutil.copy(source, root / name)
    (root / "bad.png").write_text("not a picture")
    (root / "cut.jpg").write_bytes((root / "a b.jpg").read_bytes()[:900])
    (root / "notes.txt").write_text("words")
    return root


@pytest.fixture
def score(written_folder, tmp_path, monkeypatch, capsys):
    """Runs the command line in an empty folder; returns exit code, standard output and standard error."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*options, model=written_folder):
        code = scoring.main([*map(str, options), *(["--model", str(model)] if model else [])])
        return (code, *capsys.readouterr())

    return call


def test_scores_are_the_notebooks_and_probabilities_their_calibration(scored_run, deciding, paths):
    rows = pd.DataFrame(score_pictures(deciding, paths.values()))
    stored = scored_run.scored().set_index("image_id").loc[list(paths), "score"].to_numpy()
    np.testing.assert_allclose(rows["score"], stored, atol=2e-6)
    stage = scored_run.calibration()["stages"]["full"]
    method = stage["recommended"]
    fitted = calibration.from_dict(stage["methods"][method]) if method != "uncalibrated" else lambda scores: scores
    np.testing.assert_allclose(rows["probability"], fitted(stored), atol=1e-5)
    chosen = scored_run.thresholds()["stages"]["full"]["balanced"]["threshold"]
    assert set(rows["threshold"]) == {chosen} and set(rows["policy"]) == {"balanced"}
    called = np.where(thresholds.apply(chosen, rows["score"]) == 1, "synthetic", "real")
    np.testing.assert_array_equal(rows["decision"], called)
    np.testing.assert_array_equal(rows["leans"], called)
    assert rows["error"].isna().all() and list(rows.columns) == list(COLUMNS)


@pytest.mark.parametrize("why", ["stand_ins", "at_chance", "unlike", "near_threshold"])
def test_there_is_no_decision_and_no_probability_where_there_is_a_reason(deciding, paths, why):
    path = next(iter(paths.values()))
    before = next(score_pictures(deciding, [path]))
    detector, training = deciding.detector, deciding.detector.training
    if why == "stand_ins":
        detector = dataclasses.replace(
            detector, content={**detector.content, "training": {**training, "stand_in": True}}
        )
    elif why == "at_chance":
        test = {"roc_auc": {"value": 0.5, "low": 0.4, "high": 0.6}}
        detector = dataclasses.replace(detector, content={**detector.content, "training": {**training, "test": test}})
    elif why == "unlike":
        detector = dataclasses.replace(detector, statistics=dataclasses.replace(detector.statistics, limit=1e-9))
    else:
        detector = trusted(detector, {"low": before["score"], "high": before["score"] + 1e-9})
    row = next(score_pictures(Scorer(detector), [path]))
    assert (before["decision"], before["leans"]) == (before["leans"], row["leans"])
    assert row["decision"] == "undecided" and row["probability"] is None and row["score"] == before["score"]
    assert row["warnings"][0] == why and why not in before["warnings"] and row["why"].startswith("undecided: ")


def test_a_score_at_the_upper_end_of_the_band_is_decided(deciding, paths):
    path = next(iter(paths.values()))
    score = next(score_pictures(deciding, [path]))["score"]
    other = Scorer(trusted(deciding.detector, {"low": score - 0.1, "high": score}))
    assert next(score_pictures(other, [path]))["decision"] in ("real", "synthetic")


def test_a_row_says_of_which_bytes_by_which_model_and_when(scorer, paths, tmp_path):
    path = next(iter(paths.values()))
    (tmp_path / "words.jpg").write_text("words")
    good, bad = score_pictures(scorer, [path, tmp_path / "words.jpg"])
    assert good["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bad["sha256"] == hashlib.sha256(b"words").hexdigest() and bad["error"] == "not an image"
    files = scorer.detector.content["files"]
    for row in (good, bad):
        assert row["model_sha256"] == files["full.keras"] and row["model"].startswith("small/")
        assert datetime.fromisoformat(row["time"]).utcoffset() == timedelta(0)
        assert "study " in row["versions"] and "openvino " in row["versions"]


def test_pixels_outside_of_the_training_range_are_warned_of(deciding, paths):
    detector, path = deciding.detector, next(iter(paths.values()))
    assert detector.content["pixels"]["most_blocking"] is None
    smooth = next(score_pictures(Scorer(trusted(detector, least_fineness=2.0)), [path]))
    assert smooth["warnings"][0] == "upscaled" and smooth["decision"] != "undecided"
    blocks = next(score_pictures(Scorer(trusted(detector, most_blocking=0.1)), [path]))
    assert blocks["warnings"][0] == "recompressed"


def test_the_page_of_one_picture_is_escaped_and_complete(written_folder, paths, tmp_path):
    scorer = Scorer(read_detector(written_folder))
    picture = tmp_path / "a <img src=x> & 'b'.jpg"
    shutil.copy(next(iter(paths.values())), picture)
    target = tmp_path / "case.html"
    (row,) = score_pictures(scorer, [picture], report=CaseReport(scorer, target))
    text = target.read_text(encoding="utf-8")
    assert "<img src=x>" not in text and "a &lt;img src=x&gt; &amp; &#39;b&#39;.jpg" in text
    assert "<script" not in text and "http:" not in text and "https:" not in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    counts = scorer.detector.content["thresholds"]["balanced"]["test_confusion"]
    real = counts["true_real"] + counts["false_synthetic"]
    assert f"Of {real} real test images {counts['false_synthetic']} were wrongly called synthetic." in text
    for said in (row["sha256"], row["model_sha256"], row["time"], "Undecided", "no results on other data", "Proof"):
        assert said in text
    data = picture.read_bytes()
    assert base64.b64encode(data)[:200].decode() not in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".writing")] == []


def test_a_decision_on_the_page_has_its_probability(deciding, paths, tmp_path):
    (row,) = score_pictures(deciding, [next(iter(paths.values()))], report=CaseReport(deciding, tmp_path / "case.html"))
    text = (tmp_path / "case.html").read_text(encoding="utf-8")
    assert f"Called {row['decision']}" in text and "Probability of being synthetic" in text


def test_a_report_is_on_one_picture(score, pictures, tmp_path):
    code, out, err = score(pictures, "--report", tmp_path / "case.html")
    assert code == 2 and out == "" and err.count("\n") == 1 and "pictures given, expected one" in err
    code, _, err = score(pictures / "a b.jpg", "--report", tmp_path / "case.txt")
    assert code == 2 and "ends in .html" in err and err.count("\n") == 1
    code, _, _ = score(pictures / "bad.png", "--report", tmp_path / "case.html")
    assert code == 2 and not (tmp_path / "case.html").exists()
    code, _, err = score(pictures / "a b.jpg", "--report", tmp_path / "case.html")
    assert code == 0 and "case.html" in err and (tmp_path / "case.html").is_file()


def test_an_image_that_is_the_threshold_is_called_synthetic(scored_run, deciding):
    chosen = scored_run.thresholds()["stages"]["full"]["balanced"]["threshold"]
    row = scored_run.scored().query("split == 'validation' and score == @chosen").iloc[0]
    path = scored_run.images().set_index("image_id")["path"][row["image_id"]]
    found = next(score_pictures(deciding, [scored_run_root(scored_run) / path]))
    assert found["score"] == chosen and found["decision"] == "synthetic"


def test_every_policy_decides_by_its_own_threshold(deciding, paths):
    decided = set()
    for policy in deciding.detector.policies:
        other = Scorer(deciding.detector, policy)
        for row in score_pictures(other, list(paths.values())[:6]):
            assert row["decision"] == ("synthetic" if row["score"] >= deciding.detector.threshold(policy) else "real")
            decided.add(row["decision"])
    assert len(decided) == 2


def test_order_is_kept_over_batches_and_each_file_is_read_once(scorer, paths, tmp_path, monkeypatch):
    read = []

    def counted(path):
        read.append(path)
        return read_picture(path)

    monkeypatch.setattr("lib.model.use.scorer.AT_ONCE", 3)
    monkeypatch.setattr("lib.model.use.scorer.read_picture", counted)
    bad = tmp_path / "none.jpg"
    given = [bad, *paths.values(), bad]
    done = []
    rows = list(score_pictures(scorer, iter(given), on_progress=done.append))
    assert [row["path"] for row in rows] == [str(path) for path in given]
    assert sorted(read) == sorted(given) and sum(done) == len(given) and max(done) == 3
    assert [bool(row["error"]) for row in rows] == [path == bad for path in given]


def test_no_more_than_a_few_batches_are_taken_ahead(scorer, paths, monkeypatch):
    monkeypatch.setattr("lib.model.use.scorer.AT_ONCE", 2)
    taken, path = [], next(iter(paths.values()))

    def endless():
        while True:
            taken.append(1)
            yield path

    rows = score_pictures(scorer, endless())
    next(rows)
    assert len(taken) <= 2 * (2 + os.cpu_count())
    rows.close()


def test_bad_files_are_reported_and_the_others_scored(score, pictures):
    code, out, err = score(pictures, pictures / "nothing.jpg", "--format", "csv")
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(out))}
    assert code == 1 and len(rows) == 7
    errors = {os.path.basename(path): row["error"] for path, row in rows.items() if row["error"]}
    assert set(errors) == {"bad.png", "cut.jpg", "nothing.jpg"}
    assert (
        errors["bad.png"] == "not an image"
        and "Premature end" in errors["cut.jpg"]
        and "No such" in errors["nothing.jpg"]
    )
    good = [row for row in rows.values() if not row["error"]]
    # The detector of these tests is at chance.
    assert all(row["decision"] == "undecided" and row["probability"] == "" and float(row["score"]) <= 1 for row in good)
    assert str(pictures / "日本 ü, with comma.jpg") in rows and str(pictures / "more" / "a b.jpg") in rows
    assert "scored 4 pictures" in err and "images/s" in err and "notes.txt" in err
    assert "3 of 7 files could not be scored" in err and "tested on other data: nothing yet" in err


def test_pictures_that_are_not_read_and_what_is_no_picture_say_what_to_give(score, pictures):
    (pictures / "more" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (pictures / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    code, out, err = score(pictures / "more", "--format", "csv")
    errors = [row["error"] for row in csv.DictReader(io.StringIO(out))]
    assert code == 1 and errors == ["", "HEIC is not supported: convert it to JPEG"]
    code, out, err = score(pictures / "film.mp4")
    assert code == 2 and "film.mp4: not an image, but a video: save frames" in err.splitlines()[-1]
    code, out, err = score(pictures, "https://example.org/a.jpg")
    assert code == 2 and out == "" and "https://example.org/a.jpg: an address" in err.splitlines()[-1]


def test_files_hold_what_the_screen_shows(score, pictures, tmp_path):
    target = tmp_path / "out" / "scores.csv"
    code, out, _ = score(pictures, "--out", target)
    table = pd.read_csv(target)
    assert code == 1 and out == "" and list(table.columns) == list(COLUMNS) and len(table) == 6
    assert [path.name for path in target.parent.iterdir()] == ["scores.csv"]
    lines = tmp_path / "scores.jsonl"
    score(pictures, "--out", lines)
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [row["path"] for row in rows] == table["path"].tolist()
    np.testing.assert_array_equal(table["score"], [np.nan if row["score"] is None else row["score"] for row in rows])
    assert all(isinstance(row["warnings"], list) for row in rows)
    code, out, err = score(pictures)
    shown = out.splitlines()
    assert shown[0].startswith("decision") and len(shown) == 7
    assert any("could not be scored" in line and "bad.png: not an image" in line for line in shown)
    # What holds for every picture is said once.
    assert "warning quick" in err and "quick" not in out


def test_a_stopped_or_failed_writing_leaves_the_old_file(score, pictures, tmp_path, monkeypatch):
    target = tmp_path / "scores.csv"
    target.write_text("old")

    def stopped(*arguments, **options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("lib.model.scoring.score_pictures", stopped)
    assert score(pictures, "--out", target)[0] == 1
    assert target.read_text() == "old" and not list(tmp_path.glob(".writing-*"))


@pytest.mark.parametrize(
    "options, says",
    [
        (["--policy", "cost"], "--policy cost: expected one of fixed, best_f1, balanced, fpr_5, fpr_1"),
        (["--out", "scores.jpg"], "--out scores.jpg: expected a file that ends in .txt, .csv, .jsonl"),
        (["--out", "scores.png", "--format", "csv"], "--out scores.png"),
        (["--out", "scores"], "--out scores"),
    ],
)
def test_wrong_use_is_refused_in_one_line(score, pictures, options, says):
    code, out, err = score(pictures, *options)
    assert code == 2 and out == "" and err.startswith("scoring: ") and says in err and err.count("\n") == 1


def test_without_a_detector_it_is_said_how_to_get_one(score, pictures, own_home):
    code, _, err = score(pictures, model=None)
    assert code == 2 and "run_all.py --dataset 1" in err


def test_wrong_data_is_refused(score, pictures, tmp_path):
    code, _, err = score(pictures / "bad.png", pictures / "nothing.jpg")
    assert code == 2 and "none of 2 files could be scored" in err and "not an image" in err
    (tmp_path / "empty").mkdir()
    code, _, err = score(tmp_path / "empty")
    assert code == 2 and "no picture there" in err
    assert "Traceback" not in err


def test_what_is_wrong_with_a_picture_is_said_by_codes(written_folder, tmp_path):
    known = read_detector(written_folder)
    scorer = Scorer(dataclasses.replace(trusted(known), statistics=known.statistics))
    ramp = np.linspace(0, 255, 200)
    pixels = np.stack([ramp[:, None] + 0 * ramp] * 3, -1).astype("uint8")
    noise = np.random.default_rng(0).normal(128, 22, (80, 80, 3)).clip(0, 255).astype("uint8")

    def codes(picture, **options):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, **{"format": "JPEG", "quality": 85, **options})
        row = score_bytes(scorer, "x", buffer.getvalue())
        return {
            code: text for code, text in zip(row["warnings"], row["why"].split("; ")) if code not in scorer.warnings
        }

    assert codes(noise) == {}
    assert set(codes(noise, quality=80)) == set(codes(noise, format="PNG")) == set()
    assert codes(noise, quality=79) == {"compressed": "JPEG quality about 79, at least 80 in training"}
    assert "unlike" in codes(pixels) and "too_large" in codes(pixels)
    assert "too_large" not in codes(pixels[:100])
    found = scorer.picture_warnings(Seen(63, 90, "PNG", None, None), 0.5)
    assert set(found) == {"too_small"} and "63 pixels" in found["too_small"]
    assert not scorer.picture_warnings(Seen(64, 90, "PNG", None, None), 1.0)


def test_explanations_take_no_name_that_is_taken(score, pictures, tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    mine = folder / "no ending_explained.png"
    Image.new("RGB", (70, 70)).save(mine)
    before = mine.read_bytes()
    originals = {path: path.read_bytes() for path in pictures.rglob("*") if path.is_file()}
    for _ in range(2):
        code, out, _ = score(pictures, "--explain-folder", folder, "--format", "jsonl")
        written = {row["path"]: row["explained"] for row in map(json.loads, out.splitlines())}
        assert code == 1
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [
                *("a b_explained.png", "a b_explained_2.png", "日本 ü, with comma_explained.png"),
                *("no ending_explained.png", "no ending_explained_2.png"),
            ]
        )
    assert mine.read_bytes() == before and written[str(pictures / "bad.png")] is None
    assert all(path.read_bytes() == data for path, data in originals.items())
    with Image.open(written[str(pictures / "a b.jpg")]) as image:
        assert image.width > 600


def test_explanations_are_not_scored_in_their_turn(score, pictures):
    score(pictures, "--explain-folder", pictures / "explained")
    code, out, err = score(pictures, "--explain-folder", pictures / "explained", "--format", "csv")
    assert code == 1 and len(out.splitlines()) == 7
    code, out, err = score(pictures, "--format", "csv")
    assert len(out.splitlines()) == 7 and "_explained.png" in err


def test_one_picture_in_memory_is_scored_as_its_file(scorer, paths):
    path = next(iter(paths.values()))
    from_file, from_memory = next(score_pictures(scorer, [path])), score_bytes(scorer, str(path), path.read_bytes())
    assert from_file | {"time": ""} == from_memory | {"time": ""}
    assert score_bytes(scorer, "x", b"words")["error"] == "not an image"


def test_one_picture_is_not_called_pictures(score, pictures):
    assert "scored 1 picture in" in score(pictures / "more" / "a b.jpg")[2]
    with_error = score(pictures / "nothing.jpg")[2]
    assert "could not be scored: " in with_error and "none of 1" not in with_error


# ------------------------------------------------------------------------------------------- likelihood ratios


def test_a_model_at_chance_gives_no_likelihood_ratio_and_says_why(score, pictures):
    _, out, err = score(pictures / "a b.jpg", "--lr", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert list(row) == [*COLUMNS, "log10_lr"] and row["log10_lr"] == "" and row["probability"] == ""
    assert "No likelihood ratio: the model comes from a quick run" in err and "better than chance" in err
    assert "log10_lr" not in score(pictures / "a b.jpg", "--format", "csv")[1]


def test_a_likelihood_ratio_is_bounded_and_left_out_of_pictures_with_a_warning(score, pictures, detector_folder):
    path = detector_folder / "detector.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["sha256"]
    content["training"].update(quick=False, test={"roc_auc": {"value": 0.9, "low": 0.8, "high": 0.95}})
    content["evidence"].update(low={"value": -0.1, "low": -0.2, "high": 0.0}, high={"value": 0, "low": 0, "high": 0.1})
    path.write_text(json.dumps({**content, "sha256": study.text_hash(content)}), encoding="utf-8")
    code, out, err = score(pictures, "--lr", "--format", "jsonl", model=detector_folder)
    rows = [json.loads(line) for line in out.splitlines()]
    known = set(Scorer(read_detector(detector_folder)).warnings)
    assert code == 1 and "reference population: 12 synthetic and 12 real validation images" in err
    for row in rows:
        given = not row["error"] and not set(row["warnings"]) - known
        assert (row["log10_lr"] is not None) == given
        assert not given or -0.1 <= row["log10_lr"] <= 0
    assert any(row["log10_lr"] is not None for row in rows)
    Image.open(pictures / "a b.jpg").resize((40, 40)).resize((500, 500)).save(pictures / "large.jpg", quality=10)
    _, out, _ = score(pictures / "large.jpg", "--lr", model=detector_folder)
    assert "log10 LR" in out.splitlines()[0] and out.splitlines()[1].split()[2] == "-"


def test_a_detector_of_an_earlier_version_gives_no_likelihood_ratio(score, pictures, detector_folder):
    path = detector_folder / "detector.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["sha256"], content["evidence"]
    path.write_text(json.dumps({**content, "sha256": study.text_hash(content)}), encoding="utf-8")
    code, _, err = score(pictures / "a b.jpg", "--lr", model=detector_folder)
    assert code == 0 and "does not record its bounds" in err
