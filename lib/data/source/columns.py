"""The columns that images have beside the study's own: the generator, and whatever else a table says of an image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from lib.data.source.checks import printable
from lib.data.source.groups import are_groups
from lib.data.source.layout import ROW_COLUMNS
from lib.data.source.names import each
from lib.study.steps import IMAGE_COLUMNS, SCORE_COLUMNS

# What made a synthetic image; "" for real images, and where it is not known.
GENERATOR = "generator"
# Names of columns of this study. A user's column of such a name is left out: results could not tell the two apart.
OURS = {
    *(*IMAGE_COLUMNS, *SCORE_COLUMNS, *ROW_COLUMNS),
    *("y", "trained_on", "tested_on", "recipe", "overlap_removed", "copy", "index"),
}
_TAKEN = "left out: the study has a column of this name"
# Texts that programs write for a missing value, in lower case.
_MISSING = ("", "nan", "none", "null", "na", "n/a", "<na>", "-")
# More values than this are counted and not listed; longer ones are cut in what is shown, never in the data.
MOST_VALUES, MOST_LETTERS = 12, 40


def sorted_out(names: Iterable[str]) -> tuple[dict[str, int], dict[str, str]]:
    """The columns of a table that are read.

    Args:
        names: of all its columns, as written.

    Returns:
        Name in lower case, without spaces around it, to the column's position; and the columns that are left out, each
            with its reason. Whether a name is one of the study's is decided later, when it is known which columns hold
            path, label, group and split.
    """
    kept: dict[str, int] = {}
    left_out = {}
    for at, name in enumerate(name.strip().lower() for name in names):
        if not name:
            left_out[f"number {at + 1}"] = "left out: it has no name"
        elif name in kept:
            left_out[f"{name} (number {at + 1})"] = "left out: there is one of this name before it"
        else:
            kept[name] = at
    return kept, left_out


def further(every: pd.DataFrame, used: Iterable[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns of a table beside those that the study reads, and those left out with their reasons.

    Args:
        every: all columns of the table, as text.
        used: names of the columns that hold path, label, group, split and generator.
    """
    others = [name for name in every if name not in set(used)]
    left_out = {name: _TAKEN for name in others if name in OURS}
    kept = {name: list(map(_storable, every[name].tolist())) for name in others if name not in OURS}
    return pd.DataFrame(kept, index=every.index, dtype=object), left_out


def _storable(text: str) -> str:
    """A value in the form that images.csv can hold; nothing else of it is changed."""
    if text.isprintable():
        return text
    return printable(text).replace("\r", "\\r").replace("\0", "\\0")


def of_synthetic(generators: pd.Series, labels: pd.Series) -> tuple[pd.Series, str]:
    """The generators of synthetic images, and what was not taken, in words.

    Returns:
        Values without spaces around them; "" for real images and for missing values. The words are "" if no real image
            had a value.
    """
    plain = pd.Series(each(_generator, generators.tolist()), generators.index, dtype=object)
    of_real = plain[labels.eq("real") & plain.ne("")]
    said = f"; not taken for real files, which have none ({_values(of_real)})" if len(of_real) else ""
    return plain.where(labels.eq("synthetic"), ""), said


def _generator(text: str) -> str:
    plain = _storable(text.strip())
    return "" if plain.lower() in _MISSING else plain


def with_generator(files: pd.DataFrame, by_table: str, table: bool) -> tuple[pd.DataFrame, str]:
    """The files with the generator of each, and the words that say where it is from ("" if none is known).

    Args:
        files: columns `layout.ROW_COLUMNS`, with their groups.
        by_table: the words for the table's column of generators, "" if it has none.
        table: whether the files are those of a table. Without such a column it says nothing of generators, because its
            folders may be anything.
    """
    if by_table:
        return files, by_table + _disagreement(files, _inner_generators(files))
    if (files[GENERATOR] != "").any():
        return files, "by the names of folders"
    inner = files[GENERATOR] if table else _inner_generators(files)
    return files.assign(generator=inner), "by the folders inside the synthetic ones" if inner.ne("").any() else ""


def _inner_generators(files: pd.DataFrame) -> pd.Series:
    """The outermost folder inside the synthetic class of each file, if these folders are generators; else ""."""
    outermost = [inner[0] if inner else "" for inner in files["inner"].tolist()]
    first = pd.Series(each(_storable, outermost), files.index, dtype=object)
    used = (files["label"] == "synthetic") & (files["issue"] == "")
    sizes = Counter(name for name in first[used] if name)
    real = set(first[files["label"] == "real"])
    grouped = (files["group"] == first) & used & first.ne("")
    # Names of both classes are people, videos or categories.
    if len(sizes) < 2 or are_groups(sizes, int(used.sum())) or real & set(sizes) or grouped.any():
        return pd.Series("", files.index, dtype=object)
    return first.where(files["label"] == "synthetic", "")


def _disagreement(files: pd.DataFrame, inner: pd.Series) -> str:
    """What folders say otherwise than the table, whose word counts; "" for nothing."""
    known = (inner != "") & (files[GENERATOR] != "")
    said, stated = (np.array(each(_letters, names.tolist()), object) for names in (inner, files[GENERATOR]))
    against = known & (said != stated)
    if not against.any():
        return ""
    row = against.idxmax()
    return (
        f"; the folders say otherwise in {against.sum():,} of {known.sum():,} files (such as {shown(inner[row])} for "
        f"{shown(files.at[row, GENERATOR])}): the table counts"
    )


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.lower())


def described(files: pd.DataFrame, generator: str, left_out: Mapping[str, str]) -> dict[str, str]:
    """Name of each further column to what it holds, for people.

    Args:
        files: with the further columns, and `generator`.
        generator: the words that say where the generator is from, "" if it is not known.
        left_out: columns that are not kept, with their reasons.
    """
    said = {}
    if generator:
        unknown = int(((files["label"] == "synthetic") & (files[GENERATOR] == "")).sum())
        missing = f"; not known of {unknown:,} synthetic files" if unknown else ""
        said[GENERATOR] = f"{_values(files[GENERATOR])}, {generator}{missing}"
    for name in [name for name in files if name not in OURS]:
        said[name] = f"{_values(files[name])}, by the table"
    return {shown(name): words for name, words in {**said, **left_out}.items()}


def _values(column: pd.Series) -> str:
    counts = column[column != ""].value_counts()
    listed = ", ".join(f"{shown(value)} {count:,}" for value, count in counts.items())
    words = "1 value" if len(counts) == 1 else f"{len(counts):,} values"
    return f"{words} ({listed})" if 0 < len(counts) <= MOST_VALUES else words


def shown(text: str) -> str:
    """A value on one line and not too long, for people; the data keep it whole."""
    line = " ".join(printable(text).split())
    line = "".join(letter if letter.isprintable() else "�" for letter in line)
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"
