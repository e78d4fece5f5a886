"""Columns beside the study's own: what tables and folders say of each image, as far as images.csv and the scores."""

import io
import json
import os

import pandas as pd
import pytest
from PIL import Image
from support import PROJECT, complaints, finish, images, refused

from lib import study
from lib.data.audit import audit
from lib.data.source import formats, listing, names, sources
from lib.data.source.table import TABLES
from lib.study.options import Reading


def read(path, **reading):
    source = sources.find_source("", str(path), "mine", Reading(**reading))
    return source.understood, listing.image_files(source)


def generators(files):
    """(label, generator) to number of files, of those that are used."""
    return files[files["issue"] == ""].groupby(["label", "generator"]).size().to_dict()


def some(folder, count=2):
    return [f"{folder}/{number:04}.jpg" for number in range(count)]


# --------------------------------------------------------------------------------------------------------------- tables


def test_a_table_keeps_every_column_and_says_what_is_in_them(tmp_path, table):
    images(tmp_path, "a", "b", "c")
    path = table("path,label,Generator,Sex,age", "a,real,,f,31", "b,fake,SDXL,m,31.0", "c,fake, ADM ,m,")
    understood, files = read(path)
    assert list(files.columns) == [*listing.FILE_COLUMNS, "generator", "sex", "age"]
    assert files[["generator", "sex", "age"]].values.tolist() == [
        ["", "f", "31"],
        ["SDXL", "m", "31.0"],
        ["ADM", "m", ""],
    ]
    assert understood.columns["generator"] == "2 values (SDXL 1, ADM 1), by the table, column generator"
    assert understood.columns["sex"] == "2 values (m 2, f 1), by the table"
    assert "column generator: 2 values" in understood.line()


def test_a_table_without_more_columns_has_none(tmp_path, table):
    images(tmp_path, "a", "b")
    understood, files = read(table("path,label", "a,real", "b,fake"))
    assert list(files.columns) == listing.FILE_COLUMNS and understood.columns == {}


def test_names_of_the_study_win_and_doubtful_columns_are_left_out_with_the_reason(tmp_path, table):
    images(tmp_path, "a", "b")
    path = table("path,label,sha256,Width,score,y,,tag,tag", "a,real,x,1,2,3,4,5,6", "b,fake,x,1,2,3,4,5,6")
    understood, files = read(path)
    assert list(files.columns) == [*listing.FILE_COLUMNS, "tag"] and set(files["tag"]) == {"5"}
    for name in ("sha256", "width", "score", "y"):
        assert understood.columns[name] == "left out: the study has a column of this name"
    assert understood.columns["number 7"] == "left out: it has no name"
    assert understood.columns["tag (number 9)"] == "left out: there is one of this name before it"
    text = refused(sources.find_source, "", str(table("path,label,generator,generator", "a,real,,", "b,fake,x,y")))
    assert "column generator is twice" in text


def test_two_columns_that_could_be_the_group_one_is_and_one_is_kept(tmp_path, table):
    images(tmp_path, "a", "b")
    files = read(table("path,label,person,group", "a,real,anna,1", "b,fake,bert,2"))[1]
    assert list(files["group"]) == ["1", "2"] and list(files["person"]) == ["anna", "bert"]


def test_real_images_and_missing_values_have_no_generator(tmp_path, table):
    images(tmp_path, *"abcde")
    rows = ["a,real,camera", "b,real,NaN", "c,fake,nan", "d,fake,None", "e,fake,SDXL"]
    understood, files = read(table("path,label,generator", *rows))
    assert list(files["generator"]) == ["", "", "", "", "SDXL"]
    assert "not taken for real files, which have none (1 value (camera 1))" in understood.columns["generator"]
    assert "not known of 2 synthetic files" in understood.columns["generator"]


