"""The user's own images: a folder or a table."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pandas as pd

from lib.data.source import columns
from lib.data.source.checks import printable
from lib.data.source.folders import entries
from lib.data.source.formats import metadata_files
from lib.data.source.groups import with_groups
from lib.data.source.layout import read_folder
from lib.data.source.manifest import MANIFEST, generator_of
from lib.data.source.source import RECORD, Source, Understood, count_files, known_set, refuse_stated
from lib.data.source.table import TABLES, add_metadata, read_metadata, read_table
from lib.study.files import home
from lib.study.names import ASIDE, LABELS, SPLITS, UserError, reason_of
from lib.study.options import Reading


def own_dataset(dataset: str, name: str, reading: Reading) -> Source | None:
    """The user's data at `datasets/<id>`, or None."""
    folder = home() / "datasets" / dataset
    return folder_source(folder, name, reading) if dataset != "control" and _holds_something(folder) else None


def own_source(data: Path, name: str, reading: Reading) -> Source:
    # The user may store the data in another folder and link to it. Links inside the data must stay inside.
    real = Path(os.path.realpath(data))
    accepted = f"a folder that holds real/ and synthetic/, or a table ({', '.join(TABLES[:-1])} or {TABLES[-1]})"
    if data.suffix.lower() in TABLES and not real.is_dir():
        if not real.is_file():
            raise UserError(f"{printable(data)}: no such file; expected {accepted}")
        rows = read_table(real, reading)
        return _read_source(name, rows.attrs["root"], rows, reading, table=real)
    if os.path.isfile(real):
        raise UserError(f"{printable(data)}: found a file that ends in {data.suffix!r}; expected {accepted}")
    return folder_source(data, name, reading)


def folder_source(folder: Path, name: str, reading: Reading) -> Source:
    if not os.path.isdir(folder):
        raise UserError(f"{printable(folder)}: no such folder; expected a folder that holds real/ and synthetic/")
    root = Path(os.path.realpath(folder))
    if not os.path.lexists(root / RECORD):
        metadata = metadata_files(root)
        try:
            rows = read_folder(root, reading)
        except UserError:
            # Folders without classes, but a table of them lies there.
            rows = read_metadata(root, metadata, reading) if metadata else None
            if rows is None:
                raise
            return _read_source(name, root, rows, reading, table=metadata[0])
        return _read_source(name, root, add_metadata(rows, root, metadata) if metadata else rows, reading)
    # A set made by this program has a known layout: its own records lie beside the classes.
    words = _recorded_words(root / RECORD)
    refuse_stated(reading, f"{printable(folder)} ({words})")
    folders = {label: (root / label,) for label in LABELS}
    counts = {label: count_files(root / label) for label in LABELS}
    understood, generator = known_set(counts, "people, by people.csv"), _recorded_generator(root)
    return Source(name, root, {}, False, words, understood, folders, generated=True, generator=generator)


def _read_source(name: str, root: Path, rows: pd.DataFrame, reading: Reading, table: Path | None = None) -> Source:
    by_table, left_out = rows.attrs.get("generator", ""), rows.attrs.get("left_out", {})
    rows, groups, warning = with_groups(rows, reading)
    rows, generator = columns.with_generator(rows, by_table, bool(table))
    described = columns.described(rows, generator, left_out)
    if not generator:
        rows = rows.drop(columns=columns.GENERATOR)
    labels = {label: Counter(rows.loc[rows["label"] == label, "word"].tolist()) for label in LABELS}
    given = [split for split in SPLITS if split in set(rows["split"])]
    split = f"by the {'table' if table else 'folders'} ({', '.join(given)}; --split anew draws another)"
    if given == ["train", "test"]:
        split += "; it has no validation images, which are drawn from its training images here"
    drawn = "drawn anew, by --split anew" if reading.split else "none given, drawn here"
    aside = Counter(rows.loc[rows["issue"] != "", "issue"].str.removeprefix(ASIDE).tolist())
    understood = Understood(
        {label: dict(words.most_common()) for label, words in labels.items()},
        groups,
        split if given else drawn,
        dict(aside.most_common()),
        (warning,) if warning else (),
        described,
    )
    return Source(name, root, {}, False, "own images", understood, table=table, rows=rows)


def _recorded_generator(root: Path) -> str:
    """What made the synthetic images of a generated set, by its own manifest; "" if that has been taken away."""
    path = root / MANIFEST.name
    if not path.is_file():
        return ""
    try:
        return generator_of(pd.read_csv(path, dtype=str, keep_default_na=False)[["label", "generator"]])
    except (OSError, ValueError, KeyError) as error:
        reason = reason_of(error)
        raise UserError(f"{printable(path)}: cannot be read as a manifest ({reason}); correct or delete it") from None


def _recorded_words(record: Path) -> str:
    """The description of the images in a generated set."""
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["words"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = reason_of(error)
        raise UserError(f"{printable(record)}: cannot be read as the record of a generated set ({reason})") from None


def _holds_something(folder: Path) -> bool:
    """Whether a folder is in use; hidden files, which file managers create, do not count."""
    if not os.path.lexists(folder):
        return False
    # A file or a broken link is in use too: folder_source reports the error.
    return not folder.is_dir() or any(not entry.name.startswith(".") for entry in entries(folder))
