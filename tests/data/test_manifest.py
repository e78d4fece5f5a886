"""Manifest, folders and tables: what a dataset is, and one clear line where it is not."""

import contextlib
import json
import os
import socket
import time

import pandas as pd
import pytest
from PIL import Image

from lib.data import manifest
from lib.study import DATASETS, LABELS, NOT_OMNIGEN, UserError

REAL_1 = "1,dataset_1,real,534"
GOOD = ["path,label", "real/a.jpg,real", "fake/a.jpg,fake"]


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("STUDY_HOME", str(home))
    return home


@pytest.fixture
def table(tmp_path):
    """Writes a table of the given lines and returns its path."""

    def write(*lines, name="images.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


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


def changed_manifest(tmp_path, old, new):
    text = manifest.MANIFEST.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "data_manifest.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def refused(call, *arguments):
    with pytest.raises(UserError) as error:
        call(*arguments)
    text = str(error.value)
    assert "\n" not in text
    return text


def images(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def issues(data):
    files = manifest.image_files(manifest.find_source("", str(data), "test"))
    assert list(files.columns) == ["label", "path", "group", "split", "issue"]
    return dict(zip(files["path"], files["issue"]))


# -------------------------------------------------------------------------------------------------------- manifest


def test_manifest_has_the_studys_sizes():
    rows = manifest.read_manifest()
    rows["kind"] = rows["location"].str.split(":").str[0]
    sizes = rows.groupby(["kind", "dataset"])["images"].sum().to_dict()
    stand_ins = {"1": 1068, "2": 5517, "3": 10905, "4": 179430, "control": 1068}
    twins = {("kaggle", "3"): 10905, ("kaggle", "4"): 179430}
    assert sizes == {("standin", name): size for name, size in stand_ins.items()} | twins


def test_every_dataset_has_both_classes_of_about_the_same_size():
    rows = manifest.read_manifest().query("location == 'standin:'")
    sizes = rows.pivot(index="dataset", columns="label", values="images")
    assert set(sizes.index) == set(DATASETS) and list(sizes.columns) == list(LABELS)
    assert (sizes["real"] / sizes.sum(axis=1)).between(0.49, 0.51).all()


def test_the_public_set_is_never_said_to_be_the_studys():
    rows = manifest.read_manifest().query("location.str.startswith('kaggle:')")
    assert rows["notes"].str.startswith("Inferred from equal counts only").all()
    assert rows["notes"].str.contains("nothing shows that it is that set, and it says nothing about OmniGen").all()
    assert "not shown to be" in manifest.TWIN


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (REAL_1, "1,dataset_1,fake,534", "line 2, column label: found 'fake', expected real or synthetic"),
        ("2,dataset_2,real,2759", "9,dataset_2,real,2759", "line 4, column dataset: found '9', expected one of 1, 2"),
        (REAL_1, "1,dataset_2,real,534", "line 2, column name: found 'dataset_2', expected dataset_1"),
        (REAL_1, "1,first,real,534", "line 2, column name: found 'first'"),
        *[
            (REAL_1, f"1,dataset_1,real,{value}", f"line 2, column images: found {value!r}, expected a whole number")
            for value in ("-3", "0", "12.5", "x", "many", "", " 5", "1_0", "+5", "007", "1e3", "٣")
        ],
        *[
            ("standin:", value, f"line 2, column location: found {value!r}, expected standin:, kaggle:")
            for value in (
                *("../elsewhere", "/etc", "C:\\x", "standin:x", "", "kaggle:owner/set", "kaggle:o/../x", "ftp:x"),
                *("datasets/../../x", "datasets/a\\b", "datasets//x", "datasets", "datasets/./x", "datasets/.."),
            )
        ],
        ("drawn (stand-in)", "", "line 3, column generator: found '', expected what made the images"),
        ("real,534,", "real,534,GAN", "line 2, column generator: found 'GAN', expected nothing"),
        (",drawn by lib/data/standin.py", ",", "line 2, column origin: found '', expected one line of text"),
        ("Apache-2.0", "", "line 2, column licence: found '', expected one line of text"),
        (",Apache-2.0,,Null", ",Apache-2.0,abc,Null", "line 16, column sha256: found 'abc', expected 64"),
        ("Stand-ins; nothing here was made with OmniGen", "", "line 3, column notes: found '', expected one line"),
        (REAL_1, f"\n{REAL_1.replace('534', 'x')}", "line 3, column images: found 'x', expected"),
        ("real,534", "synthetic,534,made", "Expected 10 fields in line 2, saw 11"),
        (
            f"\n{REAL_1}",
            f"\n1,dataset_1,real,1,,x,standin:,x,,x\n{REAL_1}",
            "line 3, column location: found 'standin:'",
        ),
        ("real,5413,,drawn", "synthetic,5413,x,drawn", "line 7, column location: found 'standin:', expected each"),
        ("Dataset/Train/Real", "Dataset/Validation/Real", "line 14, column location: found 'kaggle:"),
        ("kaggle:manjilkarki/", "kaggle:another/", "dataset 3: found another/deepfake-and-real-images, manjilkarki/"),
    ],
)
def test_a_bad_value_is_named_with_line_and_column(tmp_path, old, new, said):
    text = refused(manifest.read_manifest, changed_manifest(tmp_path, old, new))
    assert said in text and ("expected" in text or "Expected" in text)


