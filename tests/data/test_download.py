"""The public set: what is fetched is counted before it is used, and what goes wrong is one line."""

import json
import os
import sys
import types

import pytest

from lib.data.source import download, listing, manifest, sources
from lib.study.names import DATASETS, UserError

HANDLE = "manjilkarki/deepfake-and-real-images"
EACH = {"Test/Real": 3, "Test/Fake": 2, "Train/Real": 4, "Train/Fake": 4, "Validation/Real": 2, "Validation/Fake": 1}


@pytest.fixture(autouse=True)
def small_set(tmp_path, monkeypatch):
    """A home of its own, and a manifest whose public set has a few images only."""
    home = tmp_path / "my home ü"
    home.mkdir()
    monkeypatch.setenv("STUDY_HOME", str(home))
    rows = manifest.read_manifest()
    prefix = f"kaggle:{HANDLE}/Dataset/"
    for folder, count in EACH.items():
        rows.loc[rows["location"] == prefix + folder, "images"] = count
    monkeypatch.setattr(sources, "read_manifest", lambda path=None: rows.copy())
    monkeypatch.setattr(download, "read_manifest", lambda path=None: rows.copy())
    return home


def lay_out(folder, missing=(), extra=()):
    """Files as the set has them, without those in `missing` and with those in `extra`."""
    for part, count in EACH.items():
        (folder / "Dataset" / part).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            if f"{part}/{number}.jpg" not in missing:
                (folder / "Dataset" / part / f"{number}.jpg").write_bytes(b"x")
    for name in extra:
        (folder / "Dataset" / name).write_bytes(b"x")
    return folder


def downloader(**options):
    """Stands for kagglehub; notes how often it is asked."""
    calls = []

    def run(handle, folder):
        calls.append(handle)
        return lay_out(folder, **options)

    run.calls = calls
    return run


def never(handle, folder):
    raise AssertionError("nothing should be downloaded")


def refused(*arguments, **options):
    with pytest.raises(UserError) as error:
        download.fetch(*arguments, on_line=lambda line: None, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def root(home):
    return home / "datasets" / "kaggle" / HANDLE


def test_a_whole_download_is_marked_and_used(small_set):
    lines, run = [], downloader()
    assert sources.find_source("3").stand_in
    source = download.fetch("3", run, lines.append)
    assert run.calls == [HANDLE]
    assert source.root == root(small_set) and source.counts == {"real": 3, "synthetic": 2}
    assert source.words == download.TWIN and not source.stand_in and source.name == "dataset_3"
    assert sources.find_source("3", "", "dataset_3") == source
    assert list(listing.image_files(source)["label"]) == ["real"] * 3 + ["synthetic"] * 2
    marker = json.loads((root(small_set) / "complete-3.json").read_text())
    assert set(marker) == {"handle", "counts", "time"} and marker["handle"] == HANDLE
    assert marker["counts"] == {"Dataset/Test/Real": 3, "Dataset/Test/Fake": 2}
    assert lines == [
        f"downloading Kaggle set {HANDLE} to {source.root}",
        f"{source.root}: all 5 images are there",
    ]


def test_what_is_there_is_not_downloaded_again(small_set):
    run = downloader()
    download.fetch("3", run)
    # Dataset 4 lies in other folders of the same set; it is used only once it has been asked for and counted.
    assert sources.find_source("4").stand_in
    assert download.fetch("4", never).counts == {"real": 6, "synthetic": 5}
    assert not sources.find_source("4").stand_in
    download.fetch("3", never)
    assert run.calls == [HANDLE]


def test_files_in_another_folder_are_moved_to_where_they_belong(small_set, tmp_path):
    def elsewhere(handle, folder):
        return lay_out(tmp_path / "cache" / "versions" / "1")

    download.fetch("3", elsewhere)
    assert (root(small_set) / "Dataset" / "Train" / "Fake" / "0.jpg").is_file()
    assert not (tmp_path / "cache" / "versions" / "1").exists() and (tmp_path / "cache").exists()


def test_a_partial_download_is_refused_and_completed_by_a_second_call(small_set):
    text = refused("3", downloader(missing=["Test/Real/0.jpg", "Test/Fake/0.jpg", "Test/Fake/1.jpg"]))
    assert "the download is not complete: Dataset/Test/Real 2 of 3, Dataset/Test/Fake 0 of 2" in text
    assert "running the same command again resumes it" in text
    assert sources.find_source("3").stand_in and not list(root(small_set).glob("*.json"))
    kept = root(small_set) / "Dataset" / "Test" / "Real" / "1.jpg"
    assert kept.is_file()
    download.fetch("3", downloader())
    assert not sources.find_source("3").stand_in


def test_other_parts_of_the_set_do_not_stand_in_the_way(small_set):
    run = downloader(missing=["Train/Real/0.jpg"])
    download.fetch("3", run)
    assert "Dataset/Train/Real 3 of 4" in refused("4", run)
    assert not sources.find_source("3").stand_in and sources.find_source("4").stand_in


def test_more_files_than_expected_are_refused_before_and_after_a_download(small_set):
    said = "more files than expected: Dataset/Test/Real 4 of 3, Dataset/Test/Fake 2 of 2"
    assert said in refused("3", downloader(extra=["Test/Real/more.jpg"]))
    assert sources.find_source("3").stand_in
    assert said in refused("3", never)


def test_too_many_in_one_folder_do_not_make_up_for_too_few_in_another(small_set):
    run = downloader(missing=["Test/Fake/0.jpg"], extra=["Test/Real/more.jpg"])
    assert "more files than expected: Dataset/Test/Real 4 of 3, Dataset/Test/Fake 1 of 2" in refused("3", run)


def test_only_regular_files_that_are_not_hidden_count(small_set):
    folder = lay_out(root(small_set), missing=["Test/Real/0.jpg"]) / "Dataset" / "Test" / "Real"
    (folder / ".DS_Store").touch()
    (folder / "0.jpg").symlink_to("1.jpg")
    (folder / "empty").mkdir()
    assert "Dataset/Test/Real 2 of 3" in refused("3", lambda handle, place: place)


def test_a_set_that_lost_files_is_no_longer_marked_until_it_is_whole(small_set):
    download.fetch("3", downloader())
    (root(small_set) / "Dataset" / "Test" / "Real" / "0.jpg").unlink()

    def fails(handle, folder):
        assert sources.find_source("3").stand_in
        raise ConnectionError("no route\nto host")

    text = refused("3", fails)
    assert sources.find_source("3").stand_in
    assert f"{HANDLE} could not be downloaded (ConnectionError: no route to host); running the same command" in text
    assert f"images can be put into {small_set / 'datasets' / '3' / 'real'} and" in text
    download.fetch("3", downloader())
    assert not sources.find_source("3").stand_in


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ValueError("Unsupported archive type."), KeyError("x")]
)
def test_whatever_goes_wrong_is_one_line(error):
    def fails(handle, folder):
        raise error

    assert type(error).__name__ in refused("3", fails) and sources.find_source("3").stand_in


