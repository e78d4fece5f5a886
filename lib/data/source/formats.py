"""Other forms that a table of images comes in: lines of JSON, DeepfakeBench's JSON, Hugging Face's metadata, pictures
inside a Parquet file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from lib.data.source.checks import printable, refusal
from lib.data.source.folders import entries, is_folder
from lib.data.source.names import class_of, label_of, split_of
from lib.study.files import cache_folder, read_cached_table, text_hash, written_whole
from lib.study.names import UserError, cut, reason_of, short

# Names of the table beside the pictures of Hugging Face's imagefolder; its column file_name holds their paths.
METADATA = ("metadata.csv", "metadata.jsonl")
# Columns that may hold the bytes of a picture.
PICTURES = ("image", "img", "picture", "image_bytes", "bytes", "jpg", "jpeg", "png", "webp")
# How files of these formats begin; a picture that came without a name gets such an ending.
_BEGINNINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp"}
_AT_ONCE = 64  # pictures in memory at once
# Most rows of a Parquet table, which packs equal ones into nothing.
MOST_ROWS = 5_000_000


# ----------------------------------------------------------------------------------------------------------------- JSON


def json_records(path: Path) -> tuple[list[dict], str]:
    """The rows of a JSON file, and the word for one of them (`line` or `row`).

    Lines of JSON (`.jsonl`) hold one object each, a `.json` file a list of objects, or the videos of DeepfakeBench.

    Raises:
        UserError: names the file and what was found.
    """
    try:
        if path.suffix.lower() == ".jsonl":
            return _lines(path), "line"
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        records = content if isinstance(content, list) else [*_videos(path, content, ())]
    except (OSError, ValueError, RecursionError) as error:
        reason = reason_of(error)
        raise UserError(f"{printable(path)}: cannot be read as JSON in UTF-8 ({reason})") from None
    for row, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise UserError(f"{printable(path)}: row {row}: found {short(record)}, expected an object")
    return (records if isinstance(content, list) else _with_classes(records)), "row"


def _lines(path: Path) -> list[dict]:
    records = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line) if line.strip() else {}
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise UserError(
                    f"{printable(path)}: line {number}: found {short(line.strip())}, expected one JSON object"
                )
            records.append(record)
    return records


def _videos(path: Path, node: object, keys: tuple[str, ...]) -> Iterator[dict]:
    """A row for each frame of DeepfakeBench's JSON, nested by dataset, label, split, perhaps compression, and video."""
    if not isinstance(node, dict):
        where = cut(" / ".join(keys)) or "the file"
        raise UserError(
            f"{printable(path)}: {where}: found {short(node)}, expected DeepfakeBench's layout (label, split and "
            "video, each with `label` and `frames`), or a list of objects with path and label"
        )
    frames = node.get("frames", [node["path"]] if isinstance(node.get("path"), str) else None)
    if not isinstance(frames, list):
        for key, inside in node.items():
            yield from _videos(path, inside, (*keys, key))
        return
    split = next(filter(None, map(split_of, keys)), "")
    for frame in frames:
        label = str(node.get("label", keys[1] if len(keys) > 1 else ""))
        yield {"path": str(frame).replace("\\", "/"), "label": label, "group": keys[-1] if keys else "", "split": split}


def _with_classes(records: list[dict]) -> list[dict]:
    """Rows of DeepfakeBench with class and generator instead of its labels.

    Its labels name the method (`FF-DF`); it takes all but the real ones as fake.
    """
    meant = {label: label_of(label) or class_of(label) for label in {record["label"] for record in records}}
    if "real" not in meant.values():
        return records
    return [
        {
            **record,
            "label": meant[record["label"]] or "synthetic",
            "generator": "" if meant[record["label"]] else record["label"],
        }
        for record in records
    ]


# ---------------------------------------------------------------------------------------------------------- imagefolder


def metadata_files(root: Path) -> list[Path]:
    """The tables of Hugging Face's imagefolder: beside the pictures of the whole set, or of each of its splits."""
    # By os.path, which says no for a folder that cannot be read: it is reported later, by name.
    places = [root]
    if not any(os.path.isfile(root / name) for name in METADATA):
        places = [root / entry.name for entry in entries(root) if is_folder(entry) and split_of(entry.name)]
    return [place / name for place in places for name in METADATA if os.path.isfile(place / name)]