def test_a_column_of_ten_thousand_values_is_counted_and_kept(table):
    rows = [f"{n},{('real', 'fake')[n % 2]},prompt {n}" for n in range(10_000)]
    understood, files = read(table("path,label,prompt", *rows))
    assert understood.columns == {"prompt": "10,000 values, by the table"}
    assert files["prompt"].nunique() == 10_000


EVIL = (
    "=1+1",
    "<script>alert(1)</script>",
    "+cmd|' /C calc'!A0",
    "NaN",
    '"quoted"',
    "two\nlines",
    "a\rb",
    "ü 漢字🙂",
    "1e5",
)


def test_values_reach_images_csv_and_the_scores_as_they_are(tmp_path, monkeypatch, table):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    for number, name in enumerate("ab"):
        Image.new("RGB", (80, 80), (90 * number, 10, 20)).save(tmp_path / f"{name}.png")
    for evil in EVIL:
        quoted = '"' + evil.replace('"', '""') + '"'
        path = table("path,label,generator,=evil", f"a.png,real,,{quoted}", f"b.png,fake,{quoted},x")
        source = sources.find_source("", str(path), "mine")
        found = audit.audit_files(source, audit.list_files(source), lambda count: None)
        assert list(found.columns) == [*study.IMAGE_COLUMNS, "generator", "=evil"]
        run = study.open_run(data=str(path), name="mine", results=str(tmp_path / "results"))
        found["split"] = ["validation", "test"]
        known = {"dataset": {"source": "x"}, "shortcut": {"warning": ""}}
        run.write_audit(found, pd.DataFrame(columns=["image_a", *study.PAIR_COLUMNS[1:]]), known)
        kept = evil.replace("\r", "\\r")
        assert run.images()["=evil"].tolist() == [kept, "x"]
        assert run.images()["generator"].tolist() == ["", "" if evil == "NaN" else kept.strip()]
        assert all("\n" not in line and "\r" not in line for line in source.understood.lines())


def test_scores_have_the_columns_of_the_images_and_scores_csv_stays_small(tmp_path):
    run = study.open_run(data=str(tmp_path), name="mine", results=str(tmp_path / "results"))
    found = finish(run)
    plain = run.scored()
    made = ["" if label == "real" else f"g{at % 3}" for at, label in enumerate(found["label"])]
    run.write_audit(
        found.assign(generator=made, sex="f"), run.pairs(), {k: v for k, v in run.audit().items() if k != "schema"}
    )
    # Several generators are part of what results depend on.
    assert "run notebook 02" in refused(run.scored)
    run.record(images_key=run.images_key())
    scored = run.scored()
    assert list(scored.columns) == [*plain.columns, "generator", "sex"]
    pd.testing.assert_frame_equal(scored[plain.columns], plain)
    by_id = dict(zip(found["image_id"], made))
    assert scored["generator"].tolist() == [by_id[name] for name in scored["image_id"]]
    assert list(run.scores().columns) == study.SCORE_COLUMNS


def test_one_generator_changes_no_key(tmp_path):
    run = study.open_run(data=str(tmp_path), name="mine", results=str(tmp_path / "results"))
    found, before = finish(run), run.images_key()
    made = ["" if label == "real" else "SDXL" for label in found["label"]]
    run.write_audit(found.assign(generator=made), run.pairs(), {k: v for k, v in run.audit().items() if k != "schema"})
    assert run.images_key() == before and len(run.scored())


def test_stand_ins_have_the_generator_of_the_manifest():
    assert sources.find_source("1").generator == "drawn (stand-in)"
    assert sources.find_source("control").generator == "drawn (null control)"


# -------------------------------------------------------------------------------------------------------------- folders


def test_large_folders_inside_the_synthetic_class_are_generators(tmp_path):
    understood, files = read(images(tmp_path, *some("real", 4), *some("synthetic/SDXL", 3), *some("synthetic/ADM")))
    assert generators(files) == {("real", ""): 4, ("synthetic", "SDXL"): 3, ("synthetic", "ADM"): 2}
    assert understood.columns["generator"].endswith("by the folders inside the synthetic ones")


