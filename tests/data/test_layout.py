"""Folders as people have them: one reading that is said, or one line that says what to do; no file is lost in silence."""

from collections import Counter

import pytest
from support import images, refused

from lib.data.source import layout, listing, sources
from lib.data.source.folders import entries
from lib.data.source.layout import read_folder
from lib.data.source.names import class_of
from lib.study.options import Reading


def named(folder, count, ending="jpg"):
    return [f"{folder}/{number:04}.{ending}" for number in range(count)]


def read(data, **reading):
    """The source, and its files by label."""
    source = sources.find_source("", str(data), "test", Reading(**reading))
    return source, listing.image_files(source)


def counts(files, *columns):
    return files.groupby(list(columns or ["label"])).size().to_dict()


@pytest.mark.parametrize(
    ("real", "synthetic"),
    [
        *(
            ("real", "synthetic"),
            ("Real", "FAKE"),
            ("0_real", "1_fake"),
            ("REAL", "AI"),
            ("real", "Deepfake"),
            ("0", "1"),
        ),
        *(("training_real", "training_fake"), ("Celeb-real", "Celeb-synthesis"), ("human", "ai"), ("nature", "ai")),
        *(("Real images", "AI generated images"), ("wrap/real_vs_fake/real", "wrap/real_vs_fake/fake")),
        *(("deepfake database/real", "deepfake database/fake"), ("train/real", "train/fake")),
    ],
)
def test_the_names_people_use_are_understood_and_said(tmp_path, real, synthetic):
    source, files = read(images(tmp_path, *named(real, 3), *named(synthetic, 2)))
    assert counts(files) == {"real": 3, "synthetic": 2} and (files[["split", "group", "issue"]] == "").all(axis=None)
    first, second = (name.rpartition("/")[2] for name in (real, synthetic))
    assert source.understood.labels == {"real": {f"folder {first}": 3}, "synthetic": {f"folder {second}": 2}}
    assert f"real: 3 (folder {first}); synthetic: 2 (folder {second})" in source.understood.line()


def test_labels_that_are_stated_turn_the_convention_round(tmp_path):
    data = images(tmp_path, *named("0", 3), *named("1", 2))
    source, files = read(data, labels="1=real,0=synthetic")
    assert counts(files) == {"real": 2, "synthetic": 3}
    assert source.understood.labels["real"] == {"folder 1 (--labels)": 2}


@pytest.mark.parametrize("name", ["Morphs", "test", "other"])
def test_a_folder_of_neither_class_is_refused_until_it_is_said_what_it_is(tmp_path, name):
    data = images(tmp_path, *named("original", 3), *named("Deepfakes", 2), *named(name, 4), "loose.jpg")
    text = refused(sources.find_source, "", str(data))
    assert (
        f"{name!r} stands beside Deepfakes/ (synthetic), original/ (real)" in text
        and f"--labels {name}=synthetic" in text
    )
    source, files = read(data, labels=f"{name}=synthetic")
    assert counts(files) == {"": 1, "real": 3, "synthetic": 6}
    assert source.understood.aside == {"stands outside the folders of the classes": 1}
    source, files = read(data, labels=f"{name}=none")
    assert counts(files) == {"": 5, "real": 3, "synthetic": 2} and source.understood.aside["left out by --labels"] == 4


def test_two_folders_of_one_class_are_both_used_and_said(tmp_path):
    source, _ = read(images(tmp_path, *named("real", 3), *named("fake", 2), *named("fakeV2", 4)))
    assert source.understood.labels["synthetic"] == {"folder fakeV2": 4, "folder fake": 2}


def test_a_word_of_labels_that_is_nowhere_and_a_class_that_is_none_are_refused(tmp_path):
    data = images(tmp_path, "real/a.jpg", "fake/a.jpg")
    assert "has no folder or label 'faek'" in refused(lambda: read(data, labels="faek=synthetic"))
    for labels in ("fake", "fake=cat", "=real"):
        assert f"--labels {labels}: expected WORD=CLASS" in refused(lambda labels=labels: read(data, labels=labels))


def test_folders_that_contradict_each_other_are_refused_with_both_readings(tmp_path):
    data = images(tmp_path, *named("real/fake", 2), *named("real/a", 2), *named("fake", 2))
    assert "the names of its folders say real and synthetic" in refused(sources.find_source, "", str(data))


# --------------------------------------------------------------------------------------------------------------- splits

PARTS = (("Train", 4), ("valid", 2), ("test", 1))


@pytest.mark.parametrize(
    "form", ["{split}/{label}", "data/{split}/{label}", "{label}/{split}", "{split}_{label}", "{split}/x/{label}"]
)
def test_a_split_of_folders_is_honoured_and_anew_draws_another(tmp_path, form):
    names = [
        name
        for split, count in PARTS
        for label in ("real", "fake")
        for name in named(form.format(split=split, label=label), count)
    ]
    source, files = read(images(tmp_path, *names))
    assert counts(files, "split", "label") == {
        (split, label): count
        for split, count in (("train", 4), ("validation", 2), ("test", 1))
        for label in ("real", "synthetic")
    }
    assert source.understood.split == "by the folders (train, validation, test; --split anew draws another)"
    source, files = read(tmp_path, split="anew")
    assert set(files["split"]) == {""} and source.understood.split == "drawn anew, by --split anew"


