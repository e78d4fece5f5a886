"""The public set with as many images as a dataset: its location, and its download on the user's request."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lib.data.source.manifest import generator_of, kaggle_handle, read_manifest
from lib.data.source.source import Source, Understood, count_files
from lib.study.files import home, write_json
from lib.study.names import LABELS, UserError, reason_of
from lib.study.options import Reading, run_name

# kagglehub resumes only in its cache. If an output folder is not empty, it stops or deletes its content. So it works in
# this folder beside the set, on the same disk, and complete files are moved.
CACHE = ".kagglehub"
# The datasets that have a public set in the manifest.
TWINS = ("3", "4")
# Not from the set's own page, which was not available when this was written.
SIZE = "size not known here; a copy under the same name elsewhere takes about 1.8 GB, twice that while unpacking"


TWIN = "public set of the same size, not shown to be the original's"


@dataclass(frozen=True)
class Twin:
    """A public set with as many images as a dataset; nothing proves that it is the same dataset.

    Attributes:
        handle: `<owner>/<set>` on Kaggle.
        root: folder of its files on this computer.
        counts: number of images of each folder below root, from the manifest.
        folders: the folders of each label.
        marker: the file that marks every folder as complete.
        generator: what made its synthetic images, from the manifest.
    """

    handle: str
    root: Path
    counts: dict[str, int]
    folders: dict[str, tuple[Path, ...]]
    marker: Path
    generator: str = ""


def twin(dataset: str) -> Twin | None:
    """The public set of the same size as a dataset, from the manifest's `kaggle:` rows, or None."""
    rows = read_manifest().query("dataset == @dataset and location.str.startswith('kaggle:')")
    if rows.empty:
        return None
    handle = kaggle_handle(rows["location"].iloc[0])
    root = Path(os.path.realpath(home() / "datasets" / "kaggle" / handle))
    inside = rows["location"].str.removeprefix(f"kaggle:{handle}/")
    folders = {label: tuple(root / path for path in inside[rows["label"] == label]) for label in LABELS}
    marker = root / f"complete-{dataset}.json"
    return Twin(handle, root, dict(zip(inside, rows["images"])), folders, marker, generator_of(rows))


def is_complete(found: Twin) -> bool:
    """Whether a download of the set was counted and complete, and its folders still exist."""
    try:
        marker = json.loads(found.marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"handle": found.handle, "counts": found.counts}
    same = isinstance(marker, dict) and {key: marker.get(key) for key in wanted} == wanted
    return same and all((found.root / path).is_dir() for path in found.counts)


def twin_source(found: Twin, name: str = "") -> Source:
    """The public set as a source."""
    counts = {label: sum(found.counts[path] for path in _inside(found, label)) for label in found.folders}
    labels = {
        label: {f"folder {path}": found.counts[path] for path in _inside(found, label)} for label in found.folders
    }
    # Datasets 3 and 4 are parts of one set: neither holds all three of its parts.
    split = "drawn here (the set's own parts are what tells datasets 3 and 4 apart, not a split of either)"
    understood = Understood(labels, "none known", split)
    return Source(name, found.root, counts, False, TWIN, understood, found.folders, generator=found.generator)


def _inside(found: Twin, label: str) -> list[str]:
    return [folder.relative_to(found.root).as_posix() for folder in found.folders[label]]


def locate(dataset: str, name: str, reading: Reading) -> Source | None:
    """The public set of a dataset; None if there is none or its download is not complete."""
    found = twin(dataset)
    return twin_source(found, name) if found and is_complete(found) else None


def datasets() -> tuple[str, ...]:
    """The datasets that have a public set in the manifest."""
    return TWINS


def describe(dataset: str) -> str:
    """The download for a dataset in a few lines: content, size, licence and target folder.

    Raises:
        UserError: there is no public set for this dataset.
    """
    found = _twin(dataset)
    rows = read_manifest().query("dataset == @dataset and location.str.startswith('kaggle:')")
    parts = ", ".join(f"{folder} {count:,}" for folder, count in found.counts.items())
    return "\n".join(
        [
            f"Kaggle set {found.handle} for dataset {dataset}: {TWIN}",
            f"  images: {sum(found.counts.values()):,} of dataset {dataset} ({parts})",
            f"  note: {rows['notes'].iloc[0]}",
            f"  origin: {rows['origin'].iloc[0]}",
            f"  licence: {rows['licence'].iloc[0]}",
            f"  download: the whole set, of which other datasets may be parts; {SIZE}",
            f"  goes to: {found.root}",
        ]
    )


