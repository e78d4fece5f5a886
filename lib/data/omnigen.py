"""From a plan to a dataset: OmniGen through diffusers, image by image, each with where it came from.

The only module but `omnigen_tiny` that knows torch and diffusers, and it imports them when it draws. What is drawn is
kept under a name that follows from the row of the plan, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from lib.data.checks import printable
from lib.data.listing import PEOPLE
from lib.data.loading import read_rgb
from lib.data.normalise import write_square
from lib.data.omnigen_plan import Job, Row, check_free, wrong_references
from lib.data.sources import RECORD
from lib.study.files import file_hash, text_hash, write_json, write_table
from lib.study.names import UserError

MODEL = "Shitao/OmniGen-v1-diffusers"
# As three public repositories record it independently (8,088,956,424 bytes in 11 files); it could not be looked up at
# the hub itself when this was written. A hash that is not there fails at once and draws nothing.
REVISION = "016e2f61d12a98303f6bbdf122687694d7984268"
LICENCE = "MIT, by the model's card"
OFFLOADS = ("none", "model", "sequential")
PACKAGES = ("diffusers", "torch", "torchvision", "transformers", "accelerate", "tokenizers")
INSTALL = "pip install -r requirements-generate.lock && pip install --no-deps -e ."


@dataclass(frozen=True)
class Generator:
    """What draws.

    Attributes:
        draw: rows of the plan and their references (RGB, one list a row) to uint8 (size, size, 3) images.
        model, revision: which weights.
        words: what the images are, as every figure and table is to say.
        versions: package to version.
    """

    draw: Callable[[list[Row], list[list[Image.Image]]], list[np.ndarray]]
    model: str
    revision: str
    words: str
    versions: dict[str, str]


# ----------------------------------------------------------------------------------------------------------- the model


def obstacle(job: Job) -> str:
    """Why the images of a job that is not finished cannot be generated on this computer, in a line; "" if they can."""
    if job.is_finished:
        return ""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        return f"generating needs {', '.join(absent)}, which is not installed: {INSTALL}"
    if not job.tiny and _accelerator() is None:
        return (
            "generating needs a GPU and PyTorch finds none (on a processor one image takes many minutes); "
            "--tiny shows the way with a tiny random model"
        )
    return ""


def load_generator(job: Job, offload: str = "model") -> Generator:
    """The pipeline of a job, ready to draw: OmniGen in bfloat16 on the GPU, or the tiny random one on the processor.

    Args:
        offload: `none` keeps all on the GPU, `model` keeps idle parts in main memory, `sequential` every layer (slow).

    Raises:
        UserError: what is missing, or why the model cannot be loaded.
    """
    if problem := obstacle(job):
        raise UserError(problem)
    if job.tiny:
        from lib.data import omnigen_tiny

        return omnigen_tiny.load_generator()
    # Read when CUDA starts: without it some products of matrices differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    quiet()
    import torch
    from diffusers import OmniGenPipeline

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    offline = os.environ.get("STUDY_OFFLINE") == "1"
    try:
        pipeline = OmniGenPipeline.from_pretrained(
            MODEL, revision=REVISION, dtype=torch.bfloat16, local_files_only=offline
        )
    except Exception as error:  # network, access, disk, an incomplete download: the hub's client raises many kinds
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{MODEL} at {REVISION[:8]} could not be loaded ({type(error).__name__}: {reason}); it is downloaded once, "
            "8.1 GB, and the same command goes on with that"
        ) from None
    try:
        _place(pipeline, offload)
    except torch.OutOfMemoryError:
        raise UserError(_out_of_memory(1, offload, max(row.size for row in job.rows))) from None
    words = f"real photographs and OmniGen images ({MODEL}, revision {REVISION[:8]})"
    return Generator(drawer(pipeline, offload), MODEL, REVISION, words, versions())


def _place(pipeline, offload: str) -> None:
    device = _accelerator()
    if offload == "none":
        pipeline.to(device)
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)


def _accelerator():
    """The GPU as PyTorch calls it, or None."""
    import torch

    return torch.accelerator.current_accelerator(check_available=True)


def quiet() -> None:
    """No progress bars and remarks of the libraries in notebooks; errors still come."""
    warnings.filterwarnings("ignore", message="IProgress not found")
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def versions() -> dict[str, str]:
    """Versions of the packages that a generated image depends on."""
    return {name: metadata.version(name) for name in (*PACKAGES, "pillow", "numpy")}


def drawer(pipeline, offload: str = "none") -> Callable[[list[Row], list[list[Image.Image]]], list[np.ndarray]]:
    """`Generator.draw` of a diffusers OmniGenPipeline.

    The same rows in the same batch give the same images on the same machine and versions: every row has its own
    generator, and PyTorch's global one is seeded too, because the VAE samples the references from it.
    """
    import torch

    pipeline.set_progress_bar_config(disable=True)

    def draw(rows: list[Row], references: list[list[Image.Image]]) -> list[np.ndarray]:
        for row, images in zip(rows, references, strict=True):
            if problem := wrong_references(images, row.prompt):
                raise UserError(f"a row of {row.person}: {problem}")
        # diffusers turns every row of a batch by the positions of the first, so the first must be the longest.
        order = sorted(range(len(rows)), key=lambda row: -len(pipeline.tokenizer(rows[row].prompt).input_ids))
        ordered, first = [rows[row] for row in order], rows[0]
        torch.manual_seed(ordered[0].seed)
        try:
            drawn = pipeline(
                [row.prompt for row in ordered],
                input_images=[references[row] for row in order],
                **{"height": first.size, "width": first.size, "max_input_image_size": first.size},
                num_inference_steps=first.steps,
                guidance_scale=first.guidance,
                img_guidance_scale=first.image_guidance,
                # On the processor, so that the noise does not depend on the kind of GPU.
                generator=[torch.Generator("cpu").manual_seed(row.seed) for row in ordered],
            ).images
        except torch.OutOfMemoryError:
            raise UserError(_out_of_memory(len(rows), offload, first.size)) from None
        found = dict(zip(order, drawn))
        return [np.asarray(found[row].convert("RGB")) for row in range(len(rows))]

    return draw


def _out_of_memory(batch: int, offload: str, size: int) -> str:
    if batch > 1:
        change = f"give --batch {batch // 2} instead of {batch}"
    elif offload == "none":
        change = "give --offload model instead of none"
    elif offload == "model":
        change = "give --offload sequential instead of model (slow)"
    else:
        change = f"set a size below {size} under [model] in prompts.toml"
    return f"the GPU's memory is too small: {change}; what is drawn is kept"


# ------------------------------------------------------------------------------------------------------------ the work


def file_names(job: Job) -> list[str]:
    """Name of the image of each row: 16 digits that follow from the row and the content of its references.

    They say nothing about person or class; the names of real images are made in the same way.
    """
    content = _contents(job)
    shown = [[content[row.person, name] for name in row.references] for row in job.rows]
    return [text_hash(dataclasses.astuple(row), *rest, job.door, job.tiny)[:16] for row, *rest in zip(job.rows, shown)]


def left(job: Job) -> int:
    """Number of images of a job that are still to be drawn."""
    return 0 if job.is_finished else sum(not _is_drawn(job, name) for name in file_names(job))


def carry_out(
    job: Job,
    *,
    batch: int = 1,
    offload: str = "model",
    load: Callable[[Job, str], Generator] = load_generator,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Path:
    """Draw what is not drawn yet, then let photographs and images out through one door, and put the set in its place.

    Can be stopped at any time: an image and its provenance are each written whole, and the set appears at
    `datasets/<id>` by one renaming when all of it is there.

    Args:
        batch: rows drawn at once. Batches follow from the plan, never from what is left, so a run that was stopped
            draws the same images; another batch may change their last bits.
        offload: see `load_generator`.
        load: makes the generator; called only if something is left to draw.
        on_progress: told the number of images just drawn.

    Returns:
        The folder of the set.

    Raises:
        UserError: an option out of range, a full disk, or what `load` and the drawing have to say.
    """
    check_options(batch, offload)
    if job.is_finished:
        return job.target
    try:
        _draw_rows(job, batch, lambda: load(job, offload), on_progress)
        _finish(job)
    except OSError as error:
        raise UserError(f"{printable(job.work)}: cannot be written ({error.strerror or error})") from None
    return job.target


def check_options(batch: int, offload: str) -> None:
    """Raise unless both can be used.

    Raises:
        UserError: names the option.
    """
    if batch < 1:
        raise UserError(f"--batch {batch}: expected 1 or more")
    if offload not in OFFLOADS:
        raise UserError(f"--offload {offload}: expected one of {', '.join(OFFLOADS)}")


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
                            **{"schema": 1, "file": f"synthetic/{name}.jpg", "sha256": file_hash(path)},
                            "plan": dataclasses.asdict(row),
                            "references_sha256": [content[row.person, reference] for reference in row.references],
                            **{"model": generator.model, "revision": generator.revision, "words": generator.words},
                            **{"versions": generator.versions, "batch": list(names), "seconds": round(seconds, 2)},
                            "time": datetime.now(UTC).isoformat(timespec="seconds"),
                        },
                    )
            on_progress(len(missing))


def _kind(row: Row) -> tuple:
    """What rows of one batch have in common: cost and shape."""
    return len(row.references), row.size, row.steps, row.guidance, row.image_guidance


def _reference(job: Job, row: Row, name: str) -> Image.Image:
    """A reference as the model sees it: the central square at the size of the image to be drawn, as the door cuts it.

    One size for all makes cost and memory the same for every row with as many references.
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
    """Whether an image and its provenance are there and belong together."""
    try:
        known = json.loads(_sidecar(job, name).read_text(encoding="utf-8"))
        return known["sha256"] == file_hash(_image(job, name))
    except (OSError, ValueError, KeyError, TypeError):
        return False


