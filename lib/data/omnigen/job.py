"""One job of generating: a plan, its output folder, and its estimated cost."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib.data.audit.split import MIN_GROUPS
from lib.data.omnigen.examples import example_references
from lib.data.omnigen.plan import (
    DATASETS,
    VERSION,
    Row,
    assign_uses,
    draw_plan,
    plan_table,
    read_photographs,
    read_plan,
)
from lib.data.omnigen.prompts import read_settings
from lib.data.source.checks import printable
from lib.data.source.folders import entries
from lib.data.source.manifest import read_manifest
from lib.data.source.source import RECORD
from lib.study.files import home, text_hash, write_json, write_table
from lib.study.names import UserError
from lib.study.options import text_option, whole_number, yes_or_no

# Seconds for an image at 512 x 512 and 50 steps, by number of references. OmniGen's authors state them for none, one
# and two references (docs/inference.md of VectorSpaceLab/OmniGen); three are extrapolated.
SECONDS = {"RTX 3090": {1: 36, 2: 43, 3: 50}, "A800": {1: 14, 2: 15, 3: 16}}


@dataclass(frozen=True)
class Job:
    """A set to be generated.

    Attributes:
        name: `dataset_1` … `dataset_4`, or `tiny`.
        references: folder of the people's folders.
        work: folder of the unfinished set; it is renamed to `target` when it is complete.
        target: `datasets/<id>`, which a run then uses.
        photos: columns person, name, sha256, usable, use.
        rows: the plan.
        door: side in pixels and JPEG quality of both classes' files.
        tiny: whether a tiny random model draws noise instead of OmniGen.
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
        return plan_table(self.rows)

    @property
    def is_finished(self) -> bool:
        """Whether the set is complete and in its folder."""
        return (self.target / RECORD).is_file()

    @property
    def place(self) -> Path:
        """The current folder of its files."""
        return self.target if self.is_finished else self.work

    def shown(self, path: Path) -> str:
        """A path as a notebook shows it: below the study's home folder."""
        return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else path.name


def open_job(
    *,
    dataset: str | int,
    references: str,
    images: int | str = 0,
    prompts: str = "",
    seed: int | str = 7,
    tiny: bool | str = False,
) -> Job:
    """The set of these options; its plan is drawn, or read if it exists.

    Args:
        dataset: `1` … `4`; not used with `tiny`.
        references: folder that holds a folder of photographs for each person; "" with `tiny`: drawn portraits.
        images: number of images to generate; 0: as many as the dataset has in the manifest (two per person with
            `tiny`).
        prompts: a copy of prompts.toml, or "".
        tiny: a small set of noise from a tiny random model in `datasets/tiny`.

    Raises:
        UserError: an option, photograph or setting that cannot be used, or a folder with other content.
    """
    # papermill makes numbers, True and None of what it can, and leaves the rest text.
    dataset, prompts = text_option("dataset", dataset), text_option("prompts", prompts)
    references, tiny = text_option("references", references), yes_or_no("tiny", tiny)
    images, seed = whole_number("images", images), whole_number("seed", seed)
    if not tiny and dataset not in DATASETS:
        raise UserError(f"--dataset {dataset}: expected one of {', '.join(DATASETS)} to generate")
    settings = read_settings(Path(prompts) if prompts else None)
    if tiny:
        settings = dataclasses.replace(settings, size=64, steps=2, door=(64, settings.door[1]))
    if not references and not tiny:
        raise UserError("--references: expected a folder that holds a folder of photographs for each person")
    folder, name = Path(references), "tiny" if tiny else f"dataset_{dataset}"
    if not references:
        folder = example_references()
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
    """The path of the plan. An earlier plan with other options is kept if any of its images exists.

    Raises:
        UserError: the folder holds other images, or a set with other options.
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
    """Raise unless a generated set can be put at `target`: it must be missing or an empty folder.

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
    """The plan in a few lines: people, images, cost, folder."""
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
