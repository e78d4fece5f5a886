"""What sentences of several notebooks have in common: how they begin and end, lists, shares, a user's texts, two limits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

import numpy as np

from lib.metrics.checks import Interval, share

SEEN = "**What we see.** "
# Between two lines of one paragraph.
BREAK = "  \n"
# AUCs further apart than this matter: between training and validation it is overfitting, between datasets a loss.
GAP = 0.05
# An interval of AUC that is wider than this says little.
WIDE = 0.1


def listed(names: Iterable[str]) -> str:
    """`a, b`; `none` if there are no names."""
    return ", ".join(names) or "none"


def shares(found: Interval) -> str:
    """`85% [79%, 90%]`."""
    if np.isnan(found.value):
        return str(found)
    return f"{share(found.value)} [{share(found.low)}, {share(found.high)}]"


def code(text: str) -> str:
    """A text of the user's as Markdown shows it plainly: nothing in it is markup, HTML or a formula."""
    return f"`{' '.join(str(text).replace('`', chr(39)).split())}`"


def verbatim(text: str, most: int = 40) -> str:
    """A value of the user's as Markdown that shows it as it is, on one line, cut to `most` letters; no markup."""
    line = " ".join(text.split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+\-.!|$~])", r"\\\1", line))