@pytest.mark.parametrize("kind", ["standin:", "kaggle:"])
@pytest.mark.parametrize("label", LABELS)
def test_a_dataset_needs_both_classes(tmp_path, kind, label):
    lines = manifest.MANIFEST.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not (line.startswith(f"3,dataset_3,{label}") and kind in line)]
    assert len(kept) == len(lines) - 1
    (tmp_path / "data_manifest.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    text = refused(manifest.read_manifest, tmp_path / "data_manifest.csv")
    assert f"dataset 3 has no {label} images at a {kind[:-1]} location; expected both classes" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("generator", "maker", "found columns .*, maker, .*; expected .*, generator, .*"),
        ("label,images", "images,label", "found columns .*, images, label, .*; expected .*, label, images, .*"),
        (",notes\n", "\n", "Expected 9 fields in line 2, saw 10"),
    ],
)
def test_wrong_columns_are_refused(tmp_path, old, new, said):
    with pytest.raises(UserError, match=said):
        manifest.read_manifest(changed_manifest(tmp_path, old, new))


def test_a_manifest_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "missing.csv"):
        assert f"{name}: cannot be read as a CSV table" in refused(manifest.read_manifest, tmp_path / name)


def test_a_location_may_not_leave_the_project_through_a_link(tmp_path, own_home):
    (own_home / "datasets").mkdir()
    (own_home / "datasets" / "mine").symlink_to(tmp_path)
    rows = "".join(
        f"1,dataset_1,{label},5,{made},me,datasets/{{0}}/{label},CC0,,mine\n"
        for label, made in (("real", ""), ("synthetic", "x"))
    )
    text = manifest.MANIFEST.read_text(encoding="utf-8")
    path = tmp_path / "data_manifest.csv"
    path.write_text(text + rows.format("mine"), encoding="utf-8")
    assert "line 18, column location: found 'datasets/mine/real', expected a folder inside" in refused(
        manifest.read_manifest, path
    )
    path.write_text(text + rows.format("here"), encoding="utf-8")
    assert len(manifest.read_manifest(path)) == 18


# --------------------------------------------------------------------------------------------------------- folders


@pytest.mark.parametrize(
    ("real", "synthetic"),
    [
        ("real", "synthetic"),
        ("Real", "FAKE"),
        ("0_real", "1_fake"),
        ("REAL", "AI"),
        ("real", "generated"),
        ("real", "Deepfake"),
    ],
)
def test_the_names_people_use_are_accepted(folder_of_images, real, synthetic):
    root = folder_of_images(1, real, synthetic)
    found = manifest.class_folders(root)
    assert found["real"].name == real and found["synthetic"].name == synthetic


def test_two_folders_for_one_class_are_refused(folder_of_images):
    root = folder_of_images(1)
    (root / "fake").mkdir()
    assert "both name the synthetic class" in refused(manifest.class_folders, root)


