"""A folder of images: its classes and its split, from the names of folders or files.

One pass over the tree. Every file is assigned to a class or set aside with a reason; or the folder is refused, and the
error states what to do.
"""

from __future__ import annotations

import mimetypes
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pandas as pd

from lib.data.source.checks import printable
from lib.data.source.folders import entries, entry_issue, is_folder, walk
from lib.data.source.names import (
    NUMBERS,
    WORDS,
    class_of,
    is_only_class,
    split_inside,
    split_of,
    splits_needed,
    words_of,
)
from lib.study.names import ASIDE, LABELS, UserError
from lib.study.options import Reading

ROW_COLUMNS = ["label", "path", "group", "split", "issue", "word", "inner", "generator"]
_BESIDE = f"{ASIDE}stands outside the folders of the classes"
LEFT_OUT = f"{ASIDE}left out by --labels"
# Made by systems and programs. Their content is listed, but it does not define the layout.
_HIDDEN = (".", "__MACOSX", "@eaDir")
STATE_IT = (
    "--labels NAME=synthetic (or real, or none to leave it out) says what a folder holds, a table says it of each file"
)


@dataclass(frozen=True)
class _Place:
    """A folder whose files have one class and perhaps one split.

    Attributes:
        folder: path below the data folder, "" for the data folder itself.
        label: of its files; "none" for files that the user leaves out; "" if each file's name states it.
        word: the words that state the label.
        generator: what made its synthetic files, "" if no folder names it.
    """

    folder: str
    label: str
    split: str
    word: str
    generator: str = ""


def read_folder(root: Path, reading: Reading) -> pd.DataFrame:
    """Every file below a folder, labelled by the names of folders or files.

    Args:
        root: the data folder with links resolved.

    Returns:
        Columns ROW_COLUMNS: label, "" for files set aside because they have no class; path below root; group, "";
            split; issue; word: the words that state the label; inner: tuple of the folders between the class's folder
            and the file; generator: of synthetic files, if the class's folder or one above it names it, else "".

    Raises:
        UserError: a folder cannot be read, or its names have no clear meaning or more than one.
    """
    tree = _Tree(root, reading)
    check_stated(reading, {name for folder in tree.below for name in folder.split("/")}, printable(root))
    places = {place.folder: place for place in tree.places("")}
    rows = [row for above, files in tree.files.items() for row in _rows(above, files, places)]
    frame = pd.DataFrame(rows, columns=ROW_COLUMNS, dtype=object)
    if reading.split == "anew":
        return frame.assign(split="")
    return _checked_splits(frame, root)


def check_stated(reading: Reading, there: Iterable[str], shown: str) -> None:
    """Raise for words of --labels that do not occur, which are most likely typing errors."""
    missing = sorted(set(reading.stated) - {name.strip().lower() for name in there})
    if missing:
        raise UserError(
            f"--labels {reading.labels}: {shown} has no folder or label {missing[0]!r}; expected a word that is there"
        )


def _rows(above: str, files: list[tuple[str, str]], places: dict[str, _Place]) -> Iterable[tuple]:
    place, inner = _place_of(above, places)
    for name, issue in files:
        path = f"{above}/{name}" if above else name
        if place is None:
            yield "", path, "", "", issue or _BESIDE, "", (), ""
        elif place.label == "none":
            yield "", path, "", "", issue or LEFT_OUT, "", (), ""
        elif label := place.label or class_of(PurePosixPath(name).stem):
            word, generator = place.word or _word_in(name, label), place.generator if label == "synthetic" else ""
            yield label, path, "", place.split, issue, word, inner, generator
        else:
            yield "", path, "", "", issue or f"{ASIDE}its name says no class", "", (), ""


def _place_of(above: str, places: dict[str, _Place]) -> tuple[_Place | None, tuple[str, ...]]:
    parts = tuple(above.split("/")) if above else ()
    for length in range(len(parts), -1, -1):
        if place := places.get("/".join(parts[:length])):
            return place, parts[length:]
    return None, ()


def _word_in(name: str, label: str) -> str:
    found = [word for word in words_of(name) if word in WORDS[label]]
    return f"file names with {(found or [label])[0]}"


