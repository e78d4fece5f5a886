"""Drawn portraits instead of reference photographs, for the tiny random model."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from lib.data.standin import draw as standin
from lib.study.files import home, text_hash, written_whole

PEOPLE, PHOTOS = 12, 4


def example_references() -> Path:
    """A folder of drawn portraits in the form of --references; missing ones are drawn."""
    root = home() / "datasets" / "generating" / f"drawn_references_{standin.VERSION}"
    for person in range(PEOPLE):
        for photo in range(PHOTOS):
            path = root / f"person {person:02d}" / f"{photo}.jpg"
            if not path.exists():
                # In the control set both classes are plain drawings: four of each person.
                label, index = standin.LABELS[photo % 2], 2 * person + photo // 2
                pixels = standin.draw(label, index, control=True)
                quality = 70 + int(text_hash(person, photo)[:2], 16) % 25
                with written_whole(path) as temporary:
                    Image.fromarray(pixels).save(temporary, "JPEG", quality=quality)
    return root