def test_missing_and_empty_folders_are_refused(folder_of_images, tmp_path):
    assert "no such folder" in refused(manifest.class_folders, tmp_path / "nowhere")
    root = folder_of_images(1, "real", "cats")
    text = refused(manifest.class_folders, root)
    assert "no folder for the synthetic images; found 'cats', 'real', expected" in text
    (root / "fake" / "inside").mkdir(parents=True)
    assert "fake: empty; expected the synthetic images" in refused(manifest.class_folders, root)
    (root / "fake" / "inside" / "a.jpg").touch()
    assert manifest.class_folders(root)["synthetic"] == root / "fake"


def test_a_class_folder_that_links_out_of_the_data_is_refused(tmp_path):
    images(tmp_path, "data/real/a.jpg", "elsewhere/a.jpg")
    (tmp_path / "data" / "fake").symlink_to(tmp_path / "elsewhere")
    text = refused(manifest.find_source, "", str(tmp_path / "data"))
    assert "fake: a link that points outside the data folder; expected a folder inside it" in text


def test_a_class_folder_may_link_inside_the_data_but_not_to_the_other_class(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "kept/b.jpg")
    (data / "fake").symlink_to("kept")
    assert issues(data) == {"real/a.jpg": "", "fake/b.jpg": ""}
    (data / "fake").unlink()
    (data / "fake").symlink_to("real")
    assert "both classes hold the same files" in refused(manifest.class_folders, data)


def test_data_may_itself_be_a_link(tmp_path):
    data = images(tmp_path / "disk", "real/a.jpg", "fake/b.jpg")
    (tmp_path / "link").symlink_to(data)
    source = manifest.find_source("", str(tmp_path / "link"), "test")
    assert source.root == data and source.folders["real"] == (data / "real",) and source.table is None
    assert issues(tmp_path / "link") == {"real/a.jpg": "", "fake/b.jpg": ""}


def test_every_file_is_a_row_in_order_of_label_and_path(tmp_path):
    names = ["zebra/real/b.jpg", "zebra/real/a/z.txt", "zebra/real/.hidden", "zebra/ai/B.png", "zebra/ai/a.png"]
    data = images(tmp_path, *names) / "zebra"
    (data / "readme.txt").touch()
    files = manifest.image_files(manifest.find_source("", str(data), "test"))
    assert list(zip(files["label"], files["path"])) == [
        ("real", "real/.hidden"),
        ("real", "real/a/z.txt"),
        ("real", "real/b.jpg"),
        ("synthetic", "ai/B.png"),
        ("synthetic", "ai/a.png"),
    ]
    assert (files[["group", "split", "issue"]] == "").all(axis=None)


def test_names_that_are_no_unicode_come_back_exactly(tmp_path):
    data = images(tmp_path / "data", "fake/a.jpg", "real/a\nb, \\ü.jpg")
    raw = os.fsencode(data / "real") + b"/b\xff.jpg"
    os.close(os.open(raw, os.O_CREAT))
    files = manifest.image_files(manifest.find_source("", str(data)))
    assert set(files["path"]) == {"fake/a.jpg", "real/a\nb, \\ü.jpg", "real/b\udcff.jpg"}
    assert os.fsencode(data / files["path"][files["path"].str.contains("udcff|b.\\.jpg$")].iloc[-1]) == raw