@pytest.mark.parametrize(
    "names",
    [
        ["real/a.jpg", "fake/only/b.jpg"],
        # Of both classes: people, videos or categories.
        [f"{label}/{name}/a.jpg" for label in ("real", "fake") for name in ("anna", "bert")],
        # Many small ones are groups.
        ["real/a.jpg", *(f"fake/video{n}/a.jpg" for n in range(12))],
        # Parts of a split.
        [f"{label}/{split}/a.jpg" for label in ("real", "fake") for split in ("train", "val", "test")],
        [f"{split}_{label}/a.jpg" for label in ("real", "fake") for split in ("train", "val", "test")],
    ],
)
def test_other_folders_are_no_generators(tmp_path, names):
    understood, files = read(images(tmp_path, *names))
    assert list(files.columns) == listing.FILE_COLUMNS and understood.columns == {}


@pytest.mark.parametrize("split", ["", "train/"])
def test_genimage(tmp_path, split):
    made = ("Midjourney", "stable_diffusion_v_1_5", "BigGAN")
    names = [f"{name}/{split}{label}/{n}.jpg" for name in made for label in ("ai", "nature") for n in range(2)]
    found = generators(read(images(tmp_path, *names))[1])
    assert found == {("real", ""): 6} | {("synthetic", name): 2 for name in made}


def test_genimage_with_its_split(tmp_path):
    parts = ("train", "val", "test")
    data = images(
        tmp_path,
        *(f"{g}/{part}/{label}/a.jpg" for g in ("ADM", "VQDM") for part in parts for label in ("ai", "nature")),
    )
    _, files = read(data)
    assert set(zip(files["generator"], files["split"])) == {(g, s) for g in ("", "ADM", "VQDM") for s in study.SPLITS}


def test_cnndetection_names_the_generator_by_the_outermost_folder(tmp_path):
    folders = ["stargan", "progan/car", "progan/cat", "cyclegan/apple"]
    names = [f"test/{folder}/{label}/{n}.png" for folder in folders for label in ("0_real", "1_fake") for n in range(2)]
    found = generators(read(images(tmp_path, *names))[1])
    assert found == {
        ("real", ""): 8,
        ("synthetic", "stargan"): 2,
        ("synthetic", "progan"): 4,
        ("synthetic", "cyclegan"): 2,
    }


def test_a_tree_beside_a_folder_that_is_none_is_refused(tmp_path):
    data = images(tmp_path, "ADM/ai/a.jpg", "ADM/nature/a.jpg", "VQDM/ai/a.jpg", "VQDM/nature/a.jpg", "notes/x.txt")
    text = refused(sources.find_source, "", str(data))
    assert "no folder for the real and the synthetic images" in text and "'notes'" in text


METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def test_faceforensics_links_both_videos_of_a_fake(tmp_path):
    names = [f"original/{video:03}/{frame:04}.png" for video in range(6) for frame in range(2)]
    names += [
        f"{method}/{one:03}_{one ^ 1:03}/{frame:04}.png" for method in METHODS for one in range(4) for frame in range(2)
    ]
    understood, files = read(images(tmp_path, *names))
    assert generators(files) == {("real", ""): 12} | {("synthetic", method): 8 for method in METHODS}
    groups = dict(zip(files["path"], files["group"]))
    assert groups["original/000/0000.png"] == groups["original/001/0001.png"] == "000+001"
    assert groups["FaceSwap/001_000/0000.png"] == groups["Deepfakes/000_001/0001.png"] == "000+001"
    assert groups["original/004/0000.png"] == "004" and files["group"].nunique() == 4
    assert understood.groups.startswith("4 by the numbers of videos (pairs of videos such as 000_003 linked")
    assert set(read(tmp_path, groups="none")[1]["group"]) == {""}