# --------------------------------------------------------------------------------------------------------- Parquet


def parquet_file(path: Path):
    """A Parquet file, whose texts are read as they lie in it: each different one once.

    Raises:
        UserError: it says that it has more rows than a table can have; a small file can say so.
    """
    from pyarrow import parquet

    rows = parquet.read_metadata(path).num_rows
    if rows > MOST_ROWS:
        raise UserError(f"{printable(path)}: has {rows:,} rows, expected at most {MOST_ROWS:,}")
    schema = parquet.read_schema(path)
    texts = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    return parquet.ParquetFile(path, read_dictionary=texts)


def python_values(column) -> list:
    """The values of a column of a Parquet table as Python has them; equal texts are one object.

    Args:
        column: a `pyarrow.ChunkedArray`.

    Raises:
        OverflowError, ValueError: a value that Python has no form for, such as a date in the year 2,942,000.
    """
    from pyarrow import types

    if not types.is_dictionary(column.type):
        return column.to_pylist()
    found = []
    for chunk in column.chunks:
        known = [*chunk.dictionary.to_pylist(), None]
        found += [known[-1 if place is None else place] for place in chunk.indices.to_pylist()]
    return found


# ------------------------------------------------------------------------------------------- pictures in a Parquet


def picture_column(schema) -> int | None:
    """Position of a Parquet file's column of pictures: bytes, or a structure with `bytes`; None if there is none."""
    from pyarrow import types

    for at, field in enumerate(schema):
        kind = field.type
        inside = {part.name: part.type for part in kind} if types.is_struct(kind) else {"bytes": kind}
        held = inside.get("bytes", kind)
        if field.name.strip().lower() in PICTURES and (types.is_binary(held) or types.is_large_binary(held)):
            return at
    return None


def class_names(schema) -> dict[str, list[str]]:
    """Column to the names that its numbers stand for, where a Parquet file was written by Hugging Face's datasets."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {name: known["names"] for name, known in features.items() if "names" in known}
    except (TypeError, KeyError, ValueError, AttributeError):
        return {}


def unpacked(path: Path, file, column: str) -> tuple[Path, pd.DataFrame]:
    """Write the pictures of a Parquet file into the cache, once, each under the hash of its content.

    Args:
        file: a `pyarrow.parquet.ParquetFile`.
        column: its column of pictures.

    Returns:
        The folder, and for each row the file's path below it (`path`) and its name in the Parquet file
            (`original_path`, "" for none).

    Raises:
        UserError: a row without a picture.
    """
    state = path.stat()
    folder = Path(os.path.realpath(cache_folder("pictures")))
    key = text_hash(str(path), state.st_size, state.st_mtime_ns, column)[:24]
    known = read_cached_table("pictures", key, lambda: _written(path, file, column, folder))
    if not all((folder / name).is_file() for name in known["path"]):
        # Somebody has deleted a part of the cache.
        (folder / f"{key}.csv").unlink()
        known = read_cached_table("pictures", key, lambda: _written(path, file, column, folder))
    return folder, known.astype(object).fillna("")


def _written(path: Path, file, column: str, folder: Path) -> pd.DataFrame:
    rows, uses = [], Counter()
    for batch in file.iter_batches(batch_size=_AT_ONCE, columns=[column]):
        for value in batch.column(0).to_pylist():
            known = value if isinstance(value, dict) else {"bytes": value}
            data, name = known.get("bytes"), known.get("path") or ""
            if not data:
                raise refusal(path, f"row {len(rows) + 1}", column, data, "the bytes of a picture")
            digest = hashlib.sha256(data).hexdigest()
            ending = PurePosixPath(name).suffix.lower() or _ending(data)
            # The same picture in two rows is two files, so that the audit finds the copy.
            uses[digest] += 1
            more = f"_{uses[digest]}" if uses[digest] > 1 else ""
            target = folder / f"{digest}{more}{ending}"
            if not target.is_file():
                with written_whole(target) as temporary:
                    temporary.write_bytes(data)
            rows.append((target.name, name))
    return pd.DataFrame(rows, columns=["path", "original_path"])


def _ending(data: bytes) -> str:
    return next((ending for start, ending in _BEGINNINGS.items() if data.startswith(start)), "")
