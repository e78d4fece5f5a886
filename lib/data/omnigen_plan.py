"""What OmniGen is to draw, before anything is drawn: reference photographs, prompts, a plan with its cost.

The plan is a CSV file, a row an image. It covers people, expressions and angles evenly and follows from the seed, the
photographs and the words alone. A person's photographs are either references or images of the real class, never both:
what a model was shown must not stand in a test beside what it made of it. The person is the group of both.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd

from lib.data.audit import inspect_file
from lib.data.checks import csv_lines, printable, refusal
from lib.data.duplicates import find_duplicates
from lib.data.folders import check_inside, entries
from lib.data.manifest import read_manifest
from lib.data.sources import RECORD
from lib.data.split import MIN_GROUPS, clusters
from lib.study.files import PROJECT, home, text_hash, write_json, write_table
from lib.study.names import ASIDE, UserError

PROMPTS = PROJECT / "prompts.toml"
DATASETS = ("1", "2", "3", "4")
MAX_REFERENCES = 3  # OmniGen's paper and this study use at most three
VERSION = 1  # raise when the plan is drawn in another way
# Seconds an image takes at 512 x 512 and 50 steps by number of references, as OmniGen's authors state them for none,
# one and two references; three are extrapolated.
SECONDS = {"RTX 3090": {1: 36, 2: 43, 3: 50}, "A800": {1: 14, 2: 15, 3: 16}}

# fmt: off
PLAN_COLUMNS = (
    "person", "references", "expression", "angle", "prompt", "seed", "size", "steps", "guidance", "image_guidance",
)
# fmt: on
_PLACES = {"references", "expression", "angle"}
_BETWEEN = "|"  # of the references in one cell
_IMAGES = re.compile(r"<\|image_(\d+)\|>")


# -------------------------------------------------------------------------------------------------- words and settings


@dataclass(frozen=True)
class Settings:
    """What prompts.toml says.

    Attributes:
        templates: sentences with {references}, {expression} and {angle}.
        expressions, angles: name to phrase.
        size: side of the generated square, pixels, a multiple of 16.
        steps: denoising steps.
        guidance, image_guidance: classifier-free guidance towards text and references (Xiao et al. 2024, OmniGen).
        door: side in pixels and JPEG quality by which both classes leave.
    """

    templates: tuple[str, ...]
    expressions: dict[str, str]
    angles: dict[str, str]
    size: int
    steps: int
    guidance: float
    image_guidance: float
    door: tuple[int, int]


def read_settings(path: Path | None = None) -> Settings:
    """prompts.toml, every value checked.

    Raises:
        UserError: names the file, the key, what was found and what was expected.
    """
    path = Path(path or PROMPTS)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"--prompts {printable(path)}: no such file; expected a copy of prompts.toml") from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--prompts {printable(path)}: cannot be read as TOML ({reason})") from None
    known = {"templates": list, "expressions": dict, "angles": dict, "model": dict, "door": dict}
    _expect(path, "", "the keys", sorted(content), set(content) == set(known), ", ".join(known))
    for key, kind in known.items():
        what = "a list of sentences" if kind is list else "a table"
        _expect(path, "", key, content[key], isinstance(content[key], kind) and bool(content[key]), what)
    for number, template in enumerate(content["templates"], start=1):
        _check_template(path, number, template)
    for table in ("expressions", "angles"):
        for name, phrase in content[table].items():
            fine = isinstance(phrase, str) and phrase.strip() and not re.search(r"[<>{}\n]", phrase)
            _expect(path, table, name, phrase, fine, "a phrase of one line, without < > { }")
    model = _numbers(path, content, "model", {"size": int, "steps": int, "guidance": float, "image_guidance": float})
    door = _numbers(path, content, "door", {"size": int, "quality": int})
    size = model["size"]
    _expect(path, "model", "size", size, _is_side(size), "a multiple of 16 from 64 to 2048")
    _expect(path, "model", "steps", model["steps"], 1 <= model["steps"] <= 1000, "1 to 1000")
    for name in ("guidance", "image_guidance"):
        _expect(path, "model", name, model[name], 0 <= model[name] <= 100, "0 to 100")
    _expect(path, "door", "size", door["size"], 64 <= door["size"] <= size, f"64 to {size}, the model's size")
    _expect(path, "door", "quality", door["quality"], 1 <= door["quality"] <= 100, "1 to 100")
    words = {name: dict(content[name]) for name in ("expressions", "angles")}
    return Settings(tuple(content["templates"]), **words, **model, door=(door["size"], door["quality"]))


def _check_template(path: Path, number: int, template: object) -> None:
    where = f"templates, sentence {number}"
    places = "{references}, {expression} and {angle}"
    fine = isinstance(template, str) and "\n" not in template and not re.search(r"[<>]", template)
    _expect(path, "", where, template, fine, f"one line with {places}, without < >")
    try:
        found = {name for _, name, *_ in Formatter().parse(template) if name is not None}
    except ValueError:
        found = set()
    for name in sorted(found - _PLACES):
        _expect(path, "", where, f"{{{name}}}", False, f"{places} alone")
    for name in sorted(_PLACES - found):
        raise UserError(f"{printable(path)}: {where}: the placeholder {{{name}}} is missing; expected {places}")


def _numbers(path: Path, content: dict, table: str, kinds: dict[str, type]) -> dict:
    found = content[table]
    _expect(path, "", f"the keys of [{table}]", sorted(found), set(found) == set(kinds), ", ".join(kinds))
    for name, kind in kinds.items():
        number = isinstance(found[name], (int, kind)) and not isinstance(found[name], bool)
        fine = number and math.isfinite(found[name])
        _expect(path, table, name, found[name], fine, "a whole number" if kind is int else "a number")
    return {name: kind(found[name]) for name, kind in kinds.items()}


def _expect(path: Path, table: str, key: str, value: object, fine: object, expected: str) -> None:
    if not fine:
        place = f"[{table}] {key}" if table else key
        raise UserError(f"{printable(path)}: {place}: found {value!r}, expected {expected}")


def _is_side(size: int) -> bool:
    return 64 <= size <= 2048 and size % 16 == 0


# -------------------------------------------------------------------------------------------------------- photographs


def read_photographs(root: Path, door: int) -> pd.DataFrame:
    """The photographs below `root`/<person>/, every one opened.

    Hidden files, and what lies beside the people's folders (a licence, say), are left alone. Copies of a photograph,
    also scaled or compressed anew, count once: of two copies one could become a reference and the other a real image.

    Args:
        door: side in pixels below which a photograph can be a reference but no image of the real class.

    Returns:
        One row a photograph, by person and name: person, name, sha256, usable (large enough for the real class).

    Raises:
        UserError: no folder, no people, no photograph, or one that cannot be read, or two people's that are the same.
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
    """The photographs with a column `use`: reference, real, or "" where there are more than are needed.

    Of a person's n photographs half, one at least and MAX_REFERENCES at most, are references. The others are the real
    class where they are large enough, at most `images` of all, as many of each person as of any other.

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


# --------------------------------------------------------------------------------------------------------------- plan


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
    """Every pair of an expression and an angle once; any stretch of them holds each expression and angle evenly."""
    first, second = list(expressions), list(angles)
    turn = math.lcm(len(first), len(second))
    # Down the diagonals: after each whole turn the angle starts one further, or the same pairs would come again.
    count = len(first) * len(second)
    return [(first[step % len(first)], second[(step + step // turn) % len(second)]) for step in range(count)]


def draw_plan(photos: pd.DataFrame, settings: Settings, images: int, seed: int) -> pd.DataFrame:
    """The plan: `images` rows, columns PLAN_COLUMNS; the same for the same arguments.

    People have equally many images, and so have expressions, angles, their pairs, and the pairs of each person, each
    up to one. One, two and three references are equally frequent for each person, as far as there are photographs.

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
    return _table(rows)


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


