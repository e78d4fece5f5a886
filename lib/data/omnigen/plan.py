"""The plan of a generated dataset: one row for each image, before anything is generated.

The plan is a CSV file. It covers people, expressions and angles evenly, and depends only on the seed, the photographs
and the prompts. A person's photographs are either references or images of the real class, never both: a test must not
contain a reference beside the images generated from it. The person is the group of both.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.audit.audit import inspect_file
from lib.data.audit.duplicates import find_duplicates
from lib.data.audit.split import clusters
from lib.data.omnigen.prompts import Settings, is_side
from lib.data.source.checks import csv_lines, printable, refusal
from lib.data.source.folders import check_inside, entries
from lib.study.files import text_hash
from lib.study.names import ASIDE, UserError

DATASETS = ("1", "2", "3", "4")

MAX_REFERENCES = 3  # OmniGen's paper and this study use at most three

VERSION = 1  # raise this number when the plan is drawn differently

# fmt: off
PLAN_COLUMNS = (
    "person", "references", "expression", "angle", "prompt", "seed", "size", "steps", "guidance", "image_guidance",
)

_BETWEEN = "|"  # of the references in one cell

_IMAGES = re.compile(r"<\|image_(\d+)\|>")

def read_photographs(root: Path, door: int) -> pd.DataFrame:
    """The photographs below `root`/<person>/, every one opened.

    Hidden files, and files beside the people's folders (a licence, say), are ignored. Copies of a photograph, also
    scaled or recompressed, count once: otherwise one copy could become a reference and the other a real image.

    Args:
        door: side in pixels; a smaller photograph can be a reference but not an image of the real class.

    Returns:
        One row per photograph, by person and name: person, name, sha256, usable (large enough for the real class).

    Raises:
        UserError: no folder, no people, no photograph, an unreadable one, or the same photograph for two people.
    """
    root = Path(os.path.realpath(root))
    if not root.is_dir():
        raise UserError(f"--references {printable(root)}: no such folder; expected one folder for each person in it")
    people = sorted(entry.name for entry in entries(root) if os.path.isdir(entry.path) and entry.name[0] != ".")
    if not people:
        raise UserError(f"--references {printable(root)}: no folders in it; expected one folder for each person")
    files = [(person, name) for person in people for name in _names(root, person)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda file: inspect_file(root / file[0] / file[1]), files))
    for (person, name), row in zip(files, found):
        if row["issue"].startswith(ASIDE):
            reason = row["issue"].removeprefix(ASIDE)
            raise UserError(f"{printable(root / person / name)}: {reason}; expected a photograph: replace or remove it")
    photos = pd.DataFrame(files, columns=["person", "name"]).assign(**pd.DataFrame(found).to_dict("list"))
    photos = photos.loc[_firsts(root, photos)].reset_index(drop=True)
    photos["usable"] = photos[["width", "height"]].min(axis=1) >= door
    return photos[["person", "name", "sha256", "usable"]]

def _names(root: Path, person: str) -> list[str]:
    folder = root / person
    _check_name(folder, person)
    check_inside(folder, root)
    names = sorted(entry.name for entry in entries(folder) if not entry.name.startswith("."))
    if not names:
        raise UserError(f"{printable(folder)}: no photograph of this person; expected at least one")
    for name in names:
        _check_name(folder / name, name)
        if not os.path.isfile(folder / name):
            raise UserError(f"{printable(folder / name)}: not a file; expected photographs alone in a person's folder")
    return names

def _check_name(path: Path, name: str) -> None:
    if printable(name) != name or _BETWEEN in name or not name.isprintable():
        reason = f"its name cannot be written in a table; rename it (Unicode, no {_BETWEEN})"
        raise UserError(f"{printable(path)!r}: {reason}")

def _firsts(root: Path, photos: pd.DataFrame) -> np.ndarray:
    """Rows of the first photograph of each set of copies, by person."""
    named = photos.assign(image_id=[str(row) for row in range(len(photos))], label="real")
    pairs = find_duplicates(named)
    rows = pairs[["image_a", "image_b"]].astype(int).to_numpy().reshape(-1, 2)
    people = photos["person"].to_numpy()
    same = people[rows[:, 0]] == people[rows[:, 1]]
    for first, second in rows[~same & (pairs["kind"] == "exact").to_numpy()]:
        both = [printable(root / people[row] / photos["name"][row]) for row in (first, second)]
        raise UserError(f"{both[0]} and {both[1]} are the same picture of two people; keep one of them")
    cluster = clusters(pd.Series([""] * len(photos)), rows[same])
    return np.sort(np.unique(cluster, return_index=True)[1])

def assign_uses(photos: pd.DataFrame, images: int, seed: int) -> pd.DataFrame:
    """The photographs with a column `use`: reference, real, or "" if not needed.

    Half of a person's n photographs are references, at least one and at most MAX_REFERENCES. The others are the real
    class if they are large enough: at most `images` in total, equally many of each person.

    Raises:
        UserError: no photograph is left for the real class.
    """
    photos = photos.assign(use="")
    rng = np.random.default_rng([seed, VERSION, 0])
    turns = pd.Series(-1, photos.index)
    for rows in photos.groupby("person", sort=True).indices.values():
        rows = rng.permutation(rows)
        references = min(MAX_REFERENCES, max(1, len(rows) // 2))
        photos.loc[rows[:references], "use"] = "reference"
        real = [row for row in rows[references:] if photos["usable"][row]]
        turns[real] = range(len(real))
    # Everyone's first, then everyone's second, …; the last round goes to people by the draw.
    order = turns[turns >= 0].iloc[rng.permutation((turns >= 0).sum())].sort_values(kind="stable")
    photos.loc[order.index[:images], "use"] = "real"
    if not len(order):
        small = int((~photos["usable"]).sum())
        raise UserError(
            f"--references: none of {len(photos)} photographs is left for the real class ({small} are smaller than the "
            "[door] size of prompts.toml); expected two or more of each person: one is a reference, the others are real"
        )
    return photos

@dataclass(frozen=True)
class Row:
    """One image of the plan: its columns, and the names of its references in the person's folder."""

    person: str
    references: tuple[str, ...]
    expression: str
    angle: str
    prompt: str
    seed: int
    size: int
    steps: int
    guidance: float
    image_guidance: float