# ----------------------------------------------------------------------------------------------------------- finishing


def _finish(job: Job) -> None:
    """The real class, the tables and the record; then the set is put in its place."""
    photos = job.photos[job.photos["use"] == "real"].reset_index(drop=True)
    names = [text_hash("real", sha256, job.door)[:16] for sha256 in photos["sha256"]]

    def write(name: str, person: str, photo: str) -> None:
        path = job.work / "real" / f"{name}.jpg"
        if not path.exists():
            write_square(_photograph(job, person, photo), path, *job.door)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, names, photos["person"], photos["name"]))
    drawn = file_names(job)
    # An edited plan may have dropped rows whose images are there already.
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
    # Hours may have passed since it was looked at first.
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
    # Objects: real images have no seed, and beside nothing pandas would turn seeds into decimals.
    plan = pd.DataFrame([row["plan"] for row in origin], dtype=object)
    references = [[f"{row['plan']['person']}/{name}" for name in row["plan"]["references"]] for row in origin]
    return made.assign(
        sha256=[row["sha256"] for row in origin],
        made_from=["|".join(names) for names in references],
        made_from_sha256=["|".join(row["references_sha256"]) for row in origin],
        **{column: plan[column] for column in plan if column not in ("person", "references")},
        model=[row["model"] for row in origin],
        revision=[row["revision"] for row in origin],
        versions=[" ".join(f"{name}={number}" for name, number in row["versions"].items()) for row in origin],
        time=[row["time"] for row in origin],
    )


def _manifest(job: Job, provenance: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """The set as rows of data_manifest.csv, for who wants to publish it."""
    number = job.name.removeprefix("dataset_")
    drawn = ("; ".join(models), "lib/data/omnigen.py", LICENCE, "Generated from photographs of the same people")
    given = ("", "the photographs given with --references", "not stated", "Through one door with the generated images")
    rows = []
    for label, (generator, origin, licence, notes) in {"real": given, "synthetic": drawn}.items():
        files = provenance.loc[provenance["label"] == label, ["path", "sha256"]].sort_values("path")
        rows.append(
            {
                **{"dataset": number, "name": job.name, "label": label, "images": len(files), "generator": generator},
                **{"origin": origin, "location": f"datasets/{number}/{label}", "licence": licence},
                **{"sha256": text_hash(files.to_numpy().tolist()), "notes": notes},
            }
        )
    return pd.DataFrame(rows)
