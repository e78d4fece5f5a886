"""Audit: nothing is skipped in silence, copies are found, format as a shortcut is seen."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data import audit, loading, manifest
from lib.metrics import measures


def picture(seed, size=(96, 96)):
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), "uint8")
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "bilder ü, with commas"
    for number, label in enumerate(("real", "synthetic")):
        (root / label).mkdir(parents=True)
        for index in range(15):
            picture([number, index]).save(root / label / f"{index}\n$<b>.jpg", quality=90)
    return root


def audited(root):
    source = manifest.find_source("", str(root), "test")
    images = audit.audit_files(source, audit.list_files(source), lambda count: None)
    pairs = audit.find_duplicates(images)
    images = audit.split_images(images, pairs, 0)
    return images, audit.mark_across_split(pairs, images)


def test_every_bad_file_gets_a_row_and_a_reason(folder):
    real = folder / "real"
    whole = (real / "1\n$<b>.jpg").read_bytes()
    cases = {"empty.jpg": b"", "cut.jpg": whole[: len(whole) // 2], "text.jpg": b"hello"}
    for name, content in cases.items():
        (real / name).write_bytes(content)
    picture(1, (40, 90)).save(real / "small.png")
    os.symlink(real / "nowhere", real / "link.jpg")
    images, _ = audited(folder)
    bad = images[images["issue"] != ""]
    aside = dict(zip(bad["path"].map(os.path.basename), bad["issue"]))
    assert set(aside) == {*cases, "small.png", "link.jpg"}
    assert "empty file" in aside["empty.jpg"] and "cannot be decoded" in aside["cut.jpg"]
    assert "not an image" in aside["text.jpg"] and "smaller than 64" in aside["small.png"]
    assert "cannot be read" in aside["link.jpg"]
    assert len(images) == 35 and (images["split"] != "").sum() == 30
    assert (images.loc[images["issue"] != "", "split"] == "").all()


def test_a_bomb_is_refused_before_it_is_decoded(folder, monkeypatch):
    monkeypatch.setattr(audit, "MAX_PIXELS", 96 * 96 - 1)
    row = audit.inspect_file(next((folder / "real").iterdir()))
    assert "more than" in row["issue"] and row["width"] == 96


def test_copies_are_found_and_stay_on_one_side(folder):
    picture([0, 3]).save(folder / "real" / "again.jpg", quality=50)
    images, pairs = audited(folder)
    assert len(pairs) == 1 and pairs.loc[0, "kind"] == "near" and not pairs["across_split"].any()
    copies = images[images["group"] != ""]
    assert len(copies) == 2 and copies["split"].nunique() == 1 and copies["group"].nunique() == 1


def test_the_same_picture_in_both_classes_is_set_aside(folder):
    first = sorted((folder / "real").iterdir())[0]
    (folder / "synthetic" / "other.jpg").write_bytes(first.read_bytes())
    images, pairs = audited(folder)
    assert pairs["kind"].tolist() == ["exact"] and not pairs["same_label"].any()
    assert images["issue"].str.contains("both classes").sum() == 2


@pytest.mark.parametrize("leaks", [False, True])
def test_shortcut_probe_sees_a_format_that_tells_the_label(folder, leaks):
    if leaks:
        for path in list((folder / "synthetic").iterdir()):
            Image.open(path).save(path.with_suffix(".png"))
            path.unlink()
    images, _ = audited(folder)
    probe = audit.shortcut_scores(images, 0)
    auc = measures.bootstrap_intervals(probe["label"], probe["score"], probe["group"], measures=["roc_auc"])["roc_auc"]
    assert (auc.low > 0.6) == leaks, auc


def test_modes_and_orientation_become_upright_rgb(tmp_path):
    def stored(image, name, **options):
        image.save(tmp_path / name, **options)
        return loading.read_rgb(tmp_path / name)

    red = Image.new("RGB", (80, 70), (255, 0, 0))
    assert stored(red.convert("P"), "palette.png").shape == (70, 80, 3)
    assert stored(red.convert("CMYK"), "cmyk.jpg").shape == (70, 80, 3)
    assert stored(Image.new("RGBA", (80, 70), (0, 0, 0, 0)), "clear.png").min() == 255
    assert stored(Image.fromarray(np.full((70, 80), 65535, "uint16")), "deep.png").min() == 255
    exif = Image.Exif()
    exif[0x0112] = 6
    assert stored(red, "turned.jpg", exif=exif).shape == (80, 70, 3)


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "ffhq_stylegan"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared image set ffhq_stylegan")
def test_near_copies_among_real_photographs_are_found_and_false_ones_are_rare():
    source = manifest.find_source("", str(SHARED), "ffhq")
    images = audit.audit_files(source, audit.list_files(source), lambda count: None)
    pairs = audit.find_duplicates(images)
    synthetic = pairs["image_a"].map(images.set_index("image_id")["label"]) == "synthetic"
    assert synthetic.sum() >= 5
    # The real photographs are of different people: each pair among them is a false one, of 604,450 compared.
    assert (~synthetic).sum() <= 2
