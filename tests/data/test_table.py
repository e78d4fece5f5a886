"""Tables of images, CSV and Parquet: what they may say, and one clear line for what they may not."""

import json
import os
import tracemalloc
import unicodedata
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from support import GOOD_TABLE, images, refused

from lib.data.source import formats, listing, names, sources
from lib.data.source.table import read_table
from lib.study.names import LABELS
from lib.study.options import Reading


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
    source = sources.find_source("", str(path), "mine")
    assert (source.root, source.table, source.counts) == (tmp_path, path, {})
    assert source.words == "own images" and not source.stand_in and source.name == "mine"
    files = listing.image_files(source)
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
    assert set(read_table(table("path,label,split", *rows))["split"]) == {"train", "validation", "test"}


@pytest.mark.parametrize(("real", "fake"), [("0", "1"), ("REAL", "Deepfake"), ("genuine", "gan"), ("real_faces", "ai")])
def test_words_for_labels(table, real, fake):
    assert list(read_table(table("path,label", f"a,{real}", f"b,{fake}"))["label"]) == list(LABELS)


@pytest.mark.parametrize("value", ["", "2", "cat", "01", "1 real", "0_fake", "0.0", "NA", "réal", "-1", "fake1"])
def test_a_label_that_is_neither_is_named(table, value):
    text = refused(sources.find_source, "", str(table(*GOOD_TABLE, f"c.jpg,{value}")))
    assert (
        f"images.csv: line 4, column label: found {value!r}, expected real, synthetic or fake, or 0 (real) or 1" in text
    )


@pytest.mark.parametrize(
    "value",
    ["", " ", ".", "./", "..", "../x.jpg", "a/../../x.jpg", "a/..", "/etc/passwd", "//server/x", "C:\\x", "c:/x", "C:x"]
    + ["\\\\server\\x", "..\\x", "a\\b.jpg"],
)
def test_a_path_that_may_lie_elsewhere_is_named(table, value):
    text = refused(sources.find_source, "", str(table(*GOOD_TABLE, f"{value},real")))
    assert f"line 4, column path: found {value!r}, expected a file's path relative to the table's folder" in text


@pytest.mark.parametrize("again", ["real/a.jpg", "./real/a.jpg", "real//a.jpg", "real/./a.jpg"])
def test_a_path_that_is_there_twice_is_named(table, again):
    text = refused(sources.find_source, "", str(table(*GOOD_TABLE, f"{again},fake")))
    assert f"line 4, column path: found {again!r}, expected each path once" in text


def test_lines_are_counted_as_a_spreadsheet_shows_them(table):
    path = table("path,label", "", '"a\nb.jpg",real', ",", "b.jpg,fake", "c.jpg,dog", "d.jpg,cat")
    assert "line 6, column label: found 'dog'" in refused(sources.find_source, "", str(path))
    short = table("path,label", "a.jpg,real", "b.jpg")
    assert "line 3, column label: found ''" in refused(sources.find_source, "", str(short))


def test_empty_lines_a_byte_order_mark_and_names_with_commas_are_fine(tmp_path, table):
    images(tmp_path, "a, b.jpg", "NA")
    path = table("path,label,group", '"a, b.jpg",real,NA', "", "NA,fake,", "", encoding="utf-8-sig")
    files = listing.image_files(sources.find_source("", str(path)))
    assert files.values.tolist() == [["real", "a, b.jpg", "NA", "", ""], ["synthetic", "NA", "", "", ""]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path,label"], "empty; expected a row for each image"),
        (["path,label", "", ","], "empty; expected a row for each image"),
        (["path,label", "a,real", "b,0"], "column label: found no synthetic image, expected both classes"),
        (["path,label", "a,fake"], "column label: found no real image, expected both classes"),
        (["scan,label", "a,real"], "column path is missing; found columns 'scan', 'label', expected path and label"),
        (["path label", "a real"], "column path is missing; found columns 'path label'"),
        (["path", "a"], "column label is missing; found columns 'path'"),
        (["path,label,Path", "a,real,b"], "column path is twice"),
        (["path,label,split,split", "a,real,,"], "column split is twice"),
        (
            ["path,label", "a,real,x"],
            "cannot be read as a CSV table in UTF-8 (Error tokenizing data. C error: Expected 2",
        ),
        (["path,label", '"a,real'], "cannot be read as a CSV table in UTF-8"),
        (["", "path,label", "a,real"], "cannot be read as a CSV table"),
        ([*GOOD_TABLE[:1], "a\0b,real", "c,fake"], "column"),
    ],
)
def test_tables_that_are_none_are_refused(table, lines, said):
    assert said in refused(sources.find_source, "", str(table(*lines)))


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
        ([row for row in SPLIT_ROWS if "train" not in row], "column split: found no real image in train"),
    ],
)
def test_splits_that_cannot_be_used_are_refused(table, rows, said):
    assert said in refused(sources.find_source, "", str(table("path,label,split", *rows)))


