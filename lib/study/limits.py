"""Files that a person brings, or that a fault has changed: sizes and numbers are judged before anything is made of them.

Every function raises a ValueError whose text fits into a refusal: in one line and not long.
"""

from __future__ import annotations

import functools
import json
import math
import zipfile
from pathlib import Path

from lib.study.files import PROJECT
from lib.study.names import cut, short

# Most bytes: of a JSON file, of the list of contents of a zip file; of a model, of the JSON in it, and of the statistics
# beside it. Those of this study have 10 kB, 1 kB, 20 MB, 1 MB and 150 kB.
MOST_JSON = MOST_LISTED = 2**20
MOST_MODEL, MOST_CONFIG, MOST_STATISTICS = 500 * 2**20, 20 * 2**20, 50 * 2**20


def check_size(path: Path, most: int) -> None:
    """Raise if a file holds more than `most` bytes."""
    if (size := path.stat().st_size) > most:
        raise ValueError(f"holds {size:,} bytes, expected at most {most:,}")


def read_json(path: Path, most: int = MOST_JSON) -> object:
    """The content of a JSON file of at most `most` bytes, whose numbers are finite.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, no JSON in UTF-8, nested too deep, or holds a number that no float can be.
    """
    check_size(path, most)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
        # Half a character (a lone surrogate) could be written nowhere. The lists: keys are made of the content in lists.
        json.dumps([[content]], ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deep") from None
    return content


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"found the number {short(text)}, expected finite ones")
    return float(text)


def _whole(text: str) -> int:
    if len(text) > 18:
        raise ValueError(f"found the number {short(text)}, expected less than 18 digits")
    return int(text)


def check_schema(content: object, name: str) -> None:
    """Raise where a JSON file is not as docs/schemas/<name>.schema.json says. Fields that the schema does not know are fine:
    a later version may have added them.
    """
    import fastjsonschema  # here, because most commands read no such file

    try:
        _checker(name)(content)
    except fastjsonschema.JsonSchemaValueException as error:
        found = "" if isinstance(error.value, dict | list) else f", found {short(error.value)}"
        raise ValueError(cut(error.message.removeprefix("data."), 200) + found) from None


@functools.cache
def _checker(name: str):
    import fastjsonschema

    path = PROJECT / "docs" / "schemas" / f"{name}.schema.json"
    return fastjsonschema.compile(_open(json.loads(path.read_text(encoding="utf-8"))))


def _open(schema: object) -> object:
    """A schema that allows fields that it does not know."""
    if isinstance(schema, list):
        return [_open(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _open(part) for key, part in schema.items() if (key, part) != ("additionalProperties", False)}


def check_zip(path: Path, most: int, most_json: int = MOST_JSON) -> None:
    """Raise unless a file is a zip file of at most `most` bytes, packed and unpacked, as Keras and numpy write it.

    Args:
        most_json: most bytes of each JSON file in it.
    """
    check_size(path, most)
    with path.open("rb") as file:
        # The last 22 bytes say how long the list of contents is, which would be read whole.
        file.seek(max(0, path.stat().st_size - 42))
        end = file.read()[-42:]
    if len(end) < 22 or end[-22:-18] != b"PK\5\6" or any(end[-2:]) or end[:4] == b"PK\6\7":
        raise ValueError("is no whole zip file")
    if int.from_bytes(end[-10:-6], "little") > MOST_LISTED:
        raise ValueError(f"lists more than {MOST_LISTED:,} bytes of contents")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if (size := sum(member.file_size for member in members)) > most:
        raise ValueError(f"unpacks to {size:,} bytes, expected at most {most:,}")
    for member in members:
        if member.filename.endswith(".json") and member.file_size > most_json:
            raise ValueError(f"{short(member.filename)} has {member.file_size:,} bytes, expected at most {most_json:,}")