def test_a_split_that_lacks_a_part_or_a_class_is_refused_with_the_way_out(tmp_path):
    data = images(
        tmp_path / "two", *(f"{split}/{label}/a.jpg" for split in ("train", "val") for label in ("real", "fake"))
    )
    text = refused(sources.find_source, "", str(data))
    assert "found no real image in test" in text and "--split anew" in text
    assert len(read(data, split="anew")[1]) == 4
    one = images(tmp_path / "one", *(f"real/{split}/a.jpg" for split in ("train", "val", "test")), "fake/a.jpg")
    assert "1 synthetic images stand in no part of the split" in refused(sources.find_source, "", str(one))


def test_a_split_without_validation_is_taken_and_it_is_said_where_validation_comes_from(tmp_path):
    names = [f"{split}/{label}/a.jpg" for split in ("train", "test") for label in ("real", "fake")]
    source, files = read(images(tmp_path, *names))
    assert set(files["split"]) == {"train", "test"}
    assert "no validation images, which are drawn from its training images here" in source.understood.split


# ----------------------------------------------------------------------------------------------- other ways to say it


def test_the_label_may_stand_in_the_files_names(tmp_path):
    names = [f"{word}_{number:05}.jpg" for word in ("real", "fake") for number in range(3)]
    source, files = read(images(tmp_path, *names, "readme.txt"))
    assert counts(files) == {"": 1, "real": 3, "synthetic": 3}
    assert source.understood.labels["real"] == {"file names with real": 3}
    assert source.understood.aside == {"its name says no class": 1}
    images(tmp_path, "portrait.jpg")
    assert "no folder for the real and the synthetic images" in refused(sources.find_source, "", str(tmp_path))


def test_trees_beside_other_folders_and_folders_with_a_table_are_refused_with_what_to_do(tmp_path):
    trees = images(
        tmp_path / "trees", *(f"{kind}/{name}/a.jpg" for kind in ("car", "cat") for name in ("0_real", "1_fake"))
    )
    images(trees, "more/a.jpg")
    assert "car, cat look like datasets of their own: give one of them" in refused(sources.find_source, "", str(trees))
    beside = images(tmp_path / "beside", "train/a.jpg", "train/b.jpg")
    (beside / "train" / "table.csv").write_text("file_name,label\na.jpg,real\nb.jpg,fake\n")
    text = refused(sources.find_source, "", str(beside))
    assert f"--data {beside}/train/table.csv" in text
    assert counts(read(beside / "train" / "table.csv")[1]) == {"real": 1, "synthetic": 1}


def test_a_folder_of_links_says_the_way_and_is_read_with_it(tmp_path):
    images(tmp_path / "blobs", "a", "b", "deep/c")
    data = tmp_path / "snapshot"
    for name, target in {"real/a.jpg": "a", "fake/b.jpg": "b"}.items():
        (data / name).parent.mkdir(parents=True)
        (data / name).symlink_to(tmp_path / "blobs" / target)
    (data / "fake" / "more").symlink_to(tmp_path / "blobs" / "deep")
    (data / "fake" / "again").symlink_to(data / "real")
    (data / "fake" / "loop").symlink_to("loop")
    _, files = read(data)
    assert all(
        "--follow-links" in issue for issue in files.loc[files["path"].isin(["real/a.jpg", "fake/b.jpg"]), "issue"]
    )
    _, files = read(data, follow_links=True)
    # A folder that is reached twice counts once, by the name that comes first.
    used = files[files["issue"] == ""]
    assert list(used["path"]) == ["real/a.jpg", "fake/b.jpg", "fake/more/c"]
    assert dict(zip(files["path"], files["issue"]))["fake/loop"] == "set aside: broken link"


def test_names_that_no_table_could_hold_are_said_with_escapes(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg")
    (tmp_path / "data" / "fake\udcff").mkdir()
    images(data / "fake\udcff", "a.jpg")
    source, _ = read(data)
    assert source.understood.labels["synthetic"] == {"folder fake\\udcff": 1}
    source.understood.line().encode("utf-8")


def test_nothing_is_stated_of_a_set_that_is_known(own_home):
    text = refused(sources.find_source, "1", "", "", Reading(groups="none"))
    assert "--groups none: says how your own folders or tables are read" in text


def test_thousands_of_folders_are_judged_together(tmp_path, monkeypatch):
    """What a folder means is asked once, whatever the number of those beside it."""
    asked = Counter()
    monkeypatch.setattr(layout, "class_of", lambda name: asked.update([name]) or class_of(name))
    for number in range(300):
        images(tmp_path, f"u{number:03}/a.jpg")
    refused(read_folder, tmp_path, Reading())
    assert max(asked.values()) <= 3
    scanned = Counter()
    monkeypatch.setattr(layout, "entries", lambda folder: scanned.update([str(folder)]) or entries(folder))
    for number in range(100):
        images(tmp_path / "gens", f"g{number:03}/real/a.jpg", f"g{number:03}/fake/a.jpg")
    assert len(read_folder(tmp_path / "gens", Reading())) == 200
    assert max(scanned.values()) == 1


def test_folders_in_folders_without_end_are_refused(tmp_path):
    deep = tmp_path / "data"
    for _ in range(40):
        deep = deep / "a" / "b" / "c" / "d" / "e" / "f"
    images(deep, "x.jpg")
    assert "more than 200 folders in each other" in refused(read_folder, tmp_path / "data", Reading())