def fetch(
    dataset: str,
    download: Callable[[str, Path], Path] | None = None,
    on_line: Callable[[str], None] = print,
) -> Source:
    """Download the public set of a dataset unless it exists, count its files and mark it as complete.

    A second call continues a stopped download: it requests the rest from kagglehub.

    Args:
        download: gets the set's handle and its target folder; returns the folder that holds the set. The files are then
            moved to the target folder. Default: kagglehub.
        on_line: called with each line of progress.

    Returns:
        The set as a source.

    Raises:
        UserError: no public set for this dataset, no way to download it, or an unexpected number of files.
    """
    found = _twin(dataset)
    counts = _counts(found)
    _refuse_extra(found, counts)
    if counts == found.counts:
        on_line(f"{found.root}: all {sum(counts.values()):,} images are there; nothing to download")
    else:
        # From here on the set is incomplete until it has been counted again.
        _call(found, lambda: found.marker.unlink(missing_ok=True))
        on_line(f"downloading Kaggle set {found.handle} to {found.root}")
        place = _call(found, lambda: (download or _with_kagglehub)(found.handle, found.root))
        _call(found, lambda: _move_into(Path(place), found.root))
        counts = _counts(found)
        _refuse_extra(found, counts)
        _refuse_missing(found, counts)
        on_line(f"{found.root}: all {sum(counts.values()):,} images are there")
    content = {"handle": found.handle, "counts": counts, "time": datetime.now(UTC).isoformat(timespec="seconds")}
    _call(found, lambda: write_json(found.marker, content))
    return twin_source(found, run_name(dataset, "", ""))


def _twin(dataset: str) -> Twin:
    found = twin(dataset)
    if found is None:
        raise UserError(f"dataset {dataset}: there is no public set to download; {_by_hand(dataset)}")
    return found


def _by_hand(dataset: str) -> str:
    if dataset == "control":
        return "its images are drawn"
    folder = home() / "datasets" / dataset
    return f"images can be put into {folder / 'real'} and {folder / 'synthetic'} by hand"


def _counts(found: Twin) -> dict[str, int]:
    return {folder: count_files(found.root / folder) for folder in found.counts}


def _refuse_extra(found: Twin, counts: dict[str, int]) -> None:
    if any(counts[folder] > wanted for folder, wanted in found.counts.items()):
        raise UserError(
            f"{found.root}: more files than expected: {_compared(found, counts)}; the set may have changed, or other "
            "files lie there: move that folder away and download again"
        )


def _refuse_missing(found: Twin, counts: dict[str, int]) -> None:
    if counts != found.counts:
        raise UserError(
            f"{found.root}: the download is not complete: {_compared(found, counts)}; running the same command again "
            "resumes it"
        )


def _compared(found: Twin, counts: dict[str, int]) -> str:
    return ", ".join(f"{folder} {counts[folder]:,} of {wanted:,}" for folder, wanted in found.counts.items())


def _call(found: Twin, action: Callable):
    """The result of `action`; any error becomes one line."""
    try:
        return action()
    except UserError as error:
        raise UserError(f"{error}; {_by_hand(_dataset(found))}") from None
    except Exception as error:  # network, access, disk, archive: libraries raise many kinds
        reason = reason_of(error)
        raise UserError(
            f"{found.handle} could not be downloaded ({type(error).__name__}: {reason}); running the same command "
            f"again resumes it, and {_by_hand(_dataset(found))}"
        ) from None


def _dataset(found: Twin) -> str:
    return found.marker.stem.removeprefix("complete-")


def _with_kagglehub(handle: str, folder: Path) -> Path:
    """Download a Kaggle set with kagglehub into its cache beside `folder`; a partly downloaded archive is continued."""
    if os.environ.get("STUDY_OFFLINE") == "1":
        raise UserError(f"{handle} cannot be downloaded: STUDY_OFFLINE is set to 1")
    cache = folder.parent.parent / CACHE
    cache.mkdir(parents=True, exist_ok=True)
    # In the notebooks of Kaggle and Colab, kagglehub would return a read-only folder instead of files.
    settings = {"KAGGLEHUB_CACHE": str(cache), "DISABLE_KAGGLE_CACHE": "true", "DISABLE_COLAB_CACHE": "true"}
    with _environment(settings):
        try:
            import kagglehub
        except ImportError as error:
            raise UserError(f"{handle} cannot be downloaded: the package kagglehub cannot be used ({error})") from None
        return Path(kagglehub.dataset_download(handle))


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _move_into(place: Path, root: Path) -> None:
    """Move every file below `place` to the same path below `root`; existing files are replaced."""
    if not place.is_dir():
        raise UserError(f"{place}: nothing was downloaded to this folder")
    if place.resolve() == root.resolve():
        return
    if root.resolve().is_relative_to(place.resolve()):
        raise UserError(f"{place}: expected the downloaded files in a folder that does not hold {root}")
    for above, _, names in os.walk(place, onerror=_raise):
        target = root / Path(above).relative_to(place)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            # A move within one disk is a rename, so a file is never incomplete.
            shutil.move(os.path.join(above, name), target / name)
    shutil.rmtree(place)


def _raise(error: OSError) -> None:
    raise error
