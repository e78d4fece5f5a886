"""Manifest and folders: what a dataset is, and one clear line where it is not."""

import pytest
from PIL import Image

from lib.data import manifest
from lib.study import DATASETS, LABELS, UserError


def test_manifest_has_the_studys_sizes():
    sizes = manifest.read_manifest().groupby("dataset")["images"].sum().to_dict()
    assert sizes == {"1": 1068, "2": 5517, "3": 10905, "4": 179430, "control": 1068}


def test_every_dataset_has_both_classes_of_about_the_same_size():
    sizes = manifest.read_manifest().pivot(index="dataset", columns="label", values="images")
    assert set(sizes.index) == set(DATASETS) and list(sizes.columns) == list(LABELS)
    assert (sizes["real"] / sizes.sum(axis=1)).between(0.49, 0.51).all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1,dataset_1,real,534", "1,dataset_1,fake,534", "line 2, column label: found 'fake'"),
        ("2,dataset_2,real,2759", "9,dataset_2,real,2759", "line 4, column dataset: found '9'"),
        ("1,dataset_1,real,534", "1,dataset_1,real,-3", "line 2, column images: found '-3'"),
        ("1,dataset_1,real,534", "1,dataset_1,real,many", "line 2, column images: found 'many'"),
        ("standin:", "../elsewhere", "line 2, column location: found '../elsewhere'"),
        (",Apache-2.0,,Null", ",Apache-2.0,abc,Null", "line 10, column sha256: found 'abc'"),
    ],
)
def test_a_bad_value_is_named_with_line_and_column(tmp_path, old, new, said):
    path = tmp_path / "data_manifest.csv"
    path.write_text(manifest.MANIFEST.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        manifest.read_manifest(path)
    assert said in str(error.value) and "expected" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("generator", "maker", "found columns .*, maker, .*; expected .*, generator, .*"),
        ("generator,", "", "found columns .*; expected .*, generator, .*"),
        ("real,534", "synthetic,534", "line 2, .*uniqueness"),
    ],
)
def test_wrong_columns_and_repeated_rows_are_refused(tmp_path, old, new, said):
    path = tmp_path / "data_manifest.csv"
    path.write_text(manifest.MANIFEST.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        manifest.read_manifest(path)


def test_a_manifest_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "missing.csv"):
        with pytest.raises(UserError, match=f"{name}: cannot be read as a CSV table"):
            manifest.read_manifest(tmp_path / name)


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
    with pytest.raises(UserError, match="both name the synthetic class"):
        manifest.class_folders(root)


def test_missing_and_empty_folders_are_refused(folder_of_images, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        manifest.class_folders(tmp_path / "nowhere")
    root = folder_of_images(1, "real", "cats")
    with pytest.raises(UserError, match="no folder for the synthetic images; found 'cats', 'real', expected"):
        manifest.class_folders(root)
    (root / "fake" / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match="fake: empty; expected the synthetic images"):
        manifest.class_folders(root)
    (root / "fake" / "inside" / "a.jpg").touch()
    assert manifest.class_folders(root)["synthetic"] == root / "fake"


def test_a_users_images_win_over_stand_ins(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path))
    assert manifest.find_source("2").stand_in
    for label in ("real", "synthetic"):
        folder = tmp_path / "datasets" / "2" / label
        folder.mkdir(parents=True)
        Image.new("RGB", (80, 80)).save(folder / "a.png")
    source = manifest.find_source("2")
    assert not source.stand_in and source.words == "own images"
    assert [(label, path.name) for label, path in manifest.image_files(source)] == [
        ("real", "a.png"),
        ("synthetic", "a.png"),
    ]
    assert manifest.find_source("1").words == "stand-in images, not OmniGen"
