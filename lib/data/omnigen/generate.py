"""From a plan to a dataset: image by image, each with its provenance.

The row of the plan gives each image its file name, so a stopped run can continue.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lib.data.audit.normalise import write_square
from lib.data.images.decode import read_rgb
from lib.data.omnigen import tiny
from lib.data.omnigen.job import Job, check_free
from lib.data.omnigen.pipeline import LICENCE, Generator, check_options, load_generator, obstacle
from lib.data.omnigen.plan import Row
from lib.data.source.checks import printable
from lib.data.source.listing import PEOPLE
from lib.data.source.source import RECORD
from lib.study.files import file_hash, text_hash, write_json, write_table
from lib.study.names import UserError


def file_names(job: Job) -> list[str]:
    """File name of the image of each row: 16 digits from the row and the content of its references.

    They reveal nothing about person or class; the names of real images are made in the same way.
    """
    content = _contents(job)
    shown = [[content[row.person, name] for name in row.references] for row in job.rows]
    return [text_hash(dataclasses.astuple(row), *rest, job.door, job.tiny)[:16] for row, *rest in zip(job.rows, shown)]


def left(job: Job) -> int:
    """Number of images of a job that are not drawn yet."""
    return 0 if job.is_finished else sum(not _is_drawn(job, name) for name in file_names(job))


def carry_out(
    job: Job,
    *,
    batch: int = 1,
    offload: str = "model",
    load: Callable[[Job, str], Generator] | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Path:
    """Draw the missing images, normalise photographs and images in the same way, and move the set to its folder.

    Can be stopped at any time: an image and its provenance are each written whole. The complete set appears at
    `datasets/<id>` by one renaming.

    Args:
        batch: rows drawn at once. Batches depend on the plan, not on the missing images, so a stopped run draws the
            same images. Another batch size may change their last bits.
        offload: see `load_generator`.
        load: makes the generator; None for OmniGen, or the tiny random model if the job requests it. Called only if an
            image is missing.
        on_progress: called with the number of images just drawn.

    Returns:
        The folder of the set.

    Raises:
        UserError: an option out of range, a full disk, or an error of `load` or of the drawing.
    """
    check_options(batch, offload)
    if job.is_finished:
        return job.target
    load = load or _generator
    try:
        _draw_rows(job, batch, lambda: load(job, offload), on_progress)
        _finish(job)
    except OSError as error:
        raise UserError(f"{printable(job.work)}: cannot be written ({error.strerror or error})") from None
    return job.target


def _generator(job: Job, offload: str) -> Generator:
    if not job.tiny:
        return load_generator(job, offload)
    if problem := obstacle(job):
        raise UserError(problem)
    return tiny.load_generator()


def _draw_rows(job: Job, batch: int, load: Callable[[], Generator], on_progress: Callable[[int], None]) -> None:
    content, generator = _contents(job), None
    named = sorted(zip(job.rows, file_names(job)), key=lambda pair: _kind(pair[0]))
    for _, alike in groupby(named, key=lambda pair: _kind(pair[0])):
        pairs = list(alike)
        for start in range(0, len(pairs), batch):
            rows, names = zip(*pairs[start : start + batch])
            missing = {name for name in names if not _is_drawn(job, name)}
            if not missing:
                continue
            generator = generator or load()
            references = [[_reference(job, row, name) for name in row.references] for row in rows]
            started = time.time()
            pictures = generator.draw(list(rows), references)
            seconds = (time.time() - started) / len(rows)
            for row, name, pixels in zip(rows, names, pictures, strict=True):
                if name in missing:
                    path = _image(job, name)
                    write_square(pixels, path, *job.door)
                    write_json(
                        _sidecar(job, name),
                        {
                            "schema": 1,
                            "file": f"synthetic/{name}.jpg",
                            "sha256": file_hash(path),
                            "plan": dataclasses.asdict(row),
                            "references_sha256": [content[row.person, reference] for reference in row.references],
                            "model": generator.model,
                            "revision": generator.revision,
                            "words": generator.words,
                            "versions": generator.versions,
                            "batch": list(names),
                            "seconds": round(seconds, 2),
                            "time": datetime.now(UTC).isoformat(timespec="seconds"),
                        },
                    )
            on_progress(len(missing))


def _kind(row: Row) -> tuple:
    """Common properties of the rows in one batch: cost and shape."""
    return len(row.references), row.size, row.steps, row.guidance, row.image_guidance


def _reference(job: Job, row: Row, name: str) -> Image.Image:
    """A reference as the model sees it: the central square at the size of the generated image, cropped as in
    normalising.

    With one size, cost and memory are the same for all rows with equal numbers of references.
    """
    pixels = _photograph(job, row.person, name)
    return ImageOps.fit(Image.fromarray(pixels), (row.size, row.size), Image.Resampling.LANCZOS)


def _photograph(job: Job, person: str, name: str) -> np.ndarray:
    path = job.references / person / name
    try:
        return read_rgb(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{printable(path)}: cannot be read any more ({' '.join(str(error).split())})") from None


def _contents(job: Job) -> dict[tuple[str, str], str]:
    """(person, name) of each photograph to its sha256."""
    photos = job.photos
    return dict(zip(zip(photos["person"], photos["name"]), photos["sha256"]))


def _image(job: Job, name: str) -> Path:
    return job.place / "synthetic" / f"{name}.jpg"


def _sidecar(job: Job, name: str) -> Path:
    return job.place / "provenance" / f"{name}.json"


def _is_drawn(job: Job, name: str) -> bool:
    """Whether an image and its provenance exist and match."""
    try:
        known = json.loads(_sidecar(job, name).read_text(encoding="utf-8"))
        return known["sha256"] == file_hash(_image(job, name))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _finish(job: Job) -> None:
    """The real class, the tables and the record; then the set is moved to its folder."""
    photos = job.photos[job.photos["use"] == "real"].reset_index(drop=True)
    names = [text_hash("real", sha256, job.door)[:16] for sha256 in photos["sha256"]]

    def write(name: str, person: str, photo: str) -> None:
        path = job.work / "real" / f"{name}.jpg"
        if not path.exists():
            write_square(_photograph(job, person, photo), path, *job.door)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, names, photos["person"], photos["name"]))
    drawn = file_names(job)
    # An edited plan may lack rows whose images exist already.
    _keep(job.work / "real", {f"{name}.jpg" for name in names})
    _keep(job.work / "synthetic", {f"{name}.jpg" for name in drawn})
    _keep(job.work / "provenance", {f"{name}.json" for name in drawn})
    origin = [json.loads(_sidecar(job, name).read_text(encoding="utf-8")) for name in drawn]
    real = pd.DataFrame({"path": [f"real/{name}.jpg" for name in names], "label": "real", "group": photos["person"]})
    made = pd.DataFrame([{"path": row["file"], "label": "synthetic", "group": row["plan"]["person"]} for row in origin])
    people = pd.concat([real.assign(expression="", angle=""), made.assign(**_poses(job))], ignore_index=True)
    provenance = pd.concat([_real_provenance(job, real, photos), _drawn_provenance(made, origin)], ignore_index=True)
    write_table(job.work / "provenance.csv", provenance)
    write_table(job.work / PEOPLE, people)
    words = " and ".join(sorted({row["words"] for row in origin}))
    models = sorted({f"{row['model']} {row['revision']}".strip() for row in origin})
    if not job.tiny:
        write_table(job.work / "data_manifest.csv", _manifest(job, provenance, models))
    counts = people["label"].value_counts().to_dict()
    record = {"schema": 1, "words": words, "models": models, "images": counts, "door": list(job.door)}
    write_json(job.work / RECORD, record)
    # Hours may have passed since the first check.
    check_free(job.target)
    if job.target.is_dir():
        job.target.rmdir()
    job.work.replace(job.target)


def _keep(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def _poses(job: Job) -> dict[str, list[str]]:
    return {"expression": [row.expression for row in job.rows], "angle": [row.angle for row in job.rows]}


def _real_provenance(job: Job, real: pd.DataFrame, photos: pd.DataFrame) -> pd.DataFrame:
    return real.assign(
        sha256=[file_hash(job.work / path) for path in real["path"]],
        made_from=photos["person"] + "/" + photos["name"],
        made_from_sha256=photos["sha256"],
    )


def _drawn_provenance(made: pd.DataFrame, origin: list[dict]) -> pd.DataFrame:
    # Objects: real images have no seed, and with missing values pandas would turn seeds into decimals.
    plan = pd.DataFrame([row["plan"] for row in origin], dtype=object)
    references = [[f"{row['plan']['person']}/{name}" for name in row["plan"]["references"]] for row in origin]
    return made.assign(
        sha256=[row["sha256"] for row in origin],
        made_from=["|".join(names) for names in references],
        made_from_sha256=["|".join(row["references_sha256"]) for row in origin],
        **plan.drop(columns=["person", "references"]),
        model=[row["model"] for row in origin],
        revision=[row["revision"] for row in origin],
        versions=[" ".join(f"{name}={number}" for name, number in row["versions"].items()) for row in origin],
        time=[row["time"] for row in origin],
    )


def _manifest(job: Job, provenance: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """The set as rows of data_manifest.csv, for publishing it."""
    number = job.name.removeprefix("dataset_")
    drawn = (
        "; ".join(models),
        "lib/data/omnigen/generate.py",
        LICENCE,
        "Generated from photographs of the same people",
    )
    given = ("", "the photographs given with --references", "not stated", "Through one door with the generated images")
    rows = []
    for label, (generator, origin, licence, notes) in {"real": given, "synthetic": drawn}.items():
        files = provenance.loc[provenance["label"] == label, ["path", "sha256"]].sort_values("path")
        rows.append(
            {
                "dataset": number,
                "name": job.name,
                "label": label,
                "images": len(files),
                "generator": generator,
                "origin": origin,
                "location": f"datasets/{number}/{label}",
                "licence": licence,
                "sha256": text_hash(files.to_numpy().tolist()),
                "notes": notes,
            }
        )
    return pd.DataFrame(rows)
