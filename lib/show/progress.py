"""Progress of long work: a bar if the notebook is open, a line in a file if run_all.py is watching."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.show.frontend import is_attended

FILE_VARIABLE = "STUDY_PROGRESS_FILE"
# Rates are averaged over this many seconds: long enough to be steady, short enough to follow a change of work.
WINDOW = 20.0
# Seconds between two writes of the file, and between two looks of a bar.
PAUSE = 0.2


class Meter:
    """Progress of work: units done, speed and remaining time.

    The first call of `advance` reports units done before (cached features, finished epochs). They count as done, but
    not for the speed.

    Attributes:
        done: units done, 0 to `total`.
    """

    def __init__(
        self, total: int, what: str, unit: str = "images", each: int = 1, clock: Callable[[], float] = time.time
    ):
        """Args: total: units of the whole work. each: images in a unit. clock: gives the time in seconds."""
        self.total, self.what, self.unit, self.each = total, what, unit, each
        self.done = 0
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def advance(self, count: int = 1) -> None:
        """Count units that were just done."""
        self.done += count
        now = self._clock()
        self._seen.append((now, self.done))
        # The last one before the window stays, because a slow unit needs its start.
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()

    def per_second(self) -> float | None:
        """Recent units per second; None if not known."""
        if len(self._seen) < 2:
            return None
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return (after - before) / (ended - began) if ended > began and after > before else None

    def state(self) -> dict:
        """Values for a display, as JSON: what, unit, each, done, total, per_second (units, or None)."""
        names = ("what", "unit", "each", "done", "total")
        return {name: getattr(self, name) for name in names} | {"per_second": self.per_second()}


def seconds_left(state: dict) -> float | None:
    """Remaining seconds of the work of a `Meter.state` at its speed; None if not known."""
    if state["done"] >= state["total"]:
        return 0.0
    return (state["total"] - state["done"]) / state["per_second"] if state["per_second"] else None


def words(state: dict) -> str:
    """A `Meter.state` in words: `480 of 1,068 images, 53 images/s, 0:11 left`."""
    parts = [f"{state['done']:,} of {state['total']:,} {state['unit']}"]
    if state["per_second"]:
        speed, unit = state["per_second"], state["unit"]
        if state["each"] > 1:
            speed, unit = speed * state["each"], "images"
        parts.append(f"{speed:,.0f} {unit}/s" if speed >= 9.5 else f"{speed:.2g} {unit}/s")
    left = seconds_left(state)
    if left is not None:
        parts.append(f"{clock(left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress(total: int, what: str, unit: str = "images", each: int = 1) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of units just done.

    Under run_all.py the state goes to the file $STUDY_PROGRESS_FILE, and run_all draws the bar. There is a bar if a
    person has the notebook open, or in a terminal. Otherwise (papermill, nbconvert, a log) nothing is printed, so that
    executed notebooks do not contain timings.

    Args:
        total: units of the whole work.
        what: the work, in a word or two.
        unit: in the plural.
        each: images in a unit, if a unit is not an image: the speed is then shown in images.
    """
    meter = Meter(total, what, unit, each)
    path = os.environ.get(FILE_VARIABLE)
    if path:
        show, close = _file(Path(path)), lambda: None
    else:
        show, close = _bar(meter)
    shown = 0.0

    def advance(count: int = 1) -> None:
        nonlocal shown
        meter.advance(count)
        if time.time() - shown > PAUSE or meter.done >= total:
            shown = time.time()
            show(meter.state())

    show(meter.state())
    try:
        yield advance
    finally:
        close()


def _file(path: Path) -> Callable[[dict], None]:
    """Writes states to a file."""
    return lambda state: path.write_text(json.dumps(state), encoding="utf-8") and None


def _bar(meter: Meter) -> tuple[Callable[[dict], None], Callable[[], None]]:
    """A bar that shows states, and a function that removes it."""
    if is_attended():
        from tqdm.notebook import tqdm
    elif sys.stderr.isatty():
        from tqdm import tqdm
    else:
        return lambda state: None, lambda: None
    shape = {"bar_format": "{percentage:3.0f}% |{bar}| {desc}", "leave": False, "dynamic_ncols": True}
    bar = tqdm(total=meter.total, desc=meter.what, **shape)

    def show(state: dict) -> None:
        bar.n = min(state["done"], state["total"])
        bar.set_description_str(f"{state['what']}: {words(state)}")

    return show, bar.close