def _table(rows: list[Row]) -> pd.DataFrame:
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
        "size": (int, lambda value: _is_side(value) and value >= door, f"a multiple of 16 from {smallest} to 2048"),
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
    """What is wrong with a row's number of references or its prompt's placeholders, or "".

    Nothing is ever drawn from text alone: a row has one to MAX_REFERENCES photographs, each once in the prompt.
    """
    count = len(tuple(references))
    if not 1 <= count <= MAX_REFERENCES:
        return f"found {count} references, expected 1 to {MAX_REFERENCES}"
    found = sorted(map(int, _IMAGES.findall(prompt)))
    whole = all(f"<img><|image_{number}|></img>" in prompt for number in range(1, count + 1))
    if found != list(range(1, count + 1)) or not whole:
        return f"the prompt {prompt!r} has not each placeholder once; expected {tags(count)}"
    return ""


# ---------------------------------------------------------------------------------------------------------------- job


@dataclass(frozen=True)
class Job:
    """A set to be generated.

    Attributes:
        name: `dataset_1` … `dataset_4`, or `tiny`.
        references: folder of the people's folders.
        work: where it grows; it is renamed to `target` when it is whole.
        target: `datasets/<id>`, which a run then uses.
        photos: columns person, name, sha256, usable, use.
        rows: the plan.
        door: side in pixels and JPEG quality by which both classes leave.
        tiny: whether a tiny random model is to draw noise in OmniGen's place.
    """

    name: str
    references: Path
    work: Path
    target: Path
    photos: pd.DataFrame = field(repr=False, compare=False)
    rows: list[Row] = field(repr=False, compare=False)
    door: tuple[int, int] = (256, 90)
    tiny: bool = False

    @property
    def plan(self) -> pd.DataFrame:
        """The plan as a table, columns PLAN_COLUMNS."""
        return _table(self.rows)

    @property
    def is_finished(self) -> bool:
        """Whether the set is whole and in its place."""
        return (self.target / RECORD).is_file()

    @property
    def place(self) -> Path:
        """Where its files are now."""
        return self.target if self.is_finished else self.work

    def shown(self, path: Path) -> str:
        """A path as a notebook shows it: below the study's home folder."""
        return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else path.name


