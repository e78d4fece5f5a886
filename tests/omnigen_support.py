"""What the tests of generating share: photographs of people, small settings, and a generator that needs no torch."""

from pathlib import Path

import numpy as np
from PIL import Image

from lib.data.omnigen.job import Job, open_job
from lib.data.omnigen.pipeline import Generator
from lib.data.omnigen.prompts import PROMPTS

PEOPLE = ("anna", "Bélá", "c h", "dé", "e", "f", "g", "h", "i", "j", "k", "李")


def photograph(path: Path, seed: int, size: tuple[int, int] = (150, 110), quality: int = 88) -> Path:
    """A picture of soft blots, unlike that of any other seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blots = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), "uint8")
    Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC).save(path, quality=quality)
    return path


def photographs(root: Path, people=PEOPLE, each: int = 4, **form) -> Path:
    """A folder as --references takes it."""
    for number, person in enumerate(people):
        for photo in range(each):
            photograph(root / person / f"photo {photo}, ü.jpg", 100 * number + photo, **form)
    return root


def prompts(path: Path, old: str = "", new: str = "") -> Path:
    """A copy of prompts.toml for images of 96 pixels that leave at 64, with one more change."""
    text = PROMPTS.read_text(encoding="utf-8").replace("size = 512", "size = 96").replace("size = 256", "size = 64")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return path


def job(
    root: Path, own_home: Path, images: int = 24, people=PEOPLE, each: int = 4, dataset: str = "1", **options
) -> Job:
    """A small job below a home folder of the test's own."""
    folder = root / "people of ü"
    if not folder.exists():
        photographs(folder, people, each)
    words = str(prompts(root / "prompts.toml"))
    return open_job(dataset=dataset, references=str(folder), images=images, prompts=words, **options)


class Fake:
    """Stands in for the model: soft blots that follow from seeds and references; remembers what it was asked."""

    def __init__(self, stop_after: int = 10**6):
        self.asked: list[tuple] = []
        self.loaded = 0
        self._stop_after = stop_after

    def load(self, job: Job, offload: str) -> Generator:
        self.loaded += 1
        return Generator(self.draw, "a model", "1234", "OmniGen images (a model, revision 1234)", {"torch": "9"})

    def draw(self, rows, references):
        if len(self.asked) >= self._stop_after:
            raise KeyboardInterrupt
        self.asked.append(tuple(row.seed for row in rows))
        pictures = []
        for row, images in zip(rows, references, strict=True):
            assert all(image.size == (row.size, row.size) and image.mode == "RGB" for image in images)
            # Like the true pipeline, an image depends on its row and on what else is in its batch.
            rng = np.random.default_rng([row.seed, len(rows), int(np.asarray(images[0]).sum())])
            blots = Image.fromarray(rng.integers(0, 256, (7, 7, 3), "uint8"))
            pictures.append(np.asarray(blots.resize((row.size, row.size), Image.Resampling.BICUBIC)))
        return pictures
