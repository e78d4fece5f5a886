"""Files of a source: every one is listed, and what must not be opened is set aside or refused."""

import contextlib
import os
import socket
import time

import pytest
from support import GOOD_TABLE, images, issues, refused

from lib.data.audit import audit
from lib.data.source import listing, sources
from lib.study.names import LABELS, NOT_OMNIGEN


@contextlib.contextmanager
def as_nobody():
    """Root may read everything, so as root a test of unreadable folders becomes somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def readable_by_all(path):
    """pytest's folders are private to their owner; open the way to `path`."""
    for folder in (path, *path.parents[:4]):
        if "pytest-" in str(folder):
            folder.chmod(0o755)


def test_every_file_is_a_row_in_order_of_label_and_path(tmp_path):
    names = ["zebra/real/b.jpg", "zebra/real/a/z.txt", "zebra/real/.hidden", "zebra/ai/B.png", "zebra/ai/a.png"]
    data = images(tmp_path, *names) / "zebra"
    (data / "readme.txt").touch()
    files = listing.image_files(sources.find_source("", str(data), "test"))
    assert list(zip(files["label"], files["path"])) == [
        ("", "readme.txt"),
        ("real", "real/.hidden"),
        ("real", "real/a/z.txt"),
        ("real", "real/b.jpg"),
        ("synthetic", "ai/B.png"),
        ("synthetic", "ai/a.png"),
    ]
    assert (files[["group", "split"]] == "").all(axis=None)
    assert list(files["issue"]) == ["set aside: stands outside the folders of the classes", *[""] * 5]


def test_names_that_are_no_unicode_come_back_exactly(tmp_path):
    data = images(tmp_path / "data", "fake/a.jpg", "real/a\nb, \\ü.jpg")
    raw = os.fsencode(data / "real") + b"/b\xff.jpg"
    os.close(os.open(raw, os.O_CREAT))
    files = listing.image_files(sources.find_source("", str(data)))
    assert set(files["path"]) == {"fake/a.jpg", "real/a\nb, \\ü.jpg", "real/b\udcff.jpg"}
    assert os.fsencode(data / files["path"][files["path"].str.contains("udcff|b.\\.jpg$")].iloc[-1]) == raw


