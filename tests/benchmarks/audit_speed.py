"""The audit against a plain loop with Pillow and ImageHash: images a second, and peak memory.

    python -m tests.benchmarks.audit_speed [IMAGES ...]

Run from the project's folder. Draws stand-ins (by default 1,068 and 10,905) into a temporary folder, then runs both in
turn, each in a process of its own, A B A B. The plain loop opens, decodes and hashes; so does the audit of the files,
which also hashes the pixels and notes the file's outside. Looking for copies and drawing the split, for which the plain
loop has nothing, is timed apart.
"""

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib.data.standin import draw as standin

SIZES = (1_068, 10_905)
PAIRS = 3
ALONE = 100_000  # from this many images on, one pair of runs is enough (and long enough)


def plain(root: Path) -> dict:
    """What a user would write: every file opened, decoded and hashed."""
    import imagehash
    from PIL import Image

    started, rows = time.perf_counter(), []
    for path in sorted(root.glob("*/*.jpg")):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            pixels = image.convert("RGB")
            rows.append((path.name, image.format, image.size, sha256, str(imagehash.phash(pixels))))
    return {"seconds": time.perf_counter() - started}


def ours(root: Path) -> dict:
    """The audit as notebook 01 runs it, without figures and probe."""
    from lib.data.audit import audit, duplicates
    from lib.data.source import source

    folders = {label: (root / label,) for label in ("real", "synthetic")}
    source = source.Source("benchmark", root, {}, True, "stand-ins", folders)
    started = time.perf_counter()
    images = audit.audit_files(source, audit.list_files(source), lambda count: None)
    audited = time.perf_counter()
    pairs = duplicates.find_duplicates(images[audit.usable(images)])
    audit.split_images(images, pairs, seed=7)
    return {"seconds": audited - started, "after": time.perf_counter() - audited}


def measured(name: str, root: Path) -> dict:
    """Seconds and peak memory (MB) of one run in a new process; imports are not counted."""
    command = [sys.executable, "-m", "tests.benchmarks.audit_speed", name, str(root)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def one(name: str, root: Path) -> None:
    import imagehash  # noqa: F401

    from lib.data.audit import audit  # noqa: F401

    found = {"plain": plain, "ours": ours}[name](root)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "megabytes": round(peak)}))


def main(sizes: list[int]) -> None:
    columns = "images | plain, images/s | audit, images/s | ratio | audit, ms an image | copies and split, ms an image"
    print(f"{columns} | peak MB, plain | audit", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for size in sorted(sizes):
            standin.write(root, {"real": -(-size // 2), "synthetic": size // 2}, seed=9)
            runs = [(measured("plain", root), measured("ours", root)) for _ in range(PAIRS if size < ALONE else 1)]
            ratio = statistics.median(plain["seconds"] / audit["seconds"] for plain, audit in runs)
            cost = [1000 / size * statistics.median(run[side]["seconds"] for run in runs) for side in (0, 1)]
            after = 1000 / size * statistics.median(audit["after"] for _, audit in runs)
            peak = [max(run[side]["megabytes"] for run in runs) for side in (0, 1)]
            speeds = f"{1000 / cost[0]:.0f} | {1000 / cost[1]:.0f} | {ratio:.2f} | {cost[1]:.3f} | {after:.3f}"
            print(f"{size:,} | {speeds} | {peak[0]} | {peak[1]}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["plain"], ["ours"]):
        one(sys.argv[1], Path(sys.argv[2]))
    else:
        main([int(text) for text in sys.argv[1:]] or list(SIZES))