def poses(expressions: Iterable[str], angles: Iterable[str]) -> list[tuple[str, str]]:
    """Every pair of an expression and an angle once; any part of the list covers expressions and angles evenly."""
    first, second = list(expressions), list(angles)
    turn = math.lcm(len(first), len(second))
    # Along the diagonals: after each full turn the angle starts one further, otherwise the same pairs would repeat.
    count = len(first) * len(second)
    return [(first[step % len(first)], second[(step + step // turn) % len(second)]) for step in range(count)]

def draw_plan(photos: pd.DataFrame, settings: Settings, images: int, seed: int) -> pd.DataFrame:
    """The plan: `images` rows, columns PLAN_COLUMNS; the same for the same arguments.

    People have equal numbers of images, up to one. The same holds for expressions, angles, their pairs, and the pairs
    of each person. One, two and three references are equally frequent for each person, if there are enough photographs.

    Args:
        photos: columns person, name, use (`assign_uses`).
    """
    rng = np.random.default_rng([seed, VERSION, 1])
    references = photos[photos["use"] == "reference"].groupby("person", sort=True)["name"].agg(list)
    people = [references.index[place] for place in rng.permutation(len(references))]
    every = poses(_shuffled(settings.expressions, rng), _shuffled(settings.angles, rng))
    templates = _deck(settings.templates, images, rng)
    rows = []
    for turn, person in enumerate(people):
        count = images // len(people) + (turn < images % len(people))
        numbers = _deck(range(1, len(references[person]) + 1), count, rng)
        for place, number in enumerate(numbers):
            expression, angle = every[len(rows) % len(every)]
            chosen = sorted(rng.choice(references[person], number, replace=False))
            words = {"expression": settings.expressions[expression], "angle": settings.angles[angle]}
            prompt = templates[len(rows)].format(references=tags(number), **words)
            own_seed = int(text_hash(seed, person, place)[:8], 16) % 2**31
            row = Row(
                *(person, tuple(map(str, chosen)), expression, angle, prompt, own_seed, settings.size, settings.steps),
                *(settings.guidance, settings.image_guidance),
            )
            rows.append(row)
    return plan_table(rows)

def tags(count: int) -> str:
    """How OmniGen's prompt names `count` references: `<img><|image_1|></img> and …`."""
    each = [f"<img><|image_{number}|></img>" for number in range(1, count + 1)]
    return " and ".join(filter(None, [", ".join(each[:-1]), each[-1]]))

def _shuffled(names: Iterable[str], rng: np.random.Generator) -> list[str]:
    names = list(names)
    return [names[place] for place in rng.permutation(len(names))]

def _deck(values: Iterable, count: int, rng: np.random.Generator) -> list:
    """`count` values in a drawn order, each equally often up to one."""
    values = list(values)
    start = rng.integers(len(values))
    return [values[(start + place) % len(values)] for place in rng.permutation(count)]

def plan_table(rows: list[Row]) -> pd.DataFrame:
    frame = pd.DataFrame([dataclasses.astuple(row) for row in rows], columns=list(PLAN_COLUMNS))
    return frame.assign(references=[_BETWEEN.join(row.references) for row in rows])

def read_plan(path: Path, photos: pd.DataFrame, door: int) -> list[Row]:
    """The rows of a plan.csv, which a user may have edited, each checked.

    Args:
        photos: columns person, name, use.
        door: side in pixels of the images that leave; generated ones must not be smaller.

    Raises:
        UserError: names line, column, what was found and what was expected.
    """
    lines = csv_lines(path)
    if tuple(lines.iloc[0]) != PLAN_COLUMNS:
        found = ", ".join(lines.iloc[0])
        raise UserError(f"{printable(path)}: found columns {found}; expected {', '.join(PLAN_COLUMNS)}")
    known = photos[photos["use"] == "reference"].groupby("person")["name"].agg(set).to_dict()
    rows: dict[Row, int] = {}
    for line, cells in zip(lines.index[1:], lines.iloc[1:].itertuples(index=False)):
        row = _read_row(path, f"line {line}", dict(zip(PLAN_COLUMNS, cells)), known, door)
        if row in rows:
            raise refusal(path, f"line {line}", "seed", row.seed, f"no row twice; this is line {rows[row]} again")
        rows[row] = line
    if not rows:
        raise UserError(f"{printable(path)}: empty; expected a row for each image")
    return list(rows)

def _read_row(path: Path, where: str, cells: dict[str, str], known: dict[str, set[str]], door: int) -> Row:
    if cells["person"] not in known:
        raise refusal(path, where, "person", cells["person"], "a folder of --references")
    names = tuple(name for name in cells["references"].split(_BETWEEN) if name)
    problem = wrong_references(names, cells["prompt"])
    if problem:
        raise UserError(f"{printable(path)}: {where}: {problem}")
    for name in names:
        if name not in known[cells["person"]]:
            expected = f"references of {cells['person']}: {', '.join(sorted(known[cells['person']]))}"
            raise refusal(path, where, "references", name, expected)
    smallest = math.ceil(max(64, door) / 16) * 16
    limits = {
        "seed": (int, lambda value: 0 <= value < 2**63, "a whole number of 0 or more"),
        "size": (int, lambda value: is_side(value) and value >= door, f"a multiple of 16 from {smallest} to 2048"),
        "steps": (int, lambda value: 1 <= value <= 1000, "1 to 1000"),
        "guidance": (float, lambda value: 0 <= value <= 100, "0 to 100"),
        "image_guidance": (float, lambda value: 0 <= value <= 100, "0 to 100"),
    }
    values = {}
    for column, (kind, fine, expected) in limits.items():
        try:
            values[column] = kind(cells[column])
        except ValueError:
            raise refusal(path, where, column, cells[column], expected) from None
        if not fine(values[column]):
            raise refusal(path, where, column, cells[column], expected)
    return Row(cells["person"], names, cells["expression"], cells["angle"], cells["prompt"], **values)

def wrong_references(references: Iterable[object], prompt: str) -> str:
    """The error in a row's number of references or its prompt's placeholders, or "".

    Nothing is drawn from text alone: a row has one to MAX_REFERENCES photographs, each once in the prompt.
    """
    count = len(tuple(references))
    if not 1 <= count <= MAX_REFERENCES:
        return f"found {count} references, expected 1 to {MAX_REFERENCES}"
    found = sorted(map(int, _IMAGES.findall(prompt)))
    whole = all(f"<img><|image_{number}|></img>" in prompt for number in range(1, count + 1))
    if found != list(range(1, count + 1)) or not whole:
        return f"the prompt {prompt!r} has not each placeholder once; expected {tags(count)}"
    return ""
