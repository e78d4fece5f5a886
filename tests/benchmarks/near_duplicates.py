"""Measures what lib/data/audit/duplicates.py claims: copies found, false pairs, cost of the hash and of the search.

    python -m tests.benchmarks.near_duplicates [FOLDER ...]

Run from the project's folder. The first folder is the reference, by default the real faces of ../shared/data; the
images of each further folder are looked up in it. About two minutes on two cores.
"""

import io
import sys
import tempfile
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance

from lib.data.audit.duplicates import BITS, NEAR, pairs_between, pairs_within, perceptual_hash
from lib.data.standin import draw as standin

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DEFAULT = [SHARED / "ffhq_stylegan", SHARED / "ffhq_diffusion" / "real"]
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
DRAWN = 1500
IMAGES = 179_430  # of the study's largest dataset
# Pairs of ffhq_stylegan that were looked at and are one picture, different in its finest detail only.
SAME_BY_EYE = {
    ("ffhq_stylegan/synthetic/00067.jpg", "ffhq_stylegan/synthetic/00267.jpg"),
    ("ffhq_stylegan/synthetic/00079.jpg", "ffhq_stylegan/synthetic/00754.jpg"),
    ("ffhq_stylegan/synthetic/00159.jpg", "ffhq_stylegan/synthetic/00884.jpg"),
    ("ffhq_stylegan/synthetic/00492.jpg", "ffhq_stylegan/synthetic/00660.jpg"),
    ("ffhq_stylegan/synthetic/00498.jpg", "ffhq_stylegan/synthetic/01047.jpg"),
}


def jpeg(image: Image.Image) -> Image.Image:
    """Through JPEG at quality 50."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file).convert("RGB")


def half(image: Image.Image) -> Image.Image:
    """Half as wide and high."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without these shares of the width or height at the edges."""
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


CHANGES = {
    "none": lambda image: image,
    "JPEG quality 50": jpeg,
    "half size": half,
    "10% brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "3% of width cropped": lambda image: cut(image, *[0.015] * 4),
    "3% cropped each edge": lambda image: cut(image, *[0.03] * 4),
    "3% each edge, half, q50": lambda image: jpeg(half(cut(image, *[0.03] * 4))),
    "5% cropped each edge": lambda image: cut(image, *[0.05] * 4),
    "3% off the left": lambda image: cut(image, 0.03, 0, 0, 0),
    "3% off left and top": lambda image: cut(image, 0.03, 0.03, 0, 0),
}


