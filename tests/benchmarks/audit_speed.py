"""The audit against a plain loop with Pillow and ImageHash: images a second, and peak memory.

    python -m tests.benchmarks.audit_speed [IMAGES ...]

Run from the project's folder. Draws stand-ins (by default 1,068 and 10,905) into a temporary folder, then runs both in
turn, each in a process of its own, A B A B. The plain loop opens, decodes and hashes; the audit also looks for copies,
checks the pixels' hash and the file's outside, and draws the split.
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

from lib.data import standin

SIZES = (1_068, 10_905)
PAIRS = 3
ALONE = 100_000  # from this many images on, one pair of runs is enough (and long enough)


def plain(root: Path) -> int:
    """What a user would write: every file opened, decoded and hashed."""
    import imagehash
    from PIL import Image

    rows = []
    for path in sorted(root.glob("*/*.jpg")):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            pixels = image.convert("RGB")
            rows.append((path.name, image.format, image.size, sha256, str(imagehash.phash(pixels))))
    return len(rows)


def ours(root: Path) -> int:
    """The audit as notebook 01 runs it, without figures and probe."""
    from lib.data import audit, duplicates, manifest

    folders = {label: (root / label,) for label in ("real", "synthetic")}
    source = manifest.Source("benchmark", root, {}, True, "stand-ins", folders)
    images = audit.audit_files(source, audit.list_files(source), lambda count: None)
    pairs = duplicates.find_duplicates(images[audit.usable(images)])
    return len(audit.split_images(images, pairs, seed=7))


def measured(name: str, root: Path) -> dict:
    """Seconds and peak memory (MB) of one run in a new process; imports are not counted."""
    command = [sys.executable, "-m", "tests.benchmarks.audit_speed", name, str(root)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def one(name: str, root: Path) -> None:
    import imagehash  # noqa: F401

    from lib.data import audit  # noqa: F401

    started = time.perf_counter()
    count = {"plain": plain, "ours": ours}[name](root)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images": count, "seconds": seconds, "megabytes": round(peak)}))


def main(sizes: list[int]) -> None:
    print("images | plain, images/s | audit, images/s | ratio | audit, ms an image | peak MB, plain | audit", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted(sizes):
            standin.write(Path(folder), {"real": -(-size // 2), "synthetic": size // 2}, seed=9)
            runs = [(measured("plain", Path(folder)), measured("ours", Path(folder)))]
            runs += [
                (measured("plain", Path(folder)), measured("ours", Path(folder)))
                for _ in range(PAIRS - 1 if size < ALONE else 0)
            ]
            ratio = statistics.median(a["seconds"] / b["seconds"] for a, b in runs)
            speed = [statistics.median(size / run[side]["seconds"] for run in runs) for side in (0, 1)]
            peak = [max(run[side]["megabytes"] for run in runs) for side in (0, 1)]
            print(
                f"{size:,} | {speed[0]:.0f} | {speed[1]:.0f} | {ratio:.2f} | {1000 / speed[1]:.2f} | {peak[0]} | {peak[1]}",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] in (["plain"], ["ours"]):
        one(sys.argv[1], Path(sys.argv[2]))
    else:
        main([int(text) for text in sys.argv[1:]] or list(SIZES))
