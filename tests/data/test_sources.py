"""Where a dataset's images are: folders and tables that are accepted or refused, and which source comes first."""

import json
import os

import pytest
from PIL import Image
from support import GOOD_TABLE, images, issues, refused

from lib.data.source import download, listing, sources
from lib.study.names import DATASETS, LABELS, NOT_OMNIGEN
from lib.study.options import Reading

# -------------------------------------------------------------------------------------------------------------- folders


def test_missing_and_empty_folders_are_refused(folder_of_images, tmp_path):
    assert "no such folder" in refused(sources.find_source, "", str(tmp_path / "nowhere"))
    root = folder_of_images(1, "real", "cats")
    text = refused(sources.find_source, "", str(root))
    assert "no folder for the synthetic images; found 'cats', 'real', expected" in text
    (root / "cats").rename(tmp_path / "cats")
    (root / "fake" / "inside").mkdir(parents=True)
    assert "fake: empty; expected the synthetic images" in refused(sources.find_source, "", str(root))
    (root / "fake" / "inside" / "a.jpg").touch()
    assert set(issues(root)) == {"real/0, no comma.png", "fake/inside/a.jpg"}


def test_a_class_folder_that_is_a_link_is_refused_with_the_way_out(tmp_path):
    images(tmp_path, "data/real/a.jpg", "elsewhere/a.jpg")
    (tmp_path / "data" / "fake").symlink_to(tmp_path / "elsewhere")
    text = refused(sources.find_source, "", str(tmp_path / "data"))
    assert "no folder for the synthetic images; found 'fake', 'real'" in text and "--follow-links (fake)" in text
    found = sources.find_source("", str(tmp_path / "data"), reading=Reading(follow_links=True))
    assert list(listing.image_files(found)["path"]) == ["real/a.jpg", "fake/a.jpg"]


def test_folders_of_both_classes_that_are_one_are_refused(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg")
    (data / "fake").symlink_to("real")
    assert refused(sources.find_source, "", str(data), "", Reading(follow_links=True))


def test_data_may_itself_be_a_link(tmp_path):
    data = images(tmp_path / "disk", "real/a.jpg", "fake/b.jpg")
    (tmp_path / "link").symlink_to(data)
    source = sources.find_source("", str(tmp_path / "link"), "test")
    assert source.root == data and source.table is None
    assert issues(tmp_path / "link") == {"real/a.jpg": "", "fake/b.jpg": ""}


# --------------------------------------------------------------------------------------------------------------- tables


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes("path,label\nü,real\n".encode("latin-1"))
    (tmp_path / "empty.csv").touch()
    for name in ("latin.csv", "empty.csv"):
        assert f"{name}: cannot be read as a CSV table" in refused(sources.find_source, "", str(tmp_path / name))
    assert "no.csv: no such file; expected a folder that" in refused(sources.find_source, "", str(tmp_path / "no.csv"))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "pipe.csv: no such file" in refused(sources.find_source, "", str(tmp_path / "pipe.csv"))


@pytest.mark.parametrize("name", ["images.xlsx", "images.txt", "images", "images.csv.gz"])
def test_other_files_are_refused(table, name):
    text = refused(sources.find_source, "", str(table(*GOOD_TABLE, name=name)))
    assert (
        "expected a folder that holds real/ and synthetic/, or a table (.csv, .tsv, .parquet, .jsonl or .json)" in text
    )


def test_an_ending_in_capitals_and_a_folder_with_a_tables_ending_are_fine(tmp_path, table):
    assert sources.find_source("", str(table(*GOOD_TABLE, name="A.CSV"))).table == tmp_path / "A.CSV"
    assert sources.find_source("", str(images(tmp_path / "x.csv", "real/a", "fake/a"))).table is None


def test_a_table_behind_a_link_has_its_files_beside_itself(tmp_path, table):
    path = table(*GOOD_TABLE, name="t.csv")
    images(tmp_path, "real/a.jpg", "fake/a.jpg")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link.csv").symlink_to(path)
    assert issues(tmp_path / "sub" / "link.csv") == {"real/a.jpg": "", "fake/a.jpg": ""}


# ------------------------------------------------------------------------------------------------- order of the sources


def put_twin(dataset, **changes):
    """The folders of a public set, one file in each, and a marker that says it is complete."""
    found = download.twin(dataset)
    for folder in found.counts:
        images(found.root / folder, "a.jpg")
    found.marker.write_text(json.dumps({"handle": found.handle, "counts": found.counts, "time": "now"} | changes))
    return found


def test_a_users_images_win_over_the_public_set_and_that_over_stand_ins(own_home):
    assert sources.find_source("3").stand_in
    found = put_twin("3")
    source = sources.find_source("3", "", "dataset_3")
    assert not source.stand_in and source.words == download.TWIN and source.name == "dataset_3"
    assert source.counts == {"real": 5413, "synthetic": 5492} and source.root == found.root
    assert list(listing.image_files(source)["path"]) == ["Dataset/Test/Real/a.jpg", "Dataset/Test/Fake/a.jpg"]
    for label in LABELS:
        folder = own_home / "datasets" / "3" / label
        folder.mkdir(parents=True)
        Image.new("RGB", (80, 80)).save(folder / "a.png")
    source = sources.find_source("3")
    assert not source.stand_in and source.words == "own images" and source.counts == {}
    files = listing.image_files(source)
    assert list(zip(files["label"], files["path"])) == [("real", "real/a.png"), ("synthetic", "synthetic/a.png")]
    assert sources.find_source("1").words == NOT_OMNIGEN


def test_the_public_set_of_dataset_4_has_two_folders_for_each_class(own_home):
    put_twin("4")
    source = sources.find_source("4")
    assert source.counts == {"real": 89788, "synthetic": 89642}
    files = listing.image_files(source)
    assert list(files["label"]) == ["real", "real", "synthetic", "synthetic"]
    assert sources.find_source("3").stand_in


def test_a_public_set_that_is_not_known_to_be_whole_is_not_used(own_home):
    for changes in ({"handle": "someone/else"}, {"counts": {"Dataset/Test/Real": 1}}, {"counts": None}):
        put_twin("3", **changes)
        assert sources.find_source("3").stand_in
    found = put_twin("3")
    assert not sources.find_source("3").stand_in
    for text in ("", "[]", "{"):
        found.marker.write_text(text)
        assert sources.find_source("3").stand_in
    put_twin("3")
    (found.root / "Dataset" / "Test" / "Fake").rename(found.root / "Dataset" / "Test" / "gone")
    assert sources.find_source("3").stand_in


def test_datasets_without_a_public_set_and_unknown_ones(own_home):
    assert [download.twin(name) is None for name in DATASETS] == [True, True, False, False, True]
    assert "dataset '9': expected one of 1, 2, 3, 4, control" in refused(sources.find_source, "9")


def test_a_place_for_own_images_that_is_no_folder_is_not_passed_over(own_home):
    folder = own_home / "datasets" / "2"
    images(folder, ".DS_Store")
    assert sources.find_source("2").stand_in
    (folder / ".DS_Store").unlink()
    folder.rmdir()
    folder.symlink_to("nowhere")
    assert "no such folder" in refused(sources.find_source, "2")
