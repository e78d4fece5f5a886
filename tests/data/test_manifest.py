"""The manifest: the study's sizes, and one clear line for what is wrong in it."""

import pytest
from support import refused

from lib.data.source import download, manifest
from lib.study.names import DATASETS, LABELS, UserError

REAL_1 = "1,dataset_1,real,534"


def changed_manifest(tmp_path, old, new):
    text = manifest.MANIFEST.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "data_manifest.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


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
    assert "not shown to be" in download.TWIN


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
        (",drawn by lib/data/standin/draw.py", ",", "line 2, column origin: found '', expected one line of text"),
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