def open_job(
    *, dataset: str, references: str, images: int = 0, prompts: str = "", seed: int = 7, tiny: bool = False
) -> Job:
    """The set that these options name, with its plan drawn or, where it was drawn before, read.

    Args:
        dataset: `1` … `4`; not used where `tiny`.
        references: folder that holds a folder of photographs for each person; "" with `tiny`: drawn portraits.
        images: number of images to generate; 0: as many as the dataset has by the manifest (two a person if `tiny`).
        prompts: a copy of prompts.toml, or "".
        tiny: a set of noise from a tiny random model in `datasets/tiny`, small in every way.

    Raises:
        UserError: an option, photograph or setting that cannot be used, or a place that holds something else.
    """
    if not tiny and dataset not in DATASETS:
        raise UserError(f"--dataset {dataset}: expected one of {', '.join(DATASETS)} to generate")
    if images < 0:
        raise UserError(f"--images {images}: expected 0 or more")
    settings = read_settings(Path(prompts) if prompts else None)
    if tiny:
        settings = dataclasses.replace(settings, size=64, steps=2, door=(64, settings.door[1]))
    if not references and not tiny:
        raise UserError("--references: expected a folder that holds a folder of photographs for each person")
    folder, name = Path(references), "tiny" if tiny else f"dataset_{dataset}"
    if not references:
        from lib.data import omnigen_tiny

        folder = omnigen_tiny.example_references()
    photos = read_photographs(folder, settings.door[0])
    images = images or (2 * photos["person"].nunique() if tiny else _manifest_images(dataset))
    photos = assign_uses(photos, images, seed)
    photographs = text_hash(photos[["person", "name", "sha256"]].to_numpy().tolist())
    asked = {"--images": images, "--seed": seed, "--tiny": tiny, "the photographs": photographs}
    asked |= {"the prompts": text_hash(dataclasses.asdict(settings)), "this program": VERSION}
    work, target = home() / "datasets" / "generating" / name, home() / "datasets" / ("tiny" if tiny else dataset)
    place = _prepare(work, target, asked)
    if not (place / "plan.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_table(work / "plan.csv", draw_plan(photos, settings, images, seed))
        write_json(work / "plan.json", {"schema": 1, "asked": asked})
    rows = read_plan(place / "plan.csv", photos, settings.door[0])
    return Job(name, Path(os.path.realpath(folder)), work, target, photos, rows, settings.door, tiny)


def _manifest_images(dataset: str) -> int:
    rows = read_manifest().query("dataset == @dataset and label == 'synthetic' and location == 'standin:'")
    return int(rows["images"].sum())


def _prepare(work: Path, target: Path, asked: dict) -> Path:
    """Where the plan is or belongs; an earlier plan that asked for something else is kept if any image of it is there.

    Raises:
        UserError: the place holds other images, or a set that other options were given for.
    """
    if (target / RECORD).is_file():
        _refuse_other(target, asked, f"move {target} away to generate another set")
        return target
    check_free(target)
    if (work / "plan.json").is_file():
        if any((work / "provenance").glob("*.json")):
            _refuse_other(work, asked, f"give the same again, or delete {work} to start anew")
        elif _asked(work) != asked:
            (work / "plan.json").unlink()
    return work


def check_free(target: Path) -> None:
    """Raise unless a generated set can be put at `target`: nothing is there, or an empty folder.

    Raises:
        UserError: names it.
    """
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or entries(target)):
        raise UserError(f"{printable(target)}: something is there already; move it away, or choose another --dataset")