def test_a_split_column_may_be_empty(table):
    frame = read_table(table("path,label,split", "a,real,", "b,fake, "))
    assert list(frame["split"]) == ["", ""]


LONG = "x" * 200_000


@pytest.mark.parametrize(
    "lines",
    [
        [*GOOD_TABLE, f"../{LONG},real"],
        [*GOOD_TABLE, f"c.jpg,{LONG}"],
        [*GOOD_TABLE, f"{LONG}.jpg,real", f"{LONG}.jpg,real"],
        ["path,label,split", f"a,real,{LONG}", "b,fake,test"],
        [f"{LONG},label", "a,real"],
        [f"path,label,{LONG},{LONG}x", "a,dog,1,2"],
        ["path,label,label_str", f"a,1,{LONG} real", "b,0,fake"],
        ["path,label", f"real/a,fake {LONG}", f"fake/b,real {LONG}"],
    ],
)
def test_a_message_quotes_no_more_than_a_part_of_a_value(table, lines):
    assert len(refused(sources.find_source, "", str(table(*lines)))) < 1500


@pytest.mark.parametrize(
    "text", [f'["{LONG}"]', f'{{"a": "{LONG}"}}', f'[{{"{LONG}": 1}}]', f'[{{"path": "{LONG}", "label": 7}}]']
)
def test_a_message_on_json_quotes_no_more_than_a_part_of_it(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    assert len(refused(sources.find_source, "", str(tmp_path / "t.json"))) < 1500


def test_long_names_are_cut_in_what_is_said_of_a_table(table):
    rows = [
        f"{kind}{LONG}/{n}.jpg,{label} {'word ' * 9999}"
        for kind, label in (("a", "real"), ("b", "fake"))
        for n in range(4)
    ]
    source = sources.find_source("", str(table("path,label", *rows)), "mine")
    assert len(source.understood.line()) < 1500
    assert set(source.rows["issue"]) == {"set aside: cannot be read (File name too long)"}


def test_a_path_of_many_parts_is_looked_at_once(table):
    source = sources.find_source("", str(table("path,label", f"{'a/' * 100_000}x,real", "b.jpg,fake")))
    assert source.rows["issue"].str.startswith("set aside: ").all()


def test_a_table_of_too_many_columns_is_refused(table, tmp_path):
    many = ",".join(f"c{at}" for at in range(2000))
    assert "has 2,002 columns, expected at most 1,000" in refused(
        sources.find_source, "", str(table(f"path,label,{many}"))
    )
    (tmp_path / "t.json").write_text(json.dumps([{f"c{at}": 1} for at in range(2000)]))
    assert "has 2,000 columns" in refused(sources.find_source, "", str(tmp_path / "t.json"))


def test_a_large_table_is_read_with_one_question_about_each_file(tmp_path, table, monkeypatch):
    """Each file is looked at once, each folder once, and equal values are read once."""
    asked, words = Counter(), Counter()
    lstat, class_of_name = os.lstat, names._class_of
    monkeypatch.setattr(os, "lstat", lambda path, **more: (asked.update([os.fspath(path)]), lstat(path, **more))[1])
    monkeypatch.setattr(names, "_class_of", lambda name: (words.update([name]), class_of_name(name))[1])
    rows = [f"d/p{n % 50:02}/f{n:04},{('real', 'fake')[n % 2]},{n % 3}" for n in range(1000)]
    images(tmp_path, *(row.split(",")[0] for row in rows))
    files = listing.image_files(sources.find_source("", str(table("path,label,age", *rows)), "mine"))
    assert (files["issue"] == "").all()
    own = {path: count for path, count in asked.items() if path.startswith(f"{tmp_path}/")}
    assert len(own) == 1000 + 51 + 1 and max(own.values()) <= 2
    assert max(own[path] for path in own if path.count("/") == f"{tmp_path}/d/p00/f0000".count("/")) == 1


# -------------------------------------------------------------------------------------------------------------- parquet


def parquet(folder, columns):
    pytest.importorskip("pyarrow")
    pd.DataFrame(columns).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def test_a_parquet_table_says_the_same_as_a_csv(tmp_path):
    images(tmp_path, "a", "b")
    path = parquet(tmp_path, {"label": [1, 0], "path": ["b", "a"], "group": [3, None], "other": [[1], [2]]})
    files = listing.image_files(sources.find_source("", str(path)))
    assert files.values.tolist() == [["real", "a", "", "", ""], ["synthetic", "b", "3.0", "", ""]]


def test_a_parquet_table_may_hold_categories_and_an_index(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"path": ["a", "b"], "label": pd.Categorical(["real", "fake"]), "group": [1, 2]})
    frame.set_index("path").to_parquet(tmp_path / "t.parquet")
    files = read_table(tmp_path / "t.parquet")[["label", "path", "group", "split"]]
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
    assert f"t.parquet: {said}" in refused(sources.find_source, "", str(path))


