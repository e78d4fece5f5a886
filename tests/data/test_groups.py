"""Folders of frames or of persons as groups: taken, reported or left alone, and always said."""

import pytest
from support import images

from lib.data.audit import audit
from lib.data.source import listing, sources
from lib.study.options import Reading


def read(data, **reading):
    source = sources.find_source("", str(data), "test", Reading(**reading))
    return source.understood, listing.image_files(source)


def frames(root, label, folders, each):
    return images(root, *(f"{label}/{folder}/{number:04}.jpg" for folder in folders for number in range(each)))


VIDEOS = [f"{number:03}" for number in range(12)]


def test_many_inner_folders_of_few_files_are_groups_shared_by_both_classes(tmp_path):
    frames(tmp_path, "real", VIDEOS, 3)
    frames(tmp_path, "fake", VIDEOS[:4], 3)
    images(tmp_path, "fake/loose.jpg")
    understood, files = read(tmp_path)
    assert set(files["group"]) == {*VIDEOS, ""} and (files["group"] == "").sum() == 1
    assert files[files["group"] == "003"]["label"].nunique() == 2
    assert understood.groups.startswith("12 by folder (many inner folders of few files each")
    assert "4 of these names stand in both classes, each one group" in understood.groups
    understood, files = read(tmp_path, groups="none")
    assert set(files["group"]) == {""} and understood.groups == "none, by --groups none"


def test_no_frame_of_a_video_stands_on_two_sides(tmp_path):
    frames(tmp_path, "real", VIDEOS, 3)
    frames(tmp_path, "fake", VIDEOS, 3)
    _, files = read(tmp_path)
    table = files.assign(image_id=files["path"], issue="", sha256="")
    pairs = audit.find_duplicates(table.iloc[:0].assign(phash="", pixel_sha256=""))
    split = audit.split_images(table, pairs, seed=1)
    assert split.groupby("group")["split"].nunique().max() == 1 and set(split["split"]) == {
        "train",
        "validation",
        "test",
    }


def test_few_or_large_inner_folders_are_sources_and_said(tmp_path):
    frames(tmp_path, "real", ["a"], 4)
    frames(tmp_path, "fake", ["Midjourney", "SDXL"], 3)
    understood, files = read(tmp_path)
    assert set(files["group"]) == {""}
    assert "3 inner folders are few or large" in understood.groups and "Midjourney 3" in understood.groups
    understood, files = read(tmp_path, groups="folder")
    assert set(files["group"]) == {"", "Midjourney", "SDXL"}
    assert "by --groups folder" in understood.groups


def test_large_folders_are_no_groups_however_many(tmp_path):
    frames(tmp_path, "fake", VIDEOS, 201)
    frames(tmp_path, "real", ["x"], 2)
    assert set(read(tmp_path)[1]["group"]) == {""}


@pytest.mark.parametrize("form", ["{label}/youtube/{video}", "{split}/{label}/{video}"])
def test_groups_are_found_deeper_and_below_a_split(tmp_path, form):
    splits = ("train", "val", "test")
    for number, video in enumerate(VIDEOS):
        for label in ("real", "fake"):
            folder = form.format(label=label, video=video, split=splits[number % 3])
            images(tmp_path, *(f"{folder}/{frame}.jpg" for frame in range(2)))
    assert set(read(tmp_path)[1]["group"]) == set(VIDEOS)


def test_a_tables_paths_give_groups_where_it_has_none_of_its_own(tmp_path, table):
    rows = [
        f"{label}/{video}/{number}.jpg,{label}" for label in ("real", "fake") for video in VIDEOS for number in range(2)
    ]
    images(tmp_path, *(row.split(",")[0] for row in rows))
    understood, files = read(table("path,label", *rows))
    assert set(files["group"]) == set(VIDEOS) and understood.groups.startswith("12 by folder")
    understood, files = read(table("path,label,video", *(f"{row},v" for row in rows)))
    assert set(files["group"]) == {"v"} and understood.groups == "1 by the table"


def test_numbered_names_are_reported_and_grouped_where_asked(tmp_path):
    clips = [
        f"{label}/clip{clip}_{frame:04}.jpg"
        for label in ("real", "fake")
        for clip in "abcdefghijkl"
        for frame in range(3)
    ]
    understood, files = read(images(tmp_path, *clips))
    assert set(files["group"]) == {""}
    (warning,) = understood.warnings
    assert "36 real files are numbered under 12 names (such as clipa_000" in warning and "--groups name" in warning
    assert warning in understood.line()
    understood, files = read(tmp_path, groups="name")
    assert files["group"].nunique() == 12 and understood.warnings == () and "by --groups name" in understood.groups


def test_plain_numbering_is_no_reason_to_warn(tmp_path):
    names = [
        f"{label}/{form.format(number)}"
        for label in ("real", "fake")
        for form in ("{:05}.jpg", "seed{:04}.png")
        for number in range(30)
    ]
    assert read(images(tmp_path, *names))[0].warnings == ()


def test_a_folder_whose_name_is_no_unicode_is_a_group_that_a_table_can_hold(tmp_path):
    frames(tmp_path, "real", [*VIDEOS, "v\udcff"], 2)
    frames(tmp_path, "fake", VIDEOS, 2)
    groups = set(read(tmp_path)[1]["group"])
    assert "v\\udcff" in groups and all(group.encode("utf-8") for group in groups)