def _refuse_other(place: Path, asked: dict, advice: str) -> None:
    before = _asked(place)
    other = [name for name in asked if before.get(name) != asked[name]]
    if other:
        found = f"it was begun with other {', other '.join(other)}"
        raise UserError(f"{printable(place)}: {found}; {printable(advice)}")


def _asked(place: Path) -> dict:
    try:
        return json.loads((place / "plan.json").read_text(encoding="utf-8"))["asked"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{printable(place / 'plan.json')}: cannot be read ({error}); delete it") from None


# ------------------------------------------------------------------------------------------------------------- showing


def hours(rows: Iterable[Row]) -> dict[str, float]:
    """Hours that the rows take, by GPU; a rough estimate, scaled from SECONDS by steps and pixels."""
    work = [(len(row.references), row.steps / 50 * (row.size / 512) ** 2) for row in rows]
    return {gpu: sum(table[count] * part for count, part in work) / 3600 for gpu, table in SECONDS.items()}


def coverage(job: Job) -> pd.DataFrame:
    """Number of planned images of each expression (rows) and angle (columns)."""
    return pd.crosstab(job.plan["expression"], job.plan["angle"])


def _span(least: int, most: int) -> str:
    one = "image" if most == 1 else "images"
    return f"{least:,} {one}" if least == most else f"{least:,} or {most:,} {one}"


def describe(job: Job) -> str:
    """The plan in a few lines: people, images, cost, where it lies."""
    photos, rows = job.photos, job.rows
    people = photos["person"].nunique()
    uses = photos["use"].value_counts()
    counts = pd.Series([len(row.references) for row in rows]).value_counts().sort_index()
    cells = pd.Series([(row.expression, row.angle) for row in rows]).value_counts()
    cost = ", ".join(f"{value:.1f} h on one {gpu}" for gpu, value in hours(rows).items())
    lines = [
        f"{job.name}: {len(rows):,} images of {people} people to generate",
        f"  photographs: {uses['reference']:,} references, {uses['real']:,} as the real class, "
        f"{uses.get('', 0):,} not needed or too small",
        f"  references an image: {', '.join(f'{number} in {count:,}' for number, count in counts.items())}",
        f"  expressions x angles: {len(cells)} pairs, {_span(cells.min(), cells.max())} each",
        f"  both classes leave as {job.door[0]} x {job.door[0]} JPEG of quality {job.door[1]}",
        "  cost: seconds on a CPU; the images are NOISE of a tiny random model, not OmniGen"
        if job.tiny
        else f"  cost: about {cost}, and 8.1 GB of model to download once",
        f"  plan: {job.shown(job.place / 'plan.csv')}; result: {job.shown(job.target)}",
    ]
    with_real = photos.loc[photos["use"] == "real", "person"].nunique()
    if min(with_real, people) < MIN_GROUPS:
        lines.append(f"  note: {with_real} people have real images; a study needs {MIN_GROUPS} for its three splits")
    if not job.tiny:
        lines.append("  use photographs only of people who agreed to this (docs/omnigen.md)")
    return "\n".join(lines)
