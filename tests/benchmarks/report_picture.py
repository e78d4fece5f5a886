"""Writes docs/report.png, the picture of docs/report.md: the top of a report, as a browser shows it.

    python -m tests.benchmarks.report_picture RESULTS_FOLDER

RESULTS_FOLDER holds the index.html of runs on stand-ins alone: pictures of people do not belong in the repository.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from lib import study

PICTURE = study.PROJECT / "docs" / "report.png"
WIDTH, HEIGHT = 1000, 1000


def main(results: Path) -> None:
    for audit in results.glob("*/audit.json"):
        if not json.loads(audit.read_text(encoding="utf-8"))["dataset"]["stand_in"]:
            sys.exit(f"{audit.parent}: not a stand-in dataset; the repository shows stand-ins only")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto((results / "index.html").resolve().as_uri())
        page.screenshot(path=Path(folder) / "page.png")
        opened.close()
        # 64 colours are enough for text, and keep the repository small.
        with study.written_whole(PICTURE) as temporary, Image.open(Path(folder) / "page.png") as shot:
            shot.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(temporary, optimize=True)
    print(f"{PICTURE} written")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
