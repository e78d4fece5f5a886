"""Audit: nothing is skipped in silence, copies are found, format as a shortcut is seen."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lib.data import audit, loading, manifest
from lib.metrics import measures
from lib.study import UserError, open_run


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
    os.symlink(folder / "synthetic", real / "folder link")
    images, _ = audited(folder)
    bad = images[images["issue"] != ""]
    aside = dict(zip(bad["path"].map(os.path.basename), bad["issue"]))
    assert set(aside) == {*cases, "small.png", "link.jpg", "folder link"}
    assert "empty file" in aside["empty.jpg"] and "cannot be decoded" in aside["cut.jpg"]
    assert "not an image" in aside["text.jpg"] and "smaller than 64" in aside["small.png"]
    assert "cannot be read (No such file" in aside["link.jpg"]
    assert "cannot be read (Is a directory" in aside["folder link"]
    assert len(images) == 36 and (images["split"] != "").sum() == 30
    assert (images.loc[images["issue"] != "", "split"] == "").all()


NAMES = ["a b.png", "comma, and 'quote'.png", 'double"quote.png', "line\nbreak.png", "ß漢字🙂.png", "NA"]


def test_any_name_survives_the_table(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    for number, name in enumerate(NAMES):
        picture([2, number]).save(folder / "real" / name, "PNG")
    images, pairs = audited(folder)
    run = open_run(data=str(folder), name="names")
    run.write_audit(images, pairs, {})
    back = run.images()
    assert {f"real/{name}" for name in NAMES} <= set(back["path"])
    assert back.to_dict("records") == images.to_dict("records")
    assert back["image_id"].is_unique and (back["issue"] == "").all()


@pytest.mark.parametrize(("name", "shown"), [(b"caf\xe9.png", r"real/caf\udce9.png"), (b"a\rb.png", r"real/a\rb.png")])
def test_a_name_that_a_table_cannot_hold_is_set_aside(folder, monkeypatch, tmp_path, name, shown):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    try:
        with open(os.fsencode(folder / "real") + b"/" + name, "wb") as file:
            picture(5).save(file, "PNG")
    except OSError:
        pytest.skip("the file system does not take such names")
    images, pairs = audited(folder)
    run = open_run(data=str(folder), name="names")
    run.write_audit(images, pairs, {})
    back = run.images()
    assert back.to_dict("records") == images.to_dict("records")
    assert len(back) == 31 and len(run.used_images()) == 30
    row = back[back["split"] == ""].iloc[0]
    assert row["path"] == shown and "its name cannot be written" in row["issue"]
    source = manifest.find_source("", str(folder), "test")
    assert len(audit.list_files(source, 20)) == 20


def test_a_class_without_a_usable_image_is_refused_with_the_reasons(folder):
    for path in (folder / "synthetic").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"synthetic: no usable image among 15 files .*empty file"):
        audited(folder)


def test_a_bomb_is_refused_before_it_is_decoded(folder, monkeypatch):
    path = next((folder / "real").iterdir())
    monkeypatch.setattr(audit, "MAX_PIXELS", 96 * 96 - 1)
    monkeypatch.setattr(loading, "MAX_PIXELS", 96 * 96 - 1)
    # Not an Exception: inspect_file would take one for a broken file.
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(JpegImageFile, "load", lambda *_: pytest.fail("decoded"))
    row = audit.inspect_file(path)
    assert "more than 9,215 pixels" in row["issue"] and row["width"] == 96
    with pytest.raises(ValueError, match="more than 9,215"):
        loading.read_rgb(path)


def test_copies_are_found_and_stay_on_one_side(folder):
    picture([0, 3]).save(folder / "real" / "again.jpg", quality=50)
    images, pairs = audited(folder)
    assert len(pairs) == 1 and pairs.loc[0, "kind"] == "near" and not pairs["across_split"].any()
    named = images.set_index("image_id")["path"].map(os.path.basename)
    assert set(named[pairs.loc[0, ["image_a", "image_b"]]]) == {"again.jpg", "3\n$<b>.jpg"}
    copies = images[images["group"] != ""]
    assert len(copies) == 2 and copies["split"].nunique() == 1 and copies["group"].nunique() == 1


def test_the_same_picture_in_both_classes_is_set_aside(folder):
    first = sorted((folder / "real").iterdir())[0]
    (folder / "synthetic" / "other.jpg").write_bytes(first.read_bytes())
    images, pairs = audited(folder)
    assert pairs["kind"].tolist() == ["exact"] and not pairs["same_label"].any()
    assert images["issue"].str.contains("both classes").sum() == 2


def test_no_copies_cross_the_split_even_in_chains(folder):
    for index in range(15):
        for copy in range(3):
            other = picture([0, index], (96 + 8 * copy,) * 2)
            other.save(folder / "real" / f"{index} copy {copy}.jpg", quality=60 + copy)
    images, pairs = audited(folder)
    assert len(pairs) >= 15 * 6 and set(pairs["kind"]) == {"near"} and not pairs["across_split"].any()
    number = images["path"].str.extract(r"^real/(\d+)", expand=False)
    assert (images.groupby(number)["split"].nunique() == 1).all()
    assert set(images["split"]) == {"train", "validation", "test"}
    # The mark itself sees a pair that does cross.
    torn = images.assign(split=np.where(images["image_id"] == pairs.loc[0, "image_a"], "train", "test"))
    assert audit.mark_across_split(pairs, torn)["across_split"].any()


def test_pairs_are_those_within_the_distance_each_once():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 1100, "uint64")  # more than two blocks
    hashes[1050] = hashes[3] ^ np.uint64(0b111111)
    hashes[700] = hashes[600] ^ np.uint64(0b1111111)
    hashes[5] = hashes[4]
    images = pd.DataFrame({"image_id": [f"i{n}" for n in range(1100)], "label": "real", "issue": ""})
    images["phash"] = [f"{value:016x}" for value in hashes]
    images["sha256"] = [f"s{n}" if n != 5 else "s4" for n in range(1100)]
    pairs = audit.find_duplicates(images)
    found = set(pairs[["image_a", "image_b", "kind", "distance"]].itertuples(index=False, name=None))
    assert found == {("i3", "i1050", "near", 6), ("i4", "i5", "exact", 0)} and len(pairs) == 2
    images.loc[3, "issue"] = "set aside: a test"
    assert audit.find_duplicates(images)["image_a"].tolist() == ["i4"]


@pytest.mark.parametrize("leaks", [False, True])
def test_shortcut_probe_sees_a_format_that_tells_the_label(folder, leaks):
    if leaks:
        for path in list((folder / "synthetic").iterdir()):
            Image.open(path).resize((128, 128)).save(path.with_suffix(".png"))
            path.unlink()
    images, _ = audited(folder)
    probe = audit.shortcut_scores(images, 0)
    assert probe["label"].tolist() == (images["label"] == "synthetic").astype(int).tolist()
    auc = measures.bootstrap_intervals(probe["label"], probe["score"], probe["group"], measures=["roc_auc"])["roc_auc"]
    if leaks:
        assert auc.low > 0.95
    else:  # 15 + 15 images: the AUC of a scorer that knows nothing has a standard error of 0.11
        assert auc.low < 0.5 and 0.2 < auc.value < 0.8


def test_modes_and_orientation_become_upright_rgb(tmp_path):
    def stored(image, name, **options):
        image.save(tmp_path / name, **options)
        return loading.read_rgb(tmp_path / name)

    red = Image.new("RGB", (80, 70), (255, 0, 0))
    for mode, name in (("P", "palette.png"), ("RGBA", "opaque.png"), ("CMYK", "cmyk.jpg")):
        pixels = stored(red.convert(mode), name)
        assert pixels.shape == (70, 80, 3) and pixels.dtype == np.uint8
        assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 3, mode
    assert stored(Image.new("RGBA", (80, 70), (0, 0, 0, 0)), "clear.png").min() == 255
    assert (stored(Image.new("RGBA", (80, 70), (0, 0, 0, 128)), "half.png") == 127).all()
    assert (stored(Image.new("L", (80, 70), 90), "grey.png") == 90).all()
    assert (stored(Image.new("LA", (80, 70), (90, 255)), "grey and alpha.png") == 90).all()
    assert stored(Image.new("1", (80, 70), 1), "bits.png").min() == 255
    for name in ("deep.png", "deep.tif"):
        assert (stored(Image.fromarray(np.full((70, 80), 0x8040, "uint16")), name) == 128).all()
    left_red = Image.new("RGB", (80, 70))
    left_red.paste(red.crop((0, 0, 40, 70)), (0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what is left in the file is the top of the picture
    pixels = stored(left_red, "turned.jpg", exif=exif)
    assert pixels.shape == (80, 70, 3)
    assert pixels[:30, :, 0].min() > 240 and pixels[50:, :, 0].max() < 15
    row = audit.inspect_file(tmp_path / "turned.jpg")
    assert (row["width"], row["height"], row["issue"]) == (70, 80, "")


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