def test_a_date_beyond_pythons_leaves_its_column_out(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as form

    images(tmp_path, "a", "b")
    far = arrow.array([2**30, 0], arrow.int32()).cast(arrow.date32())
    form.write_table(arrow.table({"path": ["a", "b"], "label": [0, 1], "day": far}), tmp_path / "t.parquet")
    rows = read_table(tmp_path / "t.parquet")
    assert "day" not in rows and "holds values that cannot be read" in rows.attrs["left_out"]["day"]
    form.write_table(arrow.table({"path": ["a", "b"], "label": far}), tmp_path / "t.parquet")
    assert "column 'label': holds values that cannot be read" in refused(read_table, tmp_path / "t.parquet")


def test_equal_texts_of_a_parquet_table_take_their_memory_once(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as form

    count = 200_000
    for kind in (arrow.string(), arrow.dictionary(arrow.int32(), arrow.string())):
        places = arrow.array(np.zeros(count, "int32"))
        same = arrow.DictionaryArray.from_arrays(places, ["a" * 2000]).cast(kind)
        form.write_table(arrow.table({"path": same, "label": [0, 1] * (count // 2)}), tmp_path / "t.parquet")
        assert (tmp_path / "t.parquet").stat().st_size < 10**6
        del same
        before = arrow.total_allocated_bytes()
        arrow.default_memory_pool().release_unused()
        tracemalloc.start()
        text = refused(read_table, tmp_path / "t.parquet")
        assert tracemalloc.get_traced_memory()[1] < 100e6 and arrow.total_allocated_bytes() - before < 50e6
        tracemalloc.stop()
        assert "row 2, column path: found 'aaa" in text and "expected each path once" in text


def test_a_parquet_table_that_says_to_have_too_many_rows_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(formats, "MOST_ROWS", 1)
    path = parquet(tmp_path, {"path": ["a", "b"], "label": [0, 1]})
    assert "has 2 rows, expected at most 1" in refused(read_table, path)


def test_a_file_that_is_no_parquet_and_a_missing_package_are_refused(tmp_path, table, monkeypatch):
    pytest.importorskip("pyarrow")
    path = table(*GOOD_TABLE, name="t.parquet")
    assert "t.parquet: cannot be read as a Parquet table" in refused(sources.find_source, "", str(path))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "need the package pyarrow" in refused(sources.find_source, "", str(path))


# ------------------------------------------------------------------------------------------ tables as people have them


def read(path, **reading):
    source = sources.find_source("", str(path), "mine", Reading(**reading))
    return source.understood, listing.image_files(source)


@pytest.mark.parametrize(
    "header", ["filename,target", "image_path,label", "File_Name,Label", "filename;target", "path\tlabel", "file,class"]
)
def test_columns_and_separators_that_people_use(tmp_path, table, header):
    mark = next(mark for mark in ",;\t" if mark in header)
    images(tmp_path, "a.jpg", "b.jpg")
    understood, files = read(table(header, f"a.jpg{mark}0", f"b.jpg{mark}1"))
    assert files[["label", "path", "issue"]].values.tolist() == [["real", "a.jpg", ""], ["synthetic", "b.jpg", ""]]
    assert understood.labels == {"real": {"label 0": 1}, "synthetic": {"label 1": 1}}


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("path,label,label_str", "x{0}.jpg,{1},{2}"),
        ("path,label", "{2}/{0}.jpg,{1}"),
        ("path,label", "train/{2}/sub/{0}.jpg,{1}"),
        ("path,label", "{2}_{0}.jpg,{1}"),
        (",id,label,label_str,path", "{0},r{0},{1},{2},train/{2}/{0}.jpg"),
    ],
)
def test_a_1_that_means_real_is_refused_and_can_be_stated(table, header, form):
    rows = [form.format(n, 1 - n % 2, ("real", "fake")[n % 2]) for n in range(4)]
    path = table(header, *rows)
    text = refused(sources.find_source, "", str(path))
    assert (
        "line 2, column label: found '1', which is read as synthetic, but" in text
        and "says real (so in 4 of 4 rows)" in text
    )
    assert "--labels 0=synthetic,1=real" in text
    understood, files = read(path, labels="1=real,0=synthetic")
    assert understood.labels == {"real": {"label 1 (--labels)": 2}, "synthetic": {"label 0 (--labels)": 2}}


def test_a_word_that_the_folder_contradicts_is_named_with_its_line(table):
    rows = ["real/a.jpg,real", "real/b.jpg,fake", "fake/c.jpg,fake"]
    text = refused(sources.find_source, "", str(table("path,label", *rows)))
    assert (
        "line 3, column label: found 'fake', which is read as synthetic, but its folder says real (so in 1 of 3 rows)"
        in text
    )


def test_a_folder_that_names_one_class_for_all_contradicts_nothing(table):
    assert len(read(table("path,label", "deepfake set/a.jpg,real", "deepfake set/b.jpg,fake"))[1]) == 2


def test_words_of_another_study_are_stated(table):
    path = table("path,label", "a.jpg,cat", "b.jpg,dog", "c.jpg,bird")
    assert "or --labels WORD=CLASS" in refused(sources.find_source, "", str(path))
    understood, files = read(path, labels="cat=real,DOG=synthetic,bird=none")
    assert sorted(files["label"]) == ["", "real", "synthetic"] and understood.aside["left out by --labels"] == 1


def test_absolute_paths_inside_the_tables_folder_are_taken_and_others_refused(tmp_path, table):
    images(tmp_path, "in/a.jpg", "b.jpg")
    files = read(table("path,label", f"{tmp_path}/in/a.jpg,real", f"{tmp_path}/in/../b.jpg,fake"))[1]
    assert files[["path", "issue"]].values.tolist() == [["in/a.jpg", ""], ["b.jpg", ""]]
    text = refused(sources.find_source, "", str(table("path,label", f"{tmp_path}/in/a.jpg,real", "/etc/passwd,fake")))
    assert "line 3, column path: found '/etc/passwd'" in text


@pytest.mark.parametrize(("disk", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_letters_that_are_composed_otherwise_on_disk_are_found(tmp_path, table, disk, written):
    on_disk, in_table = (unicodedata.normalize(form, "mädchen/é.jpg") for form in (disk, written))
    images(tmp_path, on_disk, "b.jpg")
    files = read(table("path,label", f"{in_table},real", "b.jpg,fake"))[1]
    assert files[["path", "issue"]].values.tolist() == [[on_disk, ""], ["b.jpg", ""]]


@pytest.mark.parametrize("column", ["set", "subset", "partition"])
def test_other_columns_of_a_split_are_taken_where_every_value_is_one(table, column):
    rows = [f"{label}{split}.jpg,{label},{split}" for label in ("real", "fake") for split in ("train", "val", "test")]
    assert set(read(table(f"path,label,{column}", *rows))[1]["split"]) <= {"train", "validation", "test"}
    understood, _ = read(table(f"path,label,{column}", *rows), split="anew")
    assert understood.split == "drawn anew, by --split anew"
    understood, _ = read(table(f"path,label,{column}", *rows[:-1], "x.jpg,fake,large"))
    assert understood.split == "none given, drawn here"


def test_links_out_of_the_tables_folder_are_followed_where_asked(tmp_path, table):
    images(tmp_path, "elsewhere/a.jpg")
    images(tmp_path / "data", "b.jpg")
    (tmp_path / "data" / "a.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    path = table("path,label", "a.jpg,real", "b.jpg,fake", name="data/t.csv")
    assert "--follow-links" in read(path)[1]["issue"].iloc[0]
    assert set(read(path, follow_links=True)[1]["issue"]) == {""}
