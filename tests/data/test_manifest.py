"""Manifest and folders: what a dataset is, and one clear line where it is not."""

import pytest
from PIL import Image

from lib.data import manifest
from lib.study import UserError


def test_manifest_has_the_studys_sizes():
    sizes = manifest.read_manifest().groupby("dataset")["images"].sum().to_dict()
    assert sizes == {"1": 1068, "2": 5517, "3": 10905, "4": 179430, "control": 1068}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1,dataset_1,real,534", "1,dataset_1,fake,534", "line 2, column label: found 'fake'"),
        ("1,dataset_1,real,534", "9,dataset_1,real,534", "column dataset: found '9'"),
        ("1,dataset_1,real,534", "1,dataset_1,real,-3", "column images"),
        ("standin:", "../elsewhere", "column location"),
    ],
)
def test_a_bad_value_is_named_with_line_and_column(tmp_path, old, new, said):
    path = tmp_path / "data_manifest.csv"
    path.write_text(manifest.MANIFEST.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        manifest.read_manifest(path)
    assert said in str(error.value) and "expected" in str(error.value)


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


def test_a_users_images_win_over_stand_ins(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path))
    assert manifest.find_source("2").stand_in
    for label in ("real", "synthetic"):
        folder = tmp_path / "datasets" / "2" / label
        folder.mkdir(parents=True)
        Image.new("RGB", (80, 80)).save(folder / "a.png")
    source = manifest.find_source("2")
    assert not source.stand_in and source.words == "own images"
    assert manifest.find_source("1").words == "stand-in images, not OmniGen"