def _is_picture(name: str) -> bool:
    return (mimetypes.guess_type(name)[0] or "").startswith("image/")


class _Tree:
    """The files of each folder, and the meaning of its name."""

    def __init__(self, root: Path, reading: Reading):
        self.root, self.follow, self.stated = root, reading.follow_links, reading.stated
        self.files: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.below: Counter[str] = Counter()
        self._inside: dict[str, list[str]] = {}
        for inside, entry in walk(root, self.follow):
            above, _, name = inside.rpartition("/")
            self.files[above].append((name, entry_issue(entry, root, self.follow)))
        for above, files in self.files.items():
            parts = above.split("/")
            for length in range(1, len(parts) + 1):
                self.below["/".join(parts[:length])] += len(files)

    def places(self, at: str, split: str = "", generator: str = "") -> list[_Place]:
        """The folders of the classes below a folder.

        Args:
            split: that a folder above names, or "".
            generator: likewise.
        """
        inside = self._folders(at)
        labels = self._labels(inside)
        if set(LABELS) <= set(labels.values()):
            return self._classes(at, labels, split, generator)
        filled = [name for name in inside if self.below[_join(at, name)]]
        if len({split_of(name) for name in filled} - {""}) > 1 and all(map(split_of, filled)):
            return [place for name in filled for place in self.places(_join(at, name), split_of(name), generator)]
        if len(filled) == 1 and (not labels[filled[0]] or self._has_structure(_join(at, filled[0]))):
            return self.places(_join(at, filled[0]), split, generator)
        if not filled and self._is_named(at):
            return [_Place(at, "", split, "", generator)]
        if len(filled) > 1 and all(self._holds_classes(_join(at, name)) for name in filled):
            # A folder for each generator, as in GenImage and CNNDetection. The outermost one names it, those inside it
            # are its categories.
            return [place for name in filled for place in self.places(_join(at, name), split, generator or name)]
        raise self._refusal(at, labels, filled)

    def _folders(self, at: str) -> list[str]:
        if at not in self._inside:
            found = [entry.name for entry in entries(os.path.join(self.root, at)) if is_folder(entry, self.follow)]
            self._inside[at] = [name for name in found if not name.startswith(_HIDDEN)]
        return self._inside[at]

    def _labels(self, siblings: list[str]) -> dict[str, str]:
        """The class that each of the folders beside each other means, or ""."""
        numbers = NUMBERS if set(NUMBERS) <= set(siblings) else {}
        stated = self.stated
        return {name: stated.get(name.strip().lower()) or class_of(name) or numbers.get(name, "") for name in siblings}

    def _has_structure(self, at: str) -> bool:
        return any(class_of(name) or split_of(name) for name in self._folders(at))

    def _holds_classes(self, at: str) -> bool:
        """Whether a folder is a dataset of its own: both classes, or folders that all are datasets of their own."""
        inside = self._folders(at)
        filled = [name for name in inside if self.below[_join(at, name)]]
        if set(LABELS) <= set(self._labels(inside).values()):
            return True
        return all(self._holds_classes(_join(at, name)) for name in filled) if filled else self._is_named(at)

    def _is_named(self, at: str) -> bool:
        """Whether the names of the pictures in a folder state their classes, and both classes occur."""
        pictures = [name for name, _ in self.files.get(at, ()) if _is_picture(name)]
        labels = {class_of(PurePosixPath(name).stem) for name in pictures}
        return labels == set(LABELS)

    def _classes(self, at: str, labels: dict[str, str], split: str, generator: str) -> list[_Place]:
        shown = self._shown(at)
        for name, label in labels.items():
            if not label and self.below[_join(at, name)]:
                known = ", ".join(f"{printable(other)}/ ({said})" for other, said in labels.items() if said)
                raise UserError(
                    f"{shown}: {printable(name)!r} stands beside {known} and is neither class, {self.below[_join(at, name)]:,} files; "
                    f"say what it is (--labels {printable(name)}=synthetic, or =real, or =none to leave it out), or give a table"
                )
        for label in LABELS:
            mine = [name for name, said in labels.items() if said == label]
            if not any(self.below[_join(at, name)] for name in mine):
                raise UserError(f"{printable(self.root / at / mine[0])}: empty; expected the {label} images")
        inside = {name: split_inside(name) for name, label in labels.items() if label in LABELS}
        named = all(inside.values()) and len(set(inside.values())) > 1
        made = [name for name, label in labels.items() if label == "synthetic" and self.below[_join(at, name)]]
        # Several synthetic folders that are no parts of a split are generators: Deepfakes/, FaceSwap/.
        generators = set(made) if len(made) > 1 and not named else set()
        places = []
        for name, label in labels.items():
            if label:
                word = f"folder {printable(name)}" + (" (--labels)" if name.strip().lower() in self.stated else "")
                mine = generator or (name if name in generators else "")
                place = _Place(_join(at, name), label, split or (inside.get(name, "") if named else ""), word, mine)
                places += self._with_split_below(place)
        return places

    def _with_split_below(self, place: _Place) -> list[_Place]:
        folders = [name for name in self._folders(place.folder) if self.below[_join(place.folder, name)]]
        for name in folders:
            other = class_of(name) if is_only_class(name) and name.strip().lower() not in self.stated else ""
            if other and place.label in LABELS and other != place.label:
                raise UserError(
                    f"{self._shown(_join(place.folder, name))}: the names of its folders say {place.label} and {other}; "
                    f"expected one of them: {STATE_IT}"
                )
        splits = {name: split_of(name) for name in folders}
        if place.split or not all(splits.values()) or len(set(splits.values())) < 2:
            return [place]
        return [replace(place, folder=_join(place.folder, name), split=split) for name, split in splits.items()]

    def _refusal(self, at: str, labels: dict[str, str], filled: list[str]) -> UserError:
        missing = [label for label in LABELS if label not in labels.values()]
        linked = {entry.name for entry in entries(self.root / at) if entry.is_symlink() and os.path.isdir(entry.path)}
        links = linked - set(labels)
        found = ", ".join(repr(printable(name)) for name in sorted({*labels, *links})[:8])
        found = found or f"no folders, {len(self.files.get(at, ())):,} files"
        tables = [name for name, _ in self.files.get(at, ()) if name.lower().endswith((".csv", ".tsv", ".parquet"))]
        hints = [f"links to folders are followed with --follow-links ({', '.join(sorted(links)[:3])})"] if links else []
        if tables:
            hints.append(f"for the table that lies there: --data {printable(self.root / at / tables[0])}")
        below = [name for name in filled if self._has_structure(_join(at, name))]
        if len(below) > 1:
            hints.append(f"{', '.join(below[:4])} look like datasets of their own: give one of them, or a table")
        hints.append(STATE_IT if filled else "a table says it of each file")
        text = (
            f"{self._shown(at)}: no folder for the {' and the '.join(missing)} images; found {found}, expected real/ and "
            f"synthetic/, or names of docs/data.md; {'; '.join(hints)}"
        )
        return UserError(printable(text))

    def _shown(self, at: str) -> str:
        return printable(self.root / at if at else self.root)


def _join(at: str, name: str) -> str:
    return f"{at}/{name}" if at else name


def _checked_splits(frame: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The files with the split of their folders; a single part such as train/ alone is not a split."""
    mine = frame[frame["label"] != ""]
    given = set(mine["split"]) - {""}
    if len(given) < 2:
        return frame.assign(split="")
    counts = mine.groupby(["split", "label"]).size()
    for label in LABELS:
        if counts.get(("", label), 0):
            raise UserError(
                f"{printable(root)}: {counts['', label]:,} {label} images stand in no part of the split of the folders "
                f"({', '.join(sorted(given))}); expected each in one, or --split anew, which draws another split"
            )
        for split in splits_needed(given):
            if not counts.get((split, label), 0):
                raise UserError(
                    f"{printable(root)}: the folders give {', '.join(sorted(given))}: found no {label} image in {split}, expected "
                    f"both classes in each of {', '.join(splits_needed(given))}; --split anew draws another split"
                )
    return frame