def test_entries_that_must_not_be_opened_are_set_aside(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg", "fake/more/c.jpg")
    images(tmp_path, "outside.jpg", "folder/x.jpg")
    for name, target in {
        "inside.jpg": "../fake/a.jpg",
        "broken.jpg": "nothing",
        "loop.jpg": "loop.jpg",
        "out.jpg": "../../outside.jpg",
        "absolute.jpg": tmp_path / "outside.jpg",
        "folder": "../fake/more",
        "up": "..",
        "outfolder": tmp_path / "folder",
        "device": "/dev/null",
    }.items():
        (data / "real" / name).symlink_to(target)
    os.mkfifo(data / "real" / "pipe")
    os.mkfifo(data / "pipe")
    (data / "real" / "topipe").symlink_to("../pipe")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(data / "real"):
        server.bind("socket")
    outside, irregular = (
        "set aside: a link that points outside the data folder (--follow-links uses it)",
        "set aside: not a regular file",
    )
    folder, broken = "set aside: a link to a folder, not followed", "set aside: broken link"
    assert issues(data) == {
        "fake/a.jpg": "",
        "fake/more/c.jpg": "",
        "pipe": irregular,
        "real/a.jpg": "",
        "real/inside.jpg": "",
        "real/broken.jpg": broken,
        "real/loop.jpg": broken,
        "real/out.jpg": outside,
        "real/absolute.jpg": outside,
        "real/outfolder": outside,
        "real/device": outside,
        "real/folder": folder,
        "real/up": folder,
        "real/pipe": irregular,
        "real/topipe": irregular,
        "real/socket": irregular,
    }


def test_entries_of_a_table_that_must_not_be_opened_are_set_aside(tmp_path):
    data = images(tmp_path / "data", "a.jpg", "kept/b.jpg", "plain/x.jpg")
    images(tmp_path, "out/c.jpg")
    (data / "broken").symlink_to("nothing")
    (data / "inlink").symlink_to("a.jpg")
    (data / "outlink").symlink_to("../out/c.jpg")
    (data / "folderlink").symlink_to("kept")
    (data / "outfolder").symlink_to("../out")
    os.mkfifo(data / "pipe")
    long = "n" * 300
    outside = "set aside: a link that points outside the data folder (--follow-links uses it)"
    expected = {
        "a.jpg": "",
        "inlink": "",
        "folderlink/b.jpg": "",
        "broken": "set aside: broken link",
        "outlink": outside,
        "outfolder/c.jpg": outside,
        "outfolder/missing.jpg": outside,
        "folderlink": "set aside: a link to a folder, not followed",
        "plain": "set aside: not a regular file",
        "pipe": "set aside: not a regular file",
        "missing.jpg": "set aside: no such file",
        "a.jpg/x": "set aside: no such file",
        long: "set aside: cannot be read (File name too long)",
    }
    rows = [f"{name},{number % 2}" for number, name in enumerate(expected)]
    (data / "t.csv").write_text("\n".join(["path,label", *rows]))
    assert issues(data / "t.csv") == expected


def test_a_table_is_read_once(tmp_path, table):
    path = table(*GOOD_TABLE)
    images(tmp_path, "real/a.jpg", "fake/a.jpg")
    source = sources.find_source("", str(path))
    path.unlink()
    assert list(listing.image_files(source)["path"]) == ["real/a.jpg", "fake/a.jpg"]


@pytest.mark.parametrize("locked", ["", "real", "real/deep"])
def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(tmp_path, locked):
    data = images(tmp_path / "data", "real/a.jpg", "real/deep/b.jpg", "fake/a.jpg")
    readable_by_all(data)
    (data / locked).chmod(0)
    try:
        with as_nobody():
            text = refused(lambda: listing.image_files(sources.find_source("", str(data))))
    finally:
        (data / locked).chmod(0o755)
    assert f"{data / locked}: this folder cannot be read (Permission denied)" in text
    assert len(issues(data)) == 3


def test_listing_many_files_is_fast(tmp_path):
    data = images(tmp_path / "data", "fake/a.jpg")
    (data / "real").mkdir()
    for number in range(20_000):
        (data / "real" / f"{number}.jpg").touch()
    began = time.process_time()
    assert len(listing.image_files(sources.find_source("", str(data)))) == 20_001
    # About 0.2 s here; resolving every path takes more than a second.
    assert time.process_time() - began < 0.8


def test_stand_ins_take_their_people_from_people_csv(own_home):
    source = sources.find_source("2", "", "dataset_2")
    assert source.stand_in and source.words == NOT_OMNIGEN and source.counts == {"real": 2759, "synthetic": 2758}
    assert listing.image_files(source).empty
    images(source.root, "real/0.jpg", "real/extra.jpg", "synthetic/0.jpg")
    assert set(listing.image_files(source)["group"]) == {""}
    (source.root / "people.csv").write_text(
        "path,label,group,expression,angle\nreal/0.jpg,real,NA,1,2\nsynthetic/0.jpg,synthetic,7,1,2\n"
    )
    files = listing.image_files(source)
    assert dict(zip(files["path"], files["group"])) == {
        "real/0.jpg": "NA",
        "real/extra.jpg": "",
        "synthetic/0.jpg": "7",
    }
    (source.root / "people.csv").write_text("file\nx\n")
    assert "people.csv: cannot be read" in refused(listing.image_files, source)


def test_people_of_a_users_own_folder_are_not_used(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg")
    (data / "people.csv").write_text("path,group\nreal/a.jpg,1\n")
    assert set(listing.image_files(sources.find_source("", str(data)))["group"]) == {""}


def test_a_sample_of_a_set_with_a_split_has_both_classes_in_each_split(tmp_path):
    # Small validation and test splits, as people have them; of 300 images a class by chance often none.
    sizes = {"train": 292, "val": 4, "test": 4}
    rows = [
        (f"{label}/{split}{n}.jpg", label, split)
        for label in ("real", "fake")
        for split in sizes
        for n in range(sizes[split])
    ]
    images(tmp_path, *(path for path, *_ in rows))
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["path,label,split", *map(",".join, rows)]) + "\n")
    found = audit.list_files(sources.find_source("", str(table), "test"), limit=100)
    counts = found.groupby(["split", "label"]).size().to_dict()
    assert counts == {
        (split, label): each for split, each in (("test", 4), ("train", 35), ("validation", 4)) for label in LABELS
    }
    # Each split has its share where it has enough, and what is taken follows from the names.
    even = [(path, label, ("train", "val", "test")[row % 3]) for row, (path, label, _) in enumerate(rows)]
    table.write_text("\n".join(["path,label,split", *map(",".join, even)]) + "\n")
    found = audit.list_files(sources.find_source("", str(table), "test"), limit=100)
    assert found.groupby("split").size().to_dict() == {"test": 16, "train": 70, "validation": 16}
    assert found["path"].is_unique and list(found.index) == list(range(len(found)))
    assert found.equals(audit.list_files(sources.find_source("", str(table), "test"), limit=100))
