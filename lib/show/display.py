"""The display of run_all.py: a live table of datasets and notebooks in a terminal, plain lines in a log."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lib.show.progress import FILE_VARIABLE, clock, seconds_left, words

# Seconds between two lines of one notebook in a log.
LINE_EVERY = 20.0
STYLES = {"waiting": "dim", "running": "bold cyan", "done": "green", "kept": "green", "failed": "bold red"}


@dataclass
class Task:
    """One notebook of one dataset.

    Attributes:
        row: the dataset's name in the table.
        notebook: its file name without `.ipynb`, which begins with its number.
        title: its task, in a word or two.
        state: waiting, running, done, kept (not run, because nothing has changed), failed or stopped.
        seconds: its running time; while it runs, its start (`time.time`).
    """

    row: str
    notebook: str
    title: str
    state: str = "waiting"
    seconds: float = 0.0


def is_live(console: Console) -> bool:
    """Whether a live table can be shown: in a terminal, if plain text is not requested ($NO_COLOR, $CI)."""
    plain = console.no_color or os.environ.get("CI", "") not in ("", "0", "false")
    return console.is_terminal and not console.is_dumb_terminal and not plain


class Board:
    """The tasks and their progress; a context manager. Kernels write their progress to a file that it watches."""

    def __init__(self, console: Console, tasks: Sequence[Task]):
        self.tasks = list(tasks)
        self._console, self._current = console, None
        self._live = (
            Live(console=console, get_renderable=self.render, refresh_per_second=4) if is_live(console) else None
        )

    def __enter__(self) -> Board:
        self._folder = tempfile.TemporaryDirectory(prefix="study-")
        self._path = Path(self._folder.name) / "progress.json"
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live:
            # Also after an error or Ctrl-C: the table stays as it is then, and the cursor returns.
            self._live.stop()
        self._folder.cleanup()

    def kept(self, task: Task) -> None:
        """Mark a task that need not run."""
        task.state = "kept"
        self._say(f"{self.label(task)}: unchanged, kept")

    @contextmanager
    def running(self, task: Task) -> Iterator[None]:
        """Show a task as running, then as done; if the block raises, as failed or stopped."""
        self._current = task
        self._path.unlink(missing_ok=True)
        os.environ[FILE_VARIABLE] = str(self._path)
        task.state, task.seconds = "running", time.time()
        self._say(f"{self.label(task)}: started")
        over = threading.Event()
        lines = threading.Thread(target=self._lines, args=(task, over), daemon=True)
        if not self._live:
            lines.start()
        try:
            yield
        except BaseException as error:
            task.state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            raise
        else:
            task.state = "done"
        finally:
            task.seconds = time.time() - task.seconds
            os.environ.pop(FILE_VARIABLE, None)
            self._current = None
            over.set()
            if not self._live:
                lines.join()
        self._say(f"{self.label(task)}: done in {task.seconds:.0f} s")

    def label(self, task: Task) -> str:
        """`[2/6] dataset_1 · 02_phase1_training`."""
        number = f"[{self.tasks.index(task) + 1}/{len(self.tasks)}] " if len(self.tasks) > 1 else ""
        return f"{number}{task.row} · {task.notebook}"

    def render(self) -> Group:
        """The table, and below it the current progress."""
        return Group(self._table(), *self._now())

    def _say(self, line: str) -> None:
        if not self._live:
            self._console.print(line)

    def _lines(self, task: Task, over: threading.Event) -> None:
        while not over.wait(LINE_EVERY):
            state = self._state()
            if state and state["done"]:
                self._console.print(f"{self.label(task)}: {state['what']}, {words(state)}")

    def _state(self) -> dict | None:
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # missing, or being written just now
            return None

    def _table(self) -> Table:
        rows = list(dict.fromkeys(task.row for task in self.tasks))
        columns = {task.notebook: task.title for task in self.tasks}
        name = min(max(map(len, rows)), 24 if self._console.width >= 100 else 12)
        room = max(4, (self._console.width - name - 1) // len(columns) - 1)
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column("", no_wrap=True, overflow="ellipsis", width=name)
        titles = _titles(list(columns.values()), room)
        for notebook, title in zip(columns, titles):
            text = Text(f"{notebook[:2]}\n{title}" if title else notebook[:2])
            table.add_column(text, no_wrap=True, overflow="ellipsis", min_width=min(7, room), max_width=room)
        cells = {(task.row, task.notebook): task for task in self.tasks}
        for row in rows:
            found = [cells.get((row, notebook)) for notebook in columns]
            table.add_row(row, *(self._cell(task, room) if task else "" for task in found))
        return table

    def _cell(self, task: Task, room: int) -> Text:
        text = task.state
        if task.state == "done":
            text = f"{task.seconds:.0f} s" if task.seconds < 600 else clock(task.seconds)
        elif task.state == "running":
            state = self._state()
            text = f"{_share(state):.0%}" if state else clock(time.time() - task.seconds)
            left = seconds_left(state) if state else None
            if left is not None and len(longer := f"{text} {clock(left)} left") <= room:
                text = longer
        elif task.state == "waiting":
            text = "waiting" if room >= 7 else "-"
        return Text(text, style=STYLES.get(task.state, "bold yellow"))

    def _now(self) -> list[Text | Table]:
        task = self._current
        if task is None:
            return []
        state = self._state()
        what = f": {state['what']}" if state else ""
        line = f"{self.label(task)}, {clock(time.time() - task.seconds)}{what}"
        lines: list[Text | Table] = [Text(line, no_wrap=True, overflow="ellipsis", style="bold")]
        if state:
            grid = Table.grid(padding=(0, 1))
            grid.add_column(width=max(8, min(30, self._console.width - 58)))
            grid.add_column(no_wrap=True, overflow="ellipsis")
            grid.add_row(ProgressBar(total=max(1, state["total"]), completed=state["done"]), words(state))
            lines.append(grid)
        return lines


def _titles(titles: list[str], room: int) -> list[str]:
    """Titles that fit a column, in two lines if necessary; none if one of them does not fit."""
    if max(map(len, titles)) > room:
        titles = [title.replace(" ", "\n").replace("-", "-\n") for title in titles]
    if any(len(part) > room for title in titles for part in title.split("\n")):
        return [""] * len(titles)
    # Headings stand at the foot of their row. With equal numbers of lines, their numbers are side by side.
    most = max(title.count("\n") for title in titles)
    return [title + "\n" * (most - title.count("\n")) for title in titles]


def _share(state: dict) -> float:
    return min(1.0, state["done"] / state["total"]) if state["total"] else 1.0


def files_to_open(places: Sequence[tuple[Path, str]]) -> list[str]:
    """A line for each existing file or folder: its path, short if it lies below the current folder, and its
    description.

    Args:
        places: path and words.
    """
    found = [(_short(path), what) for path, what in places if path.exists()]
    wide = min(max((len(path) for path, _ in found), default=0), 70)
    return [f"  {path:<{wide}}  {what}" for path, what in found]


def _short(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
