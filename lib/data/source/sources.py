"""The source of a dataset's images: the user's folder or table, a public set, or stand-ins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.data.source import download
from lib.data.source.manifest import generator_of, read_manifest
from lib.data.source.own import own_dataset, own_source
from lib.data.source.source import Source, known_set, refuse_stated
from lib.study.files import home
from lib.study.names import DATASETS, LABELS, NOT_OMNIGEN, UserError
from lib.study.options import Reading
from lib.study.registry import Registry
from lib.study.run import Run


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes:
        locate: from a dataset (`1` … `4`, `control`), the run's name and the user's statements, to the source; None if
            this kind has no images of the dataset on this computer.
        describe: from a dataset to a few lines about its download; None if nothing can be fetched.
        fetch: from a dataset and a function that gets lines of progress (`on_line`), to the source with its images.
        datasets: gives the datasets that can be fetched.
    """

    locate: Callable[[str, str, Reading], Source | None]
    describe: Callable[[str], str] | None = None
    fetch: Callable[..., Source] | None = None
    datasets: Callable[[], tuple[str, ...]] = tuple


# In order of priority.
KINDS: Registry[Kind] = Registry("kind of source")


def source_of(run: Run) -> Source:
    """The source of a run's images, read according to the run's options."""
    return find_source(run.dataset, run.data, run.name, run.reading)


def find_source(dataset: str, data: str = "", name: str = "", reading: Reading | None = None) -> Source:
    """The source of a dataset's images.

    The first of `KINDS` that has them: the user's own `datasets/<id>`, then a completely downloaded public set, then
    stand-ins.

    Args:
        dataset: `1` … `4` or `control`; not used if `data` is given.
        data: a folder of images, or a CSV or Parquet table of them (docs/data.md).
        name: the run's name.
        reading: the user's statements about folders or table; not allowed for a public set or stand-ins.

    Raises:
        UserError: a folder or table is missing, empty or ambiguous, or a table has a row that cannot be used.
    """
    reading = reading or Reading()
    if data:
        return own_source(Path(data), name, reading)
    if dataset not in DATASETS:
        raise UserError(f"dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    source = next(filter(None, (kind.locate(dataset, name, reading) for kind in KINDS.values())))
    if source.rows is None:
        refuse_stated(reading, f"dataset {dataset} ({source.words})")
    return source


def fetchable(dataset: str) -> list[Kind]:
    """The kinds of source that can fetch missing images of a dataset."""
    return [kind for kind in KINDS.values() if kind.fetch and dataset in kind.datasets()]


def _stand_ins(dataset: str, name: str, reading: Reading) -> Source:
    rows = read_manifest().query("dataset == @dataset and location == 'standin:'")
    counts = rows.groupby("label")["images"].sum().to_dict()
    root = home() / "datasets" / "standin" / (dataset if dataset == "control" else f"dataset_{dataset}")
    root = Path(os.path.realpath(root))
    words = "null control of stand-in images, both classes from one pipeline" if dataset == "control" else NOT_OMNIGEN
    folders = {label: (root / label,) for label in LABELS}
    understood = known_set(counts, "people, by people.csv")
    return Source(name, root, counts, True, words, understood, folders, generator=generator_of(rows))


KINDS.register("datasets", Kind(own_dataset))
KINDS.register("kaggle", Kind(download.locate, download.describe, download.fetch, download.datasets))
KINDS.register("standin", Kind(_stand_ins))
