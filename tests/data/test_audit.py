"""Audit: nothing is skipped in silence, copies are found, format as a shortcut is seen."""

import contextlib
import json
import os
import re
import tempfile

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from support import PROJECT, complaints

from lib.data.audit import audit, duplicates, gallery, normalise, shortcut
from lib.data.images import decode, pictures
from lib.data.source import sources
from lib.metrics import measures
from lib.study.names import ASIDE, NOTE, UserError
from lib.study.run import open_run


def picture(seed, size=(96, 96)):
    small = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), "uint8")
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "bilder ü, with commas"
    for number, label in enumerate(("real", "synthetic")):
        (root / label).mkdir(parents=True)
        for index in range(15):
            picture([number, index]).save(root / label / f"{index}\n$<b>.jpg", quality=90)
    return root


def audited(root, before=None):
    source = sources.find_source("", str(root), "test")
    images = audit.audit_files(source, audit.list_files(source), lambda count: None)
    pairs = duplicates.find_duplicates(images[audit.usable(images)])
    images = audit.split_images(images, pairs, 0, before)
    return images, audit.mark_across_split(pairs, images)


def gif(path, frames):
    frames[0].save(path, save_all=True, append_images=frames[1:])


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def bad_inputs(real):
    """Every kind of odd file, and what it gets: name, a function that makes it, set aside or used, words of the reason."""
    whole = next(real.glob("1\n*")).read_bytes()
    odd = picture(77, (90, 80))
    aside, used = ASIDE, NOTE

    def unreadable(path):
        path.write_bytes(whole)
        path.chmod(0)

    return [
        ("empty.jpg", lambda p: p.write_bytes(b""), aside, "empty file"),
        ("cut.jpg", lambda p: p.write_bytes(whole[: len(whole) // 2]), aside, "cannot be decoded"),
        ("half.jpg", lambda p: p.write_bytes(whole[:-300] + b"\xff\xd9"), aside, "premature end of data"),
        ("phone.heic", lambda p: p.write_bytes(b"\0\0\0\x18ftypheic"), aside, "HEIC is not supported"),
        ("page.jpg", lambda p: p.write_bytes(b"<!DOCTYPE html>"), aside, "a web page"),
        ("text.jpg", lambda p: p.write_bytes(b"hello"), aside, "not an image"),
        (
            "program.eps",
            lambda p: p.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n"),
            aside,
            "not an image",
        ),
        ("small.png", picture(1, (40, 90)).save, aside, "smaller than 64 pixels"),
        ("huge.png", Image.new("1", (10_001, 10_000)).save, aside, "more than 100,000,000 pixels"),
        ("floats.tif", Image.fromarray(np.ones((80, 80), "float32")).save, aside, "no known range"),
        ("locked.jpg", unreadable, aside, "cannot be read (Permission denied)"),
        ("broken link.jpg", lambda p: p.symlink_to(real / "nowhere"), aside, "broken link"),
        ("link out.jpg", lambda p: p.symlink_to(__file__), aside, "points outside the data folder"),
        ("folder link", lambda p: p.symlink_to(real.parent / "synthetic"), aside, "a link to a folder, not followed"),
        ("pipe.jpg", os.mkfifo, aside, "not a regular file"),
        ("liar.jpg", lambda p: odd.save(p, "PNG"), used, "named .jpg but holds PNG"),
        ("no ending", lambda p: odd.rotate(90).save(p, "PNG"), used, "named without an ending but holds PNG"),
        (
            "moving.gif",
            lambda p: gif(p, [picture(n, (80, 80)) for n in (50, 51)]),
            used,
            "several frames, the first is used",
        ),
        ("palette.png", lambda p: picture(52).convert("P").save(p), used, "palette, converted"),
        ("clear.png", lambda p: see_through(54).save(p), used, "transparency, placed on white"),
        ("print.jpg", lambda p: picture(55).convert("CMYK").save(p), used, "CMYK, converted"),
        ("deep.png", lambda p: deep(56).save(p), used, "16-bit, scaled to 8"),
        ("grey.jpg", lambda p: picture(57).convert("L").save(p), used, "greyscale, converted"),
        ("turned.jpg", lambda p: picture(58).save(p, exif=turned()), used, "turned upright by its EXIF orientation"),
        ("2\n$<b>.jpg", None, "", ""),  # the same name stands in both classes
        ("a b, c\n'd' \"ü\" 漢字🙂.png", picture(59).save, "", ""),
    ]


def see_through(seed):
    image = picture(seed).convert("RGBA")
    image.putalpha(128)
    return image


def deep(seed):
    return Image.fromarray(np.asarray(picture(seed).convert("L")).astype("uint16") * 257)


@contextlib.contextmanager
def as_nobody():
    """Without the rights of root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_every_odd_file_gets_a_row_and_a_reason(folder, tmp_path):
    real = folder / "real"
    cases = bad_inputs(real)
    for name, make, _, _ in cases:
        if make:
            make(real / name)
    for path in [*folder.parents, folder, *folder.rglob("*")]:
        if str(path).startswith(tempfile.gettempdir()) and path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    audited(folder)  # imports what is imported late, which the packages' folder may not allow to nobody
    with as_nobody():
        images, _ = audited(folder)
    assert len(images) == 30 + len(cases) - 1 and images["image_id"].is_unique
    issue = dict(zip(images["path"].str.removeprefix("real/"), images["issue"]))
    documented(
        [
            "| file | what it gets | `issue` in images.csv |",
            "|-|-|-|",
            *(row(name, kind, issue) for name, _, kind, _ in cases),
        ]
    )
    for name, _, kind, reason in cases:
        assert issue[name].startswith(kind) and reason in issue[name] and bool(issue[name]) == bool(kind), name
    aside = images["issue"].str.startswith(ASIDE)
    assert aside.sum() == sum(kind == ASIDE for _, _, kind, _ in cases)
    assert ((images["split"] == "") == aside).all()


def row(name, kind, issue):
    shown = name.replace("\n", "⏎").replace("|", "\\|")
    return f"| `{shown}` | {'set aside' if kind == ASIDE else 'used'} | {issue[name] or '-'} |"


def documented(lines):
    """The table of docs/data.md is this run's; UPDATE_DOCS=1 writes it."""
    page = PROJECT / "docs" / "data.md"
    before, rest = page.read_text(encoding="utf-8").split("<!-- bad input -->\n")
    now = (
        before
        + "<!-- bad input -->\n"
        + "".join(f"{line}\n" for line in lines)
        + "<!-- end -->"
        + rest.split("<!-- end -->")[1]
    )
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(now, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == now


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_one(folder):
    (folder / "real" / "inner").mkdir()
    (folder / "real" / "inner").chmod(0)
    for path in [*folder.parents, folder, folder / "real", folder / "synthetic"]:
        if str(path).startswith(tempfile.gettempdir()):
            path.chmod(0o755)
    with as_nobody(), pytest.raises(UserError, match="inner"):
        audited(folder)


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
    pd.testing.assert_frame_equal(back, images, check_dtype=False)
    assert back["image_id"].is_unique and audit.usable(back).all()


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
    pd.testing.assert_frame_equal(back, images, check_dtype=False)
    assert len(back) == 31 and len(run.used_images()) == 30
    row = back[back["split"] == ""].iloc[0]
    assert row["path"] == shown and "its name cannot be written" in row["issue"]
    source = sources.find_source("", str(folder), "test")
    assert len(audit.list_files(source, 20)) == 20


def test_a_class_without_a_usable_image_is_refused_with_the_reasons(folder):
    for path in (folder / "synthetic").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no usable synthetic image among 15 files .*empty file"):
        audited(folder)


def test_a_bomb_is_refused_before_it_is_decoded(folder, monkeypatch):
    path = next((folder / "real").iterdir())
    monkeypatch.setattr(pictures, "MAX_PIXELS", 96 * 96 - 1)
    monkeypatch.setattr("lib.data.images.decode.MAX_PIXELS", 96 * 96 - 1)
    # Not an Exception: inspect_file would take one for a broken file.
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(JpegImageFile, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_: pytest.fail("decoded"))
    row = audit.inspect_file(path)
    assert "more than 9,215 pixels" in row["issue"] and row["width"] == 96
    with pytest.raises(ValueError, match="more than 9,215"):
        decode.read_rgb(path)


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
    assert len(pairs) >= 15 * 3 and set(pairs["kind"]) == {"near"} and not pairs["across_split"].any()
    number = images["path"].str.extract(r"^real/(\d+)", expand=False)
    assert (images.groupby(number)["split"].nunique() == 1).all()
    assert set(images["split"]) == {"train", "validation", "test"}
    # The mark itself sees a pair that does cross.
    torn = images.assign(split=np.where(images["image_id"] == pairs.loc[0, "image_a"], "train", "test"))
    assert audit.mark_across_split(pairs, torn)["across_split"].any()


@pytest.mark.parametrize("leaks", [False, True])
def test_shortcut_probe_sees_a_format_that_tells_the_label(folder, leaks):
    if leaks:
        for path in list((folder / "synthetic").iterdir()):
            Image.open(path).resize((128, 128)).save(path.with_suffix(".png"))
            path.unlink()
    images, _ = audited(folder)
    probe = shortcut.shortcut_scores(images, 0)
    assert probe["label"].tolist() == (images["label"] == "synthetic").astype(int).tolist()
    auc = measures.bootstrap_intervals(probe["label"], probe["score"], probe["group"], measures=["roc_auc"])["roc_auc"]
    if leaks:
        assert auc.value == 1 and "tells the classes apart" in shortcut.warning(auc.low, auc.value)
    else:  # 15 + 15 images: the AUC of a scorer that knows nothing has a standard error of 0.11
        assert auc.low < 0.5 and 0.2 < auc.value < 0.8


def test_modes_and_orientation_become_upright_rgb(tmp_path):
    def stored(image, name, **options):
        image.save(tmp_path / name, **options)
        return decode.read_rgb(tmp_path / name)

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
    assert (row["width"], row["height"]) == (70, 80) and "turned upright" in row["issue"]


def test_images_added_later_leave_the_others_where_they_were(folder):
    first, _ = audited(folder)
    before = first.set_index("image_id")["split"]
    for number in range(20):
        picture([5, number]).save(folder / "real" / f"0 new {number}.jpg")
    picture([0, 3]).save(folder / "real" / "0 copy of 3.jpg", quality=50)
    images, pairs = audited(folder, before)
    now = images.set_index("image_id")["split"]
    assert (now[before.index] == before).all() and set(images["split"]) == {"train", "validation", "test"}
    copy = images.set_index("path")["split"]
    assert copy["real/0 copy of 3.jpg"] == copy["real/3\n$<b>.jpg"] and not pairs["across_split"].any()


def table_of(folder, split):
    rows = [(path.relative_to(folder).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.jpg"))]
    table = pd.DataFrame(rows, columns=["path", "label"]).assign(group="", split=split)
    table["group"] = [f"person {number // 2}" for number in range(len(table))]
    table.to_csv(folder / "faces.csv", index=False)
    return folder / "faces.csv"


def test_a_given_split_and_group_are_kept_and_copies_across_it_are_shown(folder):
    first = sorted((folder / "real").iterdir())[:2]
    first[1].write_bytes(first[0].read_bytes())
    images, pairs = audited(table_of(folder, ["train", "validation", "test"] * 10))
    assert images["split"].tolist() == ["train", "validation", "test"] * 10
    assert images["group"].nunique() == 15 and pairs["across_split"].tolist() == [True]


def test_a_given_split_without_validation_keeps_its_test_images_and_draws_validation_from_training(folder):
    first = sorted((folder / "real").iterdir())[:2]
    first[1].write_bytes(first[0].read_bytes())
    given = np.array(["train", "train", "train", "test", "train"] * 6)
    table = table_of(folder, given.tolist())
    pd.read_csv(table).assign(group="").to_csv(table, index=False)
    images, _ = audited(table)
    split = images["split"].to_numpy()
    np.testing.assert_array_equal(split == "test", given == "test")
    for label in ("real", "synthetic"):
        assert 1 <= ((split == "validation") & (images["label"] == label)).sum() <= 6
    # Copies stay together.
    assert len(set(split[:2])) == 1
    again, _ = audited(table)
    assert again["split"].tolist() == split.tolist()


def test_a_given_split_that_loses_a_class_is_refused(folder):
    table = table_of(folder, ["train", "validation", "test"] * 10)
    for number in (2, 5, 8, 11, 14):
        sorted((folder / "real").iterdir())[number].write_bytes(b"")
    with pytest.raises(UserError, match="test split has no usable real image"):
        audited(table)


def test_copies_in_other_datasets_are_found_and_shown(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    other = tmp_path / "other"
    for number, label in enumerate(("real", "synthetic")):
        (other / label).mkdir(parents=True)
        for index in range(12):
            picture([10 + number, index]).save(other / label / f"{index}.png")
    picture([0, 4], (192, 192)).save(other / "synthetic" / "taken.png")
    runs = [open_run(data=str(root), name=name) for root, name in ((folder, "first"), (other, "second"))]
    for run in runs:
        source = sources.source_of(run)
        images = audit.audit_files(source, audit.list_files(source), lambda count: None)
        pairs = audit.find_pairs(run, images)
        images = audit.split_images(images, pairs, run.seed)
        pairs = audit.mark_across_split(pairs, images)
        summary = audit.summary(run, source, images, pairs, {"warning": ""})
        run.write_audit(images, pairs, summary)
        written = json.loads((run.folder / "audit.json").read_text(encoding="utf-8"))
        assert complaints("audit", written) == []
        assert written["understood"]["labels"]["real"] == {"folder real": len(list((source.root / "real").iterdir()))}
    assert pairs["other_dataset"].tolist() == ["first"] and pairs["same_label"].tolist() == [False]
    assert summary["pairs"]["other_datasets"] == {"first": 1} and summary["pairs"]["two_labels"] == 0
    assert (images["issue"] == "").all()  # its label is in doubt abroad; here nothing contradicts it
    [(first, second, caption)] = gallery.pair_pictures(run, pairs, images, source.root)
    # One of the names holds a line break.
    how, one, two = caption.split("\n", 2)
    place = images.set_index("path").loc["synthetic/taken.png", "split"]
    assert "bits apart, TWO LABELS" in how and one == f"left: synthetic/taken.png (synthetic, {place})"
    assert re.fullmatch(r"right: real/.* \(real, (train|validation|test), in first\)", two, re.S)
    assert np.abs(first.astype(int) - second).mean() < 15


def test_normalising_takes_the_shortcut_away(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    for path in list((folder / "synthetic").iterdir()):
        Image.open(path).resize((128, 160)).save(path.with_suffix(".png"))
        path.unlink()
    picture(9, (70, 70)).save(folder / "real" / "small.jpg")
    run = open_run(data=str(folder), name="mine", normalise="80,90")
    source = sources.source_of(run)
    found = audit.audit_files(source, audit.list_files(source), lambda count: None)
    done = []
    source, files = normalise.rewrite(run, source, found, done.append)
    images = audit.audit_files(source, files, lambda count: None)
    kept = images[audit.usable(images)]
    assert len(images) == 31 and len(kept) == 30 == sum(done)
    assert "smaller than the 80 pixels" in images.loc[~audit.usable(images), "issue"].item()
    assert {"format", "mode", "width", "height", "quantisation", "subsampling", "exif", "icc"} <= set(kept)
    alike = kept[["format", "mode", "width", "height", "quantisation", "subsampling", "exif", "icc"]]
    assert len(alike.drop_duplicates()) == 1 and kept["path"].str.fullmatch(r"(real|synthetic)/[0-9a-f]{16}\.jpg").all()
    times = {path: path.stat().st_mtime_ns for path in source.root.rglob("*.jpg")}
    normalise.rewrite(run, sources.source_of(run), found, done.append)
    assert times == {path: path.stat().st_mtime_ns for path in source.root.rglob("*.jpg")}
    assert normalise.image_root(run) == source.root