@pytest.mark.parametrize("form", ["{0}/{1}.png", "{0}/{1}_0007.png", "{0}/c23/frames/{1}/0007.png"])
def test_faceforensics_however_its_frames_lie(tmp_path, form):
    top = (
        {"original": "original_sequences/youtube", "Deepfakes": "manipulated_sequences/Deepfakes"}
        if "c23" in form
        else {}
    )
    names = [form.format(top.get("original", "original"), f"{video:03}") for video in range(5)]
    names += [form.format(top.get("Deepfakes", "Deepfakes"), pair) for pair in ("000_003", "003_000", "001_002")]
    files = read(images(tmp_path, *names))[1]
    assert sorted(set(files["group"])) == ["000+003", "001+002", "004"]


def test_numbers_that_only_look_like_pairs_link_nothing(tmp_path):
    data = images(
        tmp_path, *(f"real/{n:04}_{n:04}.jpg" for n in range(3)), *(f"fake/{n:03}_{n:03}.jpg" for n in range(3))
    )
    assert set(read(data)[1]["group"]) == {""}


def test_a_table_that_disagrees_with_the_folders_wins_and_it_is_said(tmp_path, table):
    names = [f"synthetic/{name}/{n}.jpg" for name in ("SDXL", "ADM") for n in range(3)]
    images(tmp_path, "real/a.jpg", *names)
    rows = [f"{name},fake,{'sdxl' if 'SDXL' in name else 'VQDM'}" for name in names]
    understood, files = read(table("path,label,generator", "real/a.jpg,real,", *rows))
    assert generators(files) == {("real", ""): 1, ("synthetic", "sdxl"): 3, ("synthetic", "VQDM"): 3}
    assert "the folders say otherwise in 3 of 6 files (such as ADM for VQDM): the table counts" in understood.line()


