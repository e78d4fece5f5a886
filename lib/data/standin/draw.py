"""Drawn portraits that stand in for the study's unpublished images.

They let every step of the study run on sets of the same sizes. They show that the code works; they are no evidence
about OmniGen or real photographs. Both classes are drawings of the same invented people, with the same camera
(`pipelines.camera`), the same random changes (`pipelines.finish`) and the same JPEG encoder. Images labelled
`synthetic` also carry traces like those of latent image generators (`pipelines.generate`). In the `control` set neither
class does.

An image depends only on (label, index, control, seed), not on the number of images, their order or the processes.
"""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from lib.data.standin import head, people, pipelines
from lib.data.standin.people import ANGLES, EXPRESSIONS, SIZE

__all__ = [
    "ANGLES",
    "EXPRESSIONS",
    "LABELS",
    "SIZE",
    "VERSION",
    "Sitting",
    "draw",
    "encode",
    "quality",
    "sitting",
    "write",
]

VERSION = 3  # raise when the drawing changes, so that old files are redrawn
LABELS = ("real", "synthetic")
COLUMNS = ["path", "label", "group", "expression", "angle"]

_IMAGES_EACH = 2  # of one person in one class
_QUALITIES = (60, 95)
_CHUNK = 40  # images per task: large enough to hide the cost of sending it, small enough for a smooth progress bar
_FEW = 60  # below this many, starting processes costs more than it saves
_FILE = re.compile(r"\d{6,}\.jpg")
_PART = re.compile(r"\.\d{6,}\.jpg\.part")
# First number of every random stream, so that no two kinds of draw share one.
_PERSON, _SITTINGS, _SCENE, _PIPELINE, _QUALITY = range(5)


@dataclass(frozen=True)
class Sitting:
    """The record of one image.

    Attributes:
        group: The person, such as "p00042"; all images of one person must stay in one split.
        expression: One of `EXPRESSIONS`.
        angle: One of `ANGLES`; left and right are the viewer's.
    """

    group: str
    expression: str
    angle: str


def sitting(label: str, index: int, *, seed: int = 0) -> Sitting:
    """The person, expression and angle of image `index` of a class.

    Person k has images 2k and 2k + 1 of either class. The two classes share the people, so the person does not reveal
    the class. The four images of a person have four expressions and four angles.
    """
    place = _code(label) * _IMAGES_EACH + index % _IMAGES_EACH
    person = index // _IMAGES_EACH
    expression, angle = _poses(person, seed)[place]
    return Sitting(f"p{person:05d}", expression, angle)


def draw(label: str, index: int, *, control: bool = False, seed: int = 0) -> np.ndarray:
    """Draws one image, before encoding.

    Args:
        label: "real" or "synthetic".
        index: Number of the image in its class, from 0.
        control: Draw for the control set, where both classes come from the camera alone.
        seed: Of the whole set; not negative.

    Returns:
        uint8 (256, 256, 3) RGB.
    """
    where = sitting(label, index, seed=seed)
    key = (_code(label) + 2 * control, index)
    person = people.make_person(_rng(seed, _PERSON, index // _IMAGES_EACH))
    scene_rng, rng = _rng(seed, _SCENE, *key), _rng(seed, _PIPELINE, *key)
    look = people.make_look(where.expression, where.angle, scene_rng)
    photo = pipelines.camera(head.paint(person, look, scene_rng), rng)
    if label == "synthetic" and not control:
        photo = pipelines.generate(photo, rng)
    return pipelines.finish(photo, rng)


def quality(label: str, index: int, *, control: bool = False, seed: int = 0) -> int:
    """JPEG quality of one image, 60 to 95: drawn from the same distribution for both classes."""
    return int(_rng(seed, _QUALITY, _code(label) + 2 * control, index).integers(_QUALITIES[0], _QUALITIES[1] + 1))


def encode(image: np.ndarray, quality: int) -> bytes:
    """The one JPEG encoder of both classes: Pillow, 4:2:0 chroma subsampling, no metadata."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def write(
    folder: Path,
    counts: dict[str, int],
    *,
    control: bool = False,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Draws a set into `folder`/real/000000.jpg … and `folder`/synthetic/000000.jpg …

    Files already drawn by the same version, seed and kind are kept, so an interrupted call can be repeated; files of another are
    removed first. Files beyond `counts` are left alone. Also writes people.csv (the returned table) and standin.json.

    Args:
        folder: Made if missing.
        counts: Images of each class, such as {"real": 534, "synthetic": 534}.
        control: Draw the control set.
        seed: Of the whole set.
        workers: Processes; all cores when None. 1 draws in this process.
        on_progress: Called with the number of images drawn since the last call: the sum of all calls is the number of new images.

    Returns:
        One row an image: path (relative to `folder`, with "/"), label, group, expression, angle.

    Raises:
        ValueError: An unknown label or a negative count.
        FileExistsError: `folder` holds images that this function did not write.
    """
    for label, count in counts.items():
        _code(label)
        if count < 0:
            raise ValueError(f"counts[{label!r}] is {count}, expected 0 or more")
    folder = Path(folder)
    _prepare(folder, {"version": VERSION, "control": bool(control), "seed": int(seed)})
    tasks = [
        (folder, label, chunk, control, seed)
        for label, count in counts.items()
        for chunk in _chunks(_missing(folder / label, count))
    ]
    new = sum(len(task[2]) for task in tasks)
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    for done in _draw_all(tasks, 1 if new < _FEW else workers):
        if on_progress:
            on_progress(done)
    people = _people(counts, seed)
    _replace(folder / "people.csv", people.to_csv(index=False, lineterminator="\n").encode())
    return people


def _code(label: str) -> int:
    if label not in LABELS:
        raise ValueError(f"label is {label!r}, expected one of {', '.join(LABELS)}")
    return LABELS.index(label)


def _rng(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, VERSION, *key]))