def main(folders: list[Path]) -> None:
    """Print all tables."""
    paths = [images_below(folder) for folder in folders]
    images = [Image.open(path).convert("RGB") for path in paths[0]]
    hashes = [perceptual_hash(image) for image in images]
    names = [path.relative_to(folders[0].parent).as_posix() for path in paths[0]]
    print(f"{folders[0].name}: {len(images):,} images, {hashes.count('')} without a hash\n")
    print(f"Copies found within {NEAR} of {BITS} bits, beside plain pHash with at most two false pairs")
    print(recall_table(images, hashes, names).to_string(float_format="{:.3f}".format), "\n")
    print_closest(all_distances(hashes), names)
    for folder, others in zip(folders[1:], paths[1:]):
        found = pairs_between([perceptual_hash(Image.open(path)) for path in others], hashes)
        worst = found[:, 2].max(initial=0)
        print(f"{folder}: {len(set(found[:, 0]))} of {len(others)} images found, at most {worst} bits away\n")
    with tempfile.TemporaryDirectory() as folder:
        standin.write(Path(folder), dict.fromkeys(standin.LABELS, DRAWN // 2), seed=1)
        drawn = images_below(Path(folder))
        names = [path.relative_to(folder).as_posix() for path in drawn]
        print_closest(all_distances([perceptual_hash(Image.open(path)) for path in drawn]), names)
    print(cost_table(images[0]).to_string(float_format="{:.2f}".format), "\n")
    print(f"Search among {IMAGES:,} hashes")
    print(search_table(hashes).to_string(float_format="{:.1f}".format))


def images_below(folder: Path) -> list[Path]:
    """Image files in a folder and its folders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def bits_of(hashes: list[str]) -> np.ndarray:
    """(n, 2, BITS) 0 or 1."""
    data = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
    return np.unpackbits(data).reshape(len(hashes), 2, BITS)


def all_distances(hashes: list[str]) -> np.ndarray:
    """(n, n) distances by the definition, each pair once, 255 elsewhere; independent of the search in the library."""
    whole, centre = (view.astype(np.float32) * 2 - 1 for view in np.moveaxis(bits_of([h for h in hashes if h]), 1, 0))
    crossed = whole @ centre.T
    alike = np.maximum(whole @ whole.T, np.maximum(crossed, crossed.T))
    distances = ((BITS - alike) / 2).astype(np.uint8)
    distances[np.tril_indices(len(distances))] = 255
    return distances


def recall_table(images: list[Image.Image], hashes: list[str], names: list[str]) -> pd.DataFrame:
    """Share of changed copies found, their distances, and what plain pHash of 64 and 256 bits finds."""
    sizes = (8, 16)
    plain = {size: np.array([imagehash.phash(image, size).hash.ravel() for image in images]) for size in sizes}
    radius = {size: plain_radius(plain[size], names) for size in sizes}
    rows = {}
    for name, change in CHANGES.items():
        copies = [change(image) for image in images]
        distances = np.array([distance(*pair) for pair in zip(hashes, map(perceptual_hash, copies))])
        rows[name] = {"found": (distances <= NEAR).mean()}
        rows[name] |= {"median": np.median(distances), "99%": np.quantile(distances, 0.99), "most": distances.max()}
        for size in sizes:
            changed = np.array([imagehash.phash(image, size).hash.ravel() for image in copies])
            found = (changed != plain[size]).sum(axis=1) <= radius[size]
            rows[name][f"pHash {size**2} (radius {radius[size]})"] = found.mean()
    return pd.DataFrame(rows).T


def plain_radius(bits: np.ndarray, names: list[str]) -> int:
    """Largest radius that joins at most two pairs of different pictures."""
    signs = bits.astype(np.float32) * 2 - 1
    distances = (bits.shape[1] - signs @ signs.T) / 2
    for place in copies_by_eye(names):
        distances[place] = np.inf
    return int(np.partition(distances[np.triu_indices(len(bits), 1)], 2)[2]) - 1


def copies_by_eye(names: list[str]) -> list[tuple[int, int]]:
    """Rows of the pairs that are known to be one picture."""
    row = {name: number for number, name in enumerate(names)}
    return [(row[a], row[b]) for a, b in SAME_BY_EYE if a in row and b in row]


def distance(first: str, second: str) -> int:
    """Of two hashes, by the definition."""
    a, b = bits_of([first, second])
    return min(int((a[i] != b[j]).sum()) for i, j in ((0, 0), (0, 1), (1, 0)))


def print_closest(distances: np.ndarray, names: list[str], most: int = 12) -> None:
    """How many different pictures stand within each radius, and the closest pairs by name, to be looked at."""
    pairs = len(names) * (len(names) - 1) // 2
    known = copies_by_eye(names)
    counts = np.bincount(distances.ravel(), minlength=256)
    counts -= np.bincount([distances[place] for place in known], minlength=256).astype(int)
    counts = counts[:255].cumsum()
    found = sum(distances[place] <= NEAR for place in known)
    print(f"{len(names):,} images, {pairs:,} pairs; copies by eye within {NEAR} bits: {found} of {len(known)}")
    print(f"other pairs within {NEAR} bits: {counts[NEAR]} ({counts[NEAR] / pairs:.1e})")
    radii = range(NEAR - 3, NEAR + 28, 3)
    print(pd.DataFrame({"radius": radii, "pairs": counts[list(radii)]}).T.to_string(header=False))
    for place in np.argsort(distances, axis=None, kind="stable")[:most]:
        a, b = np.unravel_index(place, distances.shape)
        note = "  one picture by eye" if (names[a], names[b]) in SAME_BY_EYE else ""
        print(f"  {distances[a, b]:3} bits  {names[a]}  {names[b]}{note}")
    print()


def cost_table(image: Image.Image) -> pd.DataFrame:
    """Milliseconds for the hash of one image, decoding not counted."""
    rows = {}
    for side in (256, 512, 1024):
        sized = image.resize((side, side))
        kinds = {"this hash": perceptual_hash, "imagehash.phash": imagehash.phash}
        rows[f"{side} pixels"] = {f"{name}, ms": 1e3 * seconds(function, sized) for name, function in kinds.items()}
    return pd.DataFrame(rows).T


def seconds(function, image: Image.Image, repeats: int = 100) -> float:
    """Least time of one call, so that other work on the machine does not count."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function(image)
        times.append(time.perf_counter() - started)
    return min(times)


def search_table(hashes: list[str]) -> pd.DataFrame:
    """Seconds and peak megabytes of `pairs_within`, each in a process of its own."""
    base = np.packbits(bits_of([text for text in hashes if text]).reshape(-1, 2 * BITS), axis=1)
    kinds = {
        "random": None,
        "faces, each bit wrong with 15%": 0.15,
        "faces, each bit wrong with 5%": 0.05,
        "5,000 copies of one file, rest random": -1.0,
    }
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        rows = [pool.submit(search, base, kind).result() for kind in kinds.values()]
    return pd.DataFrame(rows, index=list(kinds))


def search(base: np.ndarray, noise: float | None) -> dict[str, float]:
    """One search; the hashes as `search_table` names them."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (IMAGES, base.shape[1]), np.uint8)
    if noise is not None and noise < 0:
        data[rng.choice(IMAGES, 5000, replace=False)] = data[0]
    elif noise is not None:
        for start in range(0, IMAGES, 10_000):
            part = data[start : start + 10_000]
            wrong = np.packbits(rng.random((len(part), 8 * part.shape[1])) < noise, axis=1)
            part[:] = base[rng.integers(0, len(base), len(part))] ^ wrong
    texts = [row.tobytes().hex() for row in data]
    tracemalloc.start()
    started = time.perf_counter()
    found = pairs_within(texts)
    taken = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    return {"pairs": len(found), "seconds": taken, "peak MB": peak / 1e6}


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or DEFAULT)