def test_entries_that_must_not_be_opened_are_set_aside(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg", "more/c.jpg")
    images(tmp_path, "outside.jpg", "folder/x.jpg")
    for name, target in {
        "inside.jpg": "../fake/a.jpg",
        "broken.jpg": "nothing",
        "loop.jpg": "loop.jpg",
        "out.jpg": "../../outside.jpg",
        "absolute.jpg": tmp_path / "outside.jpg",
        "folder": "../more",
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
    outside, irregular = "set aside: a link that points outside the data folder", "set aside: not a regular file"
    folder, broken = "set aside: a link to a folder, not followed", "set aside: broken link"
    assert issues(data) == {
        "fake/a.jpg": "",
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


@pytest.mark.parametrize("locked", ["", "real", "real/deep"])
def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(tmp_path, locked):
    data = images(tmp_path / "data", "real/a.jpg", "real/deep/b.jpg", "fake/a.jpg")
    readable_by_all(data)
    (data / locked).chmod(0)
    try:
        with as_nobody():
            text = refused(lambda: manifest.image_files(manifest.find_source("", str(data))))
    finally:
        (data / locked).chmod(0o755)
    assert f"{data / locked}: this folder cannot be read (Permission denied)" in text
    assert len(issues(data)) == 3


def test_a_folder_that_goes_away_is_an_error(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg")
    source = manifest.find_source("", str(data))
    (data / "real" / "a.jpg").unlink()
    (data / "real").rmdir()
    assert f"{data / 'real'}: this folder cannot be read (No such file" in refused(manifest.image_files, source)


def test_a_class_folder_that_becomes_a_link_out_is_refused_when_listed(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg")
    source = manifest.find_source("", str(data))
    (data / "real").rename(tmp_path / "elsewhere")
    (data / "real").symlink_to(tmp_path / "elsewhere")
    assert "points outside the data folder" in refused(manifest.image_files, source)


def test_listing_many_files_is_fast(tmp_path):
    data = images(tmp_path / "data", "fake/a.jpg")
    (data / "real").mkdir()
    for number in range(20_000):
        (data / "real" / f"{number}.jpg").touch()
    source = manifest.find_source("", str(data))
    began = time.process_time()
    assert len(manifest.image_files(source)) == 20_001
    # About 0.05 s here; resolving every path takes more than a second.
    assert time.process_time() - began < 0.5


# ------------------------------------------------------------------------------------------------------- stand-ins


def test_stand_ins_take_their_people_from_people_csv(own_home):
    source = manifest.find_source("2", "", "dataset_2")
    assert source.stand_in and source.words == NOT_OMNIGEN and source.counts == {"real": 2759, "synthetic": 2758}
    assert manifest.image_files(source).empty
    images(source.root, "real/0.jpg", "real/extra.jpg", "synthetic/0.jpg")
    assert set(manifest.image_files(source)["group"]) == {""}
    (source.root / "people.csv").write_text(
        "path,label,group,expression,angle\nreal/0.jpg,real,NA,1,2\nsynthetic/0.jpg,synthetic,7,1,2\n"
    )
    files = manifest.image_files(source)
    assert dict(zip(files["path"], files["group"])) == {
        "real/0.jpg": "NA",
        "real/extra.jpg": "",
        "synthetic/0.jpg": "7",
    }
    (source.root / "people.csv").write_text("file\nx\n")
    assert "people.csv: cannot be read" in refused(manifest.image_files, source)


def test_people_of_a_users_own_folder_are_not_used(tmp_path):
    data = images(tmp_path / "data", "real/a.jpg", "fake/a.jpg")
    (data / "people.csv").write_text("path,group\nreal/a.jpg,1\n")
    assert set(manifest.image_files(manifest.find_source("", str(data)))["group"]) == {""}


# ----------------------------------------------------------------------------------------------- order of the sources


def put_twin(dataset, **changes):
    """The folders of a public set, one file in each, and a marker that says it is complete."""
    found = manifest.twin(dataset)
    for folder in found.counts:
        images(found.root / folder, "a.jpg")
    found.marker.write_text(json.dumps({"handle": found.handle, "counts": found.counts, "time": "now"} | changes))
    return found


def test_a_users_images_win_over_the_public_set_and_that_over_stand_ins(own_home):
    assert manifest.find_source("3").stand_in
    found = put_twin("3")
    source = manifest.find_source("3", "", "dataset_3")
    assert not source.stand_in and source.words == manifest.TWIN and source.name == "dataset_3"
    assert source.counts == {"real": 5413, "synthetic": 5492} and source.root == found.root
    assert list(manifest.image_files(source)["path"]) == ["Dataset/Test/Real/a.jpg", "Dataset/Test/Fake/a.jpg"]
    for label in LABELS:
        folder = own_home / "datasets" / "3" / label
        folder.mkdir(parents=True)
        Image.new("RGB", (80, 80)).save(folder / "a.png")
    source = manifest.find_source("3")
    assert not source.stand_in and source.words == "own images" and source.counts == {}
    files = manifest.image_files(source)
    assert list(zip(files["label"], files["path"])) == [("real", "real/a.png"), ("synthetic", "synthetic/a.png")]
    assert manifest.find_source("1").words == NOT_OMNIGEN


def test_the_public_set_of_dataset_4_has_two_folders_for_each_class(own_home):
    put_twin("4")
    source = manifest.find_source("4")
    assert source.counts == {"real": 89788, "synthetic": 89642}
    files = manifest.image_files(source)
    assert list(files["label"]) == ["real", "real", "synthetic", "synthetic"]
    assert manifest.find_source("3").stand_in


def test_a_public_set_that_is_not_known_to_be_whole_is_not_used(own_home):
    for changes in ({"handle": "someone/else"}, {"counts": {"Dataset/Test/Real": 1}}, {"counts": None}):
        put_twin("3", **changes)
        assert manifest.find_source("3").stand_in
    found = put_twin("3")
    assert not manifest.find_source("3").stand_in
    for text in ("", "[]", "{"):
        found.marker.write_text(text)
        assert manifest.find_source("3").stand_in
    put_twin("3")
    (found.root / "Dataset" / "Test" / "Fake").rename(found.root / "Dataset" / "Test" / "gone")
    assert manifest.find_source("3").stand_in


def test_datasets_without_a_public_set_and_unknown_ones(own_home):
    assert [manifest.twin(name) is None for name in DATASETS] == [True, True, False, False, True]
    assert "dataset '9': expected one of 1, 2, 3, 4, control" in refused(manifest.find_source, "9")


def test_a_place_for_own_images_that_is_no_folder_is_not_passed_over(own_home):
    folder = own_home / "datasets" / "2"
    images(folder, ".DS_Store")
    assert manifest.find_source("2").stand_in
    (folder / ".DS_Store").unlink()
    folder.rmdir()
    folder.symlink_to("nowhere")
    assert "no such folder" in refused(manifest.find_source, "2")


# ---------------------------------------------------------------------------------------------------------- tables


def test_a_csv_table_gives_label_group_and_split(tmp_path, table):
    rows = [
        f"{kind}/{split}{number}.jpg, {label} ,{'P ü' if number else ''},{split},x"
        for kind, label in (("r", "Real"), ("f", "AI-generated"))
        for split in ("Training", "VAL", "testing")
        for number in range(2)
    ]
    path = table("Path, LABEL,group,Split,extra", *rows)
    for row in rows[1:]:
        images(tmp_path, row.split(",")[0])
    source = manifest.find_source("", str(path), "mine")
    assert (source.root, source.table, source.folders, source.counts) == (tmp_path, path, {}, {})
    assert source.words == "own images" and not source.stand_in and source.name == "mine"
    files = manifest.image_files(source)
    assert len(files) == 12 and list(files["label"]) == ["real"] * 6 + ["synthetic"] * 6
    assert list(files["path"]) == sorted(files["path"][:6]) + sorted(files["path"][6:])
    assert files["split"].value_counts().to_dict() == {"train": 4, "validation": 4, "test": 4}
    assert set(files["group"]) == {"", "P ü"}
    assert files.query("issue != ''")[["path", "issue"]].values.tolist() == [
        ["r/Training0.jpg", "set aside: no such file"]
    ]


@pytest.mark.parametrize("word", ["valid", "dev", "Validation", " val "])
def test_words_for_validation(table, word):
    rows = [
        f"{label}{n}.jpg,{label},{split}"
        for label in ("real", "fake")
        for n, split in enumerate(("train", word, "test"))
    ]
    assert set(manifest.read_table(table("path,label,split", *rows))["split"]) == {"train", "validation", "test"}


@pytest.mark.parametrize(("real", "fake"), [("0", "1"), ("REAL", "Deepfake"), ("genuine", "gan"), ("real_faces", "ai")])
def test_words_for_labels(table, real, fake):
    assert list(manifest.read_table(table("path,label", f"a,{real}", f"b,{fake}"))["label"]) == list(LABELS)


@pytest.mark.parametrize("value", ["", "2", "cat", "01", "1 real", "0_fake", "0.0", "NA", "réal", "-1", "fake1"])
def test_a_label_that_is_neither_is_named(table, value):
    text = refused(manifest.find_source, "", str(table(*GOOD, f"c.jpg,{value}")))
    assert (
        f"images.csv: line 4, column label: found {value!r}, expected real, synthetic or fake, or 0 (real) or 1" in text
    )


@pytest.mark.parametrize(
    "value",
    ["", " ", ".", "./", "..", "../x.jpg", "a/../../x.jpg", "a/..", "/etc/passwd", "//server/x", "C:\\x", "c:/x", "C:x"]
    + ["\\\\server\\x", "..\\x", "a\\b.jpg"],
)
def test_a_path_that_may_lie_elsewhere_is_named(table, value):
    text = refused(manifest.find_source, "", str(table(*GOOD, f"{value},real")))
    assert f"line 4, column path: found {value!r}, expected a file's path relative to the table's folder" in text


@pytest.mark.parametrize("again", ["real/a.jpg", "./real/a.jpg", "real//a.jpg", "real/./a.jpg"])
def test_a_path_that_is_there_twice_is_named(table, again):
    text = refused(manifest.find_source, "", str(table(*GOOD, f"{again},fake")))
    assert f"line 4, column path: found {again!r}, expected each path once" in text


def test_lines_are_counted_as_a_spreadsheet_shows_them(table):
    path = table("path,label", "", '"a\nb.jpg",real', ",", "b.jpg,fake", "c.jpg,dog", "d.jpg,cat")
    assert "line 6, column label: found 'dog'" in refused(manifest.find_source, "", str(path))
    short = table("path,label", "a.jpg,real", "b.jpg")
    assert "line 3, column label: found ''" in refused(manifest.find_source, "", str(short))


def test_empty_lines_a_byte_order_mark_and_names_with_commas_are_fine(tmp_path, table):
    images(tmp_path, "a, b.jpg", "NA")
    path = table("path,label,group", '"a, b.jpg",real,NA', "", "NA,fake,", "", encoding="utf-8-sig")
    files = manifest.image_files(manifest.find_source("", str(path)))
    assert files.values.tolist() == [["real", "a, b.jpg", "NA", "", ""], ["synthetic", "NA", "", "", ""]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path,label"], "empty; expected a row for each image"),
        (["path,label", "", ","], "empty; expected a row for each image"),
        (["path,label", "a,real", "b,0"], "column label: found no synthetic image, expected both classes"),
        (["path,label", "a,fake"], "column label: found no real image, expected both classes"),
        (["file,label", "a,real"], "column path is missing; found columns 'file', 'label', expected path and label"),
        (["path;label", "a;real"], "column path is missing; found columns 'path;label'"),
        (["path", "a"], "column label is missing; found columns 'path'"),
        (["path,label,Path", "a,real,b"], "column path is twice"),
        (["path,label,split,split", "a,real,,"], "column split is twice"),
        (
            ["path,label", "a,real,x"],
            "cannot be read as a CSV table in UTF-8 (Error tokenizing data. C error: Expected 2",
        ),
        (["path,label", '"a,real'], "cannot be read as a CSV table in UTF-8"),
        (["", "path,label", "a,real"], "cannot be read as a CSV table"),
        ([*GOOD[:1], "a\0b,real", "c,fake"], "column"),
    ],
)
def test_tables_that_are_none_are_refused(table, lines, said):
    assert said in refused(manifest.find_source, "", str(table(*lines)))


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes("path,label\nü,real\n".encode("latin-1"))
    (tmp_path / "empty.csv").touch()
    for name in ("latin.csv", "empty.csv"):
        assert f"{name}: cannot be read as a CSV table" in refused(manifest.find_source, "", str(tmp_path / name))
    assert "no.csv: no such file; expected a folder that" in refused(manifest.find_source, "", str(tmp_path / "no.csv"))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "pipe.csv: no such file" in refused(manifest.find_source, "", str(tmp_path / "pipe.csv"))


@pytest.mark.parametrize("name", ["images.xlsx", "images.txt", "images", "images.csv.gz"])
def test_other_files_are_refused(table, name):
    text = refused(manifest.find_source, "", str(table(*GOOD, name=name)))
    assert "expected a folder that holds real/ and synthetic/, or a table (.csv or .parquet)" in text


def test_an_ending_in_capitals_and_a_folder_with_a_tables_ending_are_fine(tmp_path, table):
    assert manifest.find_source("", str(table(*GOOD, name="A.CSV"))).table == tmp_path / "A.CSV"
    assert manifest.find_source("", str(images(tmp_path / "x.csv", "real/a", "fake/a"))).table is None


def test_a_table_behind_a_link_has_its_files_beside_itself(tmp_path, table):
    path = table(*GOOD, name="t.csv")
    images(tmp_path, "real/a.jpg", "fake/a.jpg")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link.csv").symlink_to(path)
    assert issues(tmp_path / "sub" / "link.csv") == {"real/a.jpg": "", "fake/a.jpg": ""}


SPLIT_ROWS = [f"{label}{split},{label},{split}" for label in ("real", "fake") for split in ("train", "val", "test")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [*SPLIT_ROWS, "x,real,"],
            "line 8, column split: found '', expected train, validation, test: in every row, or in",
        ),
        ([*SPLIT_ROWS, "x,real, "], "line 8, column split: found ' ', expected train, validation, test: in every row"),
        ([*SPLIT_ROWS, "x,real,tset"], "line 8, column split: found 'tset', expected train, validation, test"),
        (
            SPLIT_ROWS[:-1],
            "column split: found no synthetic image in test, expected both classes in each of train, val",
        ),
        ([row for row in SPLIT_ROWS if "val" not in row], "column split: found no real image in validation"),
    ],
)
def test_splits_that_cannot_be_used_are_refused(table, rows, said):
    assert said in refused(manifest.find_source, "", str(table("path,label,split", *rows)))


def test_a_split_column_may_be_empty(table):
    frame = manifest.read_table(table("path,label,split", "a,real,", "b,fake, "))
    assert list(frame["split"]) == ["", ""]


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
    outside = "set aside: a link that points outside the data folder"
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


# --------------------------------------------------------------------------------------------------------- parquet


def parquet(folder, columns):
    pytest.importorskip("pyarrow")
    pd.DataFrame(columns).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def test_a_parquet_table_says_the_same_as_a_csv(tmp_path):
    images(tmp_path, "a", "b")
    path = parquet(tmp_path, {"label": [1, 0], "path": ["b", "a"], "group": [3, None], "other": [[1], [2]]})
    files = manifest.image_files(manifest.find_source("", str(path)))
    assert files.values.tolist() == [["real", "a", "", "", ""], ["synthetic", "b", "3.0", "", ""]]


def test_a_parquet_table_may_hold_categories_and_an_index(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"path": ["a", "b"], "label": pd.Categorical(["real", "fake"]), "group": [1, 2]})
    frame.set_index("path").to_parquet(tmp_path / "t.parquet")
    files = manifest.read_table(tmp_path / "t.parquet")
    assert files.values.tolist() == [["real", "a", "1", ""], ["synthetic", "b", "2", ""]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"path": ["a", "b", "../c"], "label": [0, 1, 1]}, "row 3, column path: found '../c', expected a file's path"),
        ({"path": ["a", "b", "a"], "label": [0, 1, 1]}, "row 3, column path: found 'a', expected each path once"),
        ({"path": ["a", None], "label": [0, 1]}, "row 2, column path: found '', expected a file's path"),
        ({"path": ["a", "b\0c"], "label": [0, 1]}, "row 2, column path: found 'b\\x00c', expected a file's path"),
        ({"path": [1, 2], "label": [0, 1]}, "row 1, column path: found 1, expected text"),
        ({"path": [b"a", b"b"], "label": [0, 1]}, "row 1, column path: found b'a', expected text"),
        ({"path": ["a", "b"], "label": [0, 2]}, "row 2, column label: found '2', expected real, synthetic"),
        ({"path": ["a", "b"], "label": ["real", None]}, "row 2, column label: found '', expected real, synthetic"),
        ({"path": ["a", "b"], "label": [0, 0]}, "column label: found no synthetic image"),
        ({"path": [], "label": []}, "empty; expected a row for each image"),
        ({"path": ["a"]}, "column label is missing; found columns 'path'"),
        ({"path": ["a", "b"], "label": [0, 1], "split": ["train", None]}, "row 2, column split: found '', expected"),
    ],
)
def test_a_bad_row_of_a_parquet_table_is_named(tmp_path, columns, said):
    path = parquet(tmp_path, columns)
    assert f"t.parquet: {said}" in refused(manifest.find_source, "", str(path))


def test_a_file_that_is_no_parquet_and_a_missing_package_are_refused(tmp_path, table, monkeypatch):
    pytest.importorskip("pyarrow")
    path = table(*GOOD, name="t.parquet")
    assert "t.parquet: cannot be read as a Parquet table" in refused(manifest.find_source, "", str(path))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "need the package pyarrow" in refused(manifest.find_source, "", str(path))