@lru_cache(maxsize=1 << 16)
def _poses(person: int, seed: int) -> tuple[tuple[str, str], ...]:
    """Expression and angle of a person's four images: none occurs twice."""
    rng = _rng(seed, _SITTINGS, person)
    expressions = rng.permutation(len(EXPRESSIONS))[: 2 * _IMAGES_EACH]
    angles = rng.permutation(len(ANGLES))[: 2 * _IMAGES_EACH]
    return tuple((EXPRESSIONS[e], ANGLES[a]) for e, a in zip(expressions, angles))


def _people(counts: dict[str, int], seed: int) -> pd.DataFrame:
    rows = [
        {"path": f"{label}/{index:06d}.jpg", "label": label, **asdict(sitting(label, index, seed=seed))}
        for label, count in counts.items()
        for index in range(count)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _prepare(folder: Path, made_by: dict[str, object]) -> None:
    """Makes the folders, and removes the drawings of another version of this module."""
    note = folder / "standin.json"
    ours = [
        path
        for label in LABELS
        for path in (folder / label).glob("*")
        if _FILE.fullmatch(path.name) or _PART.fullmatch(path.name)
    ]
    if ours and not note.exists():
        raise FileExistsError(
            f"{folder} holds images but no standin.json: stand-ins are not drawn over someone's images"
        )
    try:
        same = json.loads(note.read_text()) == made_by
    except (FileNotFoundError, ValueError):
        same = False
    for path in ours:
        if not same or _PART.fullmatch(path.name):
            path.unlink()
    for label in LABELS:
        (folder / label).mkdir(parents=True, exist_ok=True)
    if not same:
        # Written before the images, so that an interrupted call can continue.
        _replace(note, (json.dumps(made_by) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name in the same folder and renames it, so that it is never incomplete."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _missing(folder: Path, count: int) -> list[int]:
    there = {entry.name for entry in os.scandir(folder)}
    return [index for index in range(count) if f"{index:06d}.jpg" not in there]


def _chunks(indices: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(indices), _CHUNK):
        yield indices[start : start + _CHUNK]


def _one_thread() -> None:
    """One thread per process: the processes already use all cores."""
    cv2.setNumThreads(1)


def _draw_chunk(task: tuple[Path, str, list[int], bool, int]) -> int:
    folder, label, indices, control, seed = task
    for index in indices:
        path = folder / label / f"{index:06d}.jpg"
        image = draw(label, index, control=control, seed=seed)
        _replace(path, encode(image, quality(label, index, control=control, seed=seed)))
    return len(indices)


def _draw_all(tasks: list[tuple[Path, str, list[int], bool, int]], workers: int) -> Iterator[int]:
    """Runs the tasks and yields the size of each as it ends."""
    left = dict(enumerate(tasks))
    if workers > 1:
        # Spawned, not forked: a notebook's kernel has threads (TensorFlow's among them), and a forked copy can hang.
        try:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
                running = {pool.submit(_draw_chunk, task): number for number, task in left.items()}
                for future in as_completed(running):
                    done = future.result()
                    del left[running[future]]
                    yield done
        except BrokenProcessPool:
            # A new process cannot import the caller's main module (a script read from standard input, or one without
            # the __main__ guard). The remaining images are drawn here: slower, but the same.
            pass
    for task in left.values():
        yield _draw_chunk(task)
