"""The report as HTML: one page with its figures, style and script inside, everything shown escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lib.metrics.checks import Interval, decimals
from lib.report import words
from lib.report.parts import Report

FOLDER = Path(__file__).resolve().parent


@functools.cache
def environment() -> Environment:
    """Templates of this folder, with autoescape; an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shares"] = words.shares
    made.filters["along"] = along
    made.filters["decimals"] = decimals
    made.tests["numeric"] = is_numeric
    return made


def render(report: Report) -> str:
    """The page of a report; the same report gives the same text."""
    script = (FOLDER / "script.js").read_text(encoding="utf-8")
    # Only the page's own script may run, whatever a file name contains.
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return environment().get_template("template.html.j2").render(report=report, script=script, policy=policy)


def is_numeric(text: str) -> bool:
    """Whether a cell holds numbers alone, which must not be broken into lines."""
    return not any(letter.isalpha() for letter in text)


def along(auc: Interval, width: float = 200.0) -> dict[str, float]:
    """Positions of value, limits and chance of an AUC on a line of length `width`, 0 at its left end and 1 at its
    right.
    """
    places = {"value": auc.value, "low": auc.low, "high": auc.high}
    return {name: round(place * width, 1) for name, place in places.items()} | {"chance": width / 2}