LAYOUTS = {
    "folders inside the synthetic class, few or large, with names that the real class has not": (
        ("real/1.jpg", "synthetic/SDXL/1.jpg", "synthetic/ADM/1.jpg"),
        {"SDXL": 1, "ADM": 1},
    ),
    "several synthetic folders beside one another (FaceForensics++)": (
        ("original/000.jpg", "Deepfakes/000_003.jpg", "FaceSwap/000_003.jpg"),
        {"Deepfakes": 1, "FaceSwap": 1},
    ),
    "a folder for each generator, with both classes (GenImage)": (
        ("ADM/nature/1.jpg", "ADM/ai/1.jpg", "VQDM/nature/1.jpg", "VQDM/ai/1.jpg"),
        {"ADM": 1, "VQDM": 1},
    ),
    "the same with categories inside (CNNDetection)": (
        ("progan/car/0_real/1.png", "progan/car/1_fake/1.png", "stargan/0_real/1.png", "stargan/1_fake/1.png"),
        {"progan": 1, "stargan": 1},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_of_the_page_is_read_as_it_says(tmp_path, layout):
    paths, expected = LAYOUTS[layout]
    found = generators(read(images(tmp_path, *paths))[1])
    assert {made: count for (label, made), count in found.items() if label == "synthetic"} == expected
    assert {made for label, made in found if label == "real"} == {""}


def test_the_page_lists_the_layouts_and_names_that_give_columns():
    page = PROJECT / "docs/data.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- layouts -->\n")
    rows = [
        f"| {layout} | {', '.join(f'`{path}`' for path in paths)} | {', '.join(f'`{made}`' for made in expected)} |"
        for layout, (paths, expected) in LAYOUTS.items()
    ]
    known = {
        "column of the generator": names.COLUMNS["generator"],
        "endings of tables": TABLES,
        "imagefolder": formats.METADATA,
        "column of pictures in Parquet": formats.PICTURES,
    }
    rows += [f"| {what} | {', '.join(f'`{name}`' for name in words)} | |" for what, words in known.items()]
    lines = ["| form | example, or names | generators |", "|-|-|-|", *rows]
    now = f"{before}<!-- layouts -->\n" + "".join(f"{line}\n" for line in lines) + "<!-- layouts end -->"
    now += rest.partition("<!-- layouts end -->")[2]
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(now, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == now


# ---------------------------------------------------------------------------------------------------- other forms


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
@pytest.mark.parametrize("whole", [True, False])
def test_imagefolder(tmp_path, name, whole):
    rows = [
        {"file_name": f"{letter}.jpg", "label": label, "generator": made}
        for letter, label, made in (("a", 0, ""), ("b", 1, "SDXL"))
    ]
    for split in ("train", "validation", "test"):
        folder = tmp_path / split
        images(folder, "a.jpg", "b.jpg")
        if name.endswith("csv"):
            pd.DataFrame(rows).to_csv(folder / name, index=False)
        else:
            (folder / name).write_text("".join(json.dumps({**row, "objects": {"box": [1]}}) + "\n" for row in rows))
    understood, files = read(tmp_path if whole else tmp_path / "train" / name)
    assert generators(files) == {("real", ""): 3 if whole else 1, ("synthetic", "SDXL"): 3 if whole else 1}
    if whole:
        assert files["split"].value_counts().to_dict() == {"train": 2, "validation": 2, "test": 2}
        assert understood.split.startswith("by the table")
    if name.endswith("jsonl"):
        assert understood.columns["objects"] == "left out: holds lists or objects, expected text or numbers"


def test_metadata_beside_folders_of_classes_adds_columns_only(tmp_path):
    images(tmp_path, "real/a.jpg", "fake/b.jpg", "fake/c.jpg")
    before = read(tmp_path)[1]
    (tmp_path / "metadata.csv").write_text("file_name,label,generator,sex\nfake/b.jpg,9,SDXL,f\nreal/a.jpg,9,,m\n")
    understood, files = read(tmp_path)
    files = files[files["path"] != "metadata.csv"]
    assert files[listing.FILE_COLUMNS].values.tolist() == before.values.tolist()
    assert dict(zip(files["path"], files["generator"])) == {"real/a.jpg": "", "fake/b.jpg": "SDXL", "fake/c.jpg": ""}
    assert list(files["sex"]) == ["m", "f", ""] and "label" in understood.columns


def test_a_bad_row_of_metadata_names_its_file(tmp_path):
    for split in ("train", "test"):
        images(tmp_path / split, "a.jpg", "b.jpg")
        label = "cat" if split == "test" else "fake"
        (tmp_path / split / "metadata.csv").write_text(f"file_name,label\na.jpg,real\nb.jpg,{label}\n")
    assert "line 3 of test/metadata.csv, column label: found 'cat'" in refused(sources.find_source, "", str(tmp_path))


def test_metadata_without_labels_does_not_hide_why_the_folder_is_refused(tmp_path):
    images(tmp_path, "a.jpg")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.jpg,x\n")
    assert "no folder for the real and the synthetic images" in refused(sources.find_source, "", str(tmp_path))


def deepfakebench(folder):
    content = {"FaceForensics++": {"FF-real": {}, "FF-DF": {}, "FF-F2F": {}}}
    for label, videos in {"FF-real": ("000", "003", "007"), "FF-DF": ("000_003",), "FF-F2F": ("003_000",)}.items():
        for split in ("train", "val", "test"):
            known = {}
            for video in videos:
                frames = [f"FF++\\{label}\\{split}\\{video}\\{n:03}.png" for n in range(2)]
                images(folder, *(frame.replace("\\", "/") for frame in frames))
                known[video] = {"label": label, "frames": frames}
            content["FaceForensics++"][label][split] = {"c23": known}
    (folder / "FaceForensics++.json").write_text(json.dumps(content))
    return folder / "FaceForensics++.json"


def test_deepfakebench(tmp_path):
    understood, files = read(deepfakebench(tmp_path))
    assert generators(files) == {("real", ""): 18, ("synthetic", "FF-DF"): 6, ("synthetic", "FF-F2F"): 6}
    assert set(files["split"]) == set(study.SPLITS) and set(files["group"]) == {"000+003", "007"}
    assert "by the numbers of videos" in understood.groups


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "cannot be read as JSON in UTF-8"),
        ("a.json", "[1]", "row 1: found 1, expected an object"),
        ("a.json", '{"set": {"label": 3}}', "set / label: found 3, expected DeepfakeBench's layout"),
        ("a.json", "[]", "column path is missing"),
        ("a.jsonl", '{"path": "a", "label": 0}\nx\n', "line 2: found 'x', expected one JSON object"),
        ("a.jsonl", '{"path": "a", "label": 0}\n\n{"path": "b", "label": 7}\n', "line 3, column label: found '7'"),
    ],
)
def test_json_that_is_no_table_is_refused_in_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    assert said in refused(sources.find_source, "", str(tmp_path / name))


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), (colour, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def parquet(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))

    def write(columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


@pytest.mark.parametrize("structure", [True, False])
def test_pictures_inside_a_parquet_file_become_files_once(tmp_path, parquet, structure):
    data = [picture(0), picture(90), picture(90)]
    held = [{"bytes": each, "path": f"sub/{n}.png"} for n, each in enumerate(data)] if structure else data
    path = parquet({"image": held, "label": [0, 1, 1], "generator": [None, "SDXL", "ADM"], "vector": [[1.0]] * 3})
    source = sources.find_source("", str(path), "mine")
    files = listing.image_files(source)
    assert generators(files) == {("real", ""): 1, ("synthetic", "SDXL"): 1, ("synthetic", "ADM"): 1}
    assert source.understood.columns["vector"].startswith("left out: holds list")
    assert [(source.root / name).read_bytes() for name in files["path"]] == data and "inner" not in files
    assert ("original_path" in files) == structure and set(files["group"]) == {""}
    written = {name: (source.root / name).stat().st_mtime_ns for name in files["path"]}
    again = sources.find_source("", str(path), "mine")
    assert {name: (again.root / name).stat().st_mtime_ns for name in files["path"]} == written
    (again.root / files["path"][0]).unlink()
    assert sources.find_source("", str(path), "mine").understood.aside == {}


def test_a_row_without_a_picture_is_named(parquet):
    path = parquet({"image": [picture(0), None], "label": [0, 1]})
    assert "t.parquet: row 2, column image: found None, expected the bytes of a picture" in refused(
        sources.find_source, "", str(path)
    )


def test_names_of_classes_in_a_parquet_file_count_more_than_their_numbers(tmp_path, parquet):
    import pyarrow as arrow
    from pyarrow import parquet as files

    path = parquet({"image": [picture(0), picture(90)], "label": [0, 1]})
    known = {"info": {"features": {"label": {"names": ["fake", "real"], "_type": "ClassLabel"}}}}
    stored = files.read_table(path).replace_schema_metadata({"huggingface": json.dumps(known)})
    assert isinstance(stored, arrow.Table)
    files.write_table(stored, path)
    assert read(path)[0].labels == {"real": {"label real": 1}, "synthetic": {"label fake": 1}}


def test_the_audit_keeps_what_was_understood(tmp_path, table):
    images(tmp_path, "a", "b")
    path = table("path,label,generator", "a,real,", "b,fake,SDXL")
    source = sources.find_source("", str(path), "mine")
    run = study.open_run(data=str(path), name="mine", results=str(tmp_path / "results"))
    empty = pd.DataFrame(columns=list(study.IMAGE_COLUMNS))
    pairs = pd.DataFrame(columns=study.PAIR_COLUMNS).astype({"same_label": bool, "across_split": bool})
    probe = {"roc_auc": {"value": 0.5, "low": 0.4, "high": 0.6}, "warning": "", "before": None}
    content = {"schema": 1, **audit.summary(run, source, empty, pairs, probe)}
    assert content["understood"]["columns"]["generator"].startswith("1 value (SDXL 1)")
    assert complaints("audit", json.loads(json.dumps(content))) == []
