"""Tiny pictures of three simulated generators, and photographs of two simulated cameras, for tests that train."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

SIDE = 64


def _texture(random: np.random.Generator, side: int) -> np.ndarray:
    """A smooth coloured texture, float (side, side, 3) around 128."""
    noise = random.integers(0, 256, (side, side, 3), "uint8")
    smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(side / 40))
    return 128 + 3 * (np.asarray(smooth, float) - 128)


def _enlarged(texture: np.ndarray, times: int, method: Image.Resampling) -> np.ndarray:
    small = Image.fromarray(np.clip(texture, 0, 255).astype("uint8"))
    return np.asarray(small.resize((small.width * times, small.height * times), method), float)


def picture(maker: str, random: np.random.Generator) -> Image.Image:
    """One picture of SIDE pixels. Each generator has its own bottleneck, its own enlarging and its own noise.

    Args:
        maker: "" for a photograph (a texture of full size with the noise of a sensor), or `blocks`, `smooth`, `grid`.
    """
    if maker == "blocks":
        pixels = _enlarged(_texture(random, SIDE // 4), 4, Image.Resampling.NEAREST) + random.normal(
            0, 6, (SIDE, SIDE, 3)
        )
    elif maker == "smooth":
        pixels = _enlarged(_texture(random, SIDE // 2), 2, Image.Resampling.BICUBIC)
    elif maker == "grid":
        lines = 14.0 * (np.arange(SIDE) % 4 == 0)
        pixels = (
            _texture(random, SIDE) + random.normal(0, 6, (SIDE, SIDE, 1)) + lines[:, None, None] + lines[None, :, None]
        )
    else:
        pixels = _texture(random, SIDE) + random.normal(0, 6, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))


def simulated(folder: Path, makers: dict[str, tuple[str, int]], name: str = "images.csv") -> Path:
    """Draw pictures and write their table: columns path, label, group, generator, split; two pictures of each group.

    Args:
        folder: an empty folder.
        makers: what the table calls the generator ("" for photographs), to the kind of picture and the number of them.
            Half of them are for training, a quarter each for validation and test.
    """
    rows = []
    for number, (called, (maker, count)) in enumerate(makers.items()):
        for index in range(count):
            # Neutral file names: the name of a generator is the table's matter.
            path = f"{number}_{index}.png"
            picture(maker, np.random.default_rng([number, index])).save(folder / path)
            split = ("train", "validation", "train", "test")[index // 2 % 4]
            label = "synthetic" if called else "real"
            rows.append([path, label, f"{number}-{index // 2}", called, split])
    columns = ["path", "label", "group", "generator", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / name, index=False)
    return folder / name
