"""Figures made small enough to embed in a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

# Wide enough to read the small print of the widest figures on today's screens.
MOST_PIXELS = 1600
# Text is still sharp; a figure of 80 KB to 1.3 MB becomes 20 to 90 KB.
QUALITY = 84


def embedded(path: Path) -> tuple[str, int, int]:
    """An image file as a data URI (WebP, at most `MOST_PIXELS` wide), with its width and height in pixels."""
    with Image.open(path) as image:
        picture = image.convert("RGBA")
    # Transparent figures are drawn for a white background.
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    picture = paper.convert("RGB")
    picture.thumbnail((MOST_PIXELS, 4 * MOST_PIXELS), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    picture.save(stored, "WEBP", quality=QUALITY, method=4)
    text = base64.b64encode(stored.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{text}", *picture.size