def test_stopping_a_download_is_not_swallowed():
    def stopped(handle, folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download.fetch("3", stopped, lambda line: None)
    assert sources.find_source("3").stand_in


def test_a_download_that_leaves_nothing_or_lies_around_the_target_is_refused(small_set):
    assert "nothing was downloaded" in refused("3", lambda handle, folder: folder / "nowhere")
    (root(small_set) / "Dataset").mkdir(parents=True)
    assert "does not hold" in refused("3", lambda handle, folder: folder.parent)
    assert (root(small_set) / "Dataset").is_dir()


def test_the_datasets_with_a_public_set_are_those_of_the_manifest():
    assert tuple(name for name in DATASETS if download.twin(name)) == download.TWINS


@pytest.mark.parametrize("dataset", ["1", "2", "control"])
def test_datasets_without_a_public_set(dataset):
    assert f"dataset {dataset}: there is no public set to download" in refused(dataset, never)
    with pytest.raises(UserError, match="no public set"):
        download.describe(dataset)


def test_a_set_that_cannot_be_written_is_one_line(small_set):
    (small_set / "datasets").write_text("a file where a folder should be")
    assert "could not be downloaded (" in refused("3", downloader())


def test_the_description_says_what_it_is_and_what_it_is_not(small_set):
    text = download.describe("4")
    assert HANDLE in text and download.TWIN in text and str(root(small_set)) in text and "licence: " in text
    assert "11 of dataset 4 (Dataset/Train/Real 4, Dataset/Train/Fake 4, Dataset/Validation/Real 2" in text
    assert "nothing shows that it is that set, and it says nothing about OmniGen" in text and "GB" in text


# ------------------------------------------------------------------------------------------------------- kagglehub


@pytest.fixture
def kagglehub(monkeypatch):
    """A module in kagglehub's place that behaves as its cache does: `versions/1` below $KAGGLEHUB_CACHE."""
    seen = {}

    def dataset_download(handle):
        seen.update({name: os.environ.get(name) for name in (*NAMES, "DISABLE_COLAB_CACHE")}, handle=handle)
        return str(lay_out(download.Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle / "versions" / "1"))

    module = types.SimpleNamespace(dataset_download=dataset_download, seen=seen)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.delenv("STUDY_OFFLINE")
    return module


NAMES = ("KAGGLEHUB_CACHE", "DISABLE_KAGGLE_CACHE")


def test_kagglehub_works_beside_the_set_and_the_environment_is_put_back(small_set, kagglehub, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "the user's own")
    monkeypatch.delenv("DISABLE_KAGGLE_CACHE", raising=False)
    source = download.fetch("3", on_line=lambda line: None)
    cache = small_set / "datasets" / "kaggle" / ".kagglehub"
    assert kagglehub.seen["handle"] == HANDLE and kagglehub.seen["KAGGLEHUB_CACHE"] == str(cache)
    assert kagglehub.seen["DISABLE_KAGGLE_CACHE"] == "true"
    assert os.environ["KAGGLEHUB_CACHE"] == "the user's own" and "DISABLE_KAGGLE_CACHE" not in os.environ
    assert len(listing.image_files(source)) == 5
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_kagglehub_that_fails_leaves_the_environment_as_it_was(kagglehub, monkeypatch):
    def dataset_download(handle):
        raise RuntimeError("403 Client Error.\n\nYou don't have permission")

    monkeypatch.setattr(kagglehub, "dataset_download", dataset_download)
    text = refused("3")
    assert "(RuntimeError: 403 Client Error. You don't have permission)" in text and "by hand" in text
    assert "KAGGLEHUB_CACHE" not in os.environ


def test_without_kagglehub_or_offline_images_can_still_be_put_in_by_hand(monkeypatch):
    assert "STUDY_OFFLINE is set to 1" in refused("3")
    monkeypatch.delenv("STUDY_OFFLINE")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    text = refused("3")
    assert "the package kagglehub cannot be used" in text and "by hand" in text


def test_the_real_kagglehub_has_what_is_used_of_it():
    module = pytest.importorskip("kagglehub")
    from kagglehub.cache import get_cached_path
    from kagglehub.handle import parse_dataset_handle

    assert callable(module.dataset_download)
    with download._environment({"KAGGLEHUB_CACHE": "here"}):
        assert get_cached_path(parse_dataset_handle(f"{HANDLE}/versions/1")).startswith("here")
