"""run_all.py's display: readable at 80 columns, plain in a log, and a clean terminal after Ctrl-C."""

import errno
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest
from rich.console import Console
from support import PROJECT

from lib import study
from lib.show import display
from lib.show.display import Board, Task, files_to_open, is_live
from lib.show.progress import progress

STEPS = [step for step in study.STEPS if step.scope != "all"]


def tasks(rows=("dataset_1", "a long name of my own pictures"), also=()):
    each = [Task(row, step.notebook, step.title) for row in rows for step in (*STEPS, *also)]
    return [*each, *(Task("all datasets", step.notebook, step.title) for step in study.STEPS if step.scope == "all")]


@pytest.fixture
def terminal(monkeypatch):
    """Makes a console that takes itself for a terminal."""
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def make(width=80):
        return Console(
            file=io.StringIO(), force_terminal=True, width=width, highlight=False, markup=False, soft_wrap=True
        )

    return make


def drawn(board, width):
    """What the board shows now, as lines of text."""
    plain = Console(file=io.StringIO(), width=width, soft_wrap=True)
    plain.print(board.render())
    return plain.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("also", [(), tuple(study.EXPERIMENTS.values())])
def test_no_line_is_wider_than_the_terminal_and_every_notebook_has_its_column(terminal, width, also):
    board = Board(terminal(width), tasks(also=also))
    with board, board.running(board.tasks[0]):
        with progress(1068, "activations of the frozen blocks") as advance:
            advance(0)
            time.sleep(0.25)
            advance(480)
            lines = drawn(board, width)
        assert max(map(len, lines)) <= width
        numbers = next(line for line in lines if "01" in line).split()
        assert numbers == [step.notebook[:2] for step in (*STEPS, *also)] + ["05"]
        row = next(line for line in lines if line.startswith("dataset_1"))
        # Narrow columns have a dash in place of the word.
        assert "45%" in row and row.count("waiting") + row.split().count("-") == len(STEPS) + len(also) - 1
        assert any(line.startswith("a long na") for line in lines)
        text = "\n".join(lines)
        assert "480 of 1,068 images" in text and "images/s" in text and "left" in text
        assert f"[1/{len(board.tasks)}] dataset_1 · 01_data_audit" in text


def test_states_are_told_in_words(terminal):
    board = Board(terminal(), tasks(("dataset_1",)))
    first, second, third, *_ = board.tasks
    with pytest.raises(ZeroDivisionError), board:
        board.kept(first)
        with board.running(second):
            assert os.environ["STUDY_PROGRESS_FILE"]
        with board.running(third):
            raise ZeroDivisionError
    assert "STUDY_PROGRESS_FILE" not in os.environ
    row = next(line for line in drawn(board, 80) if line.startswith("dataset_1"))
    assert row.split() == ["dataset_1", "kept", "0", "s", "failed", "waiting", "waiting", "waiting"]
    shown = board._console.file.getvalue()
    assert "failed" in shown and shown.rstrip().endswith("\x1b[?25h")  # the cursor is back
    assert "unchanged, kept" not in shown


@pytest.mark.parametrize("variable", ["CI", "NO_COLOR"])
def test_a_log_and_those_who_ask_get_plain_lines(terminal, monkeypatch, variable):
    assert is_live(terminal()) and not is_live(Console(file=io.StringIO()))
    monkeypatch.setenv(variable, "1")
    console = terminal()
    assert not is_live(console)
    monkeypatch.setattr(display, "LINE_EVERY", 0.05)
    with Board(console, tasks(("dataset_1",))) as board:
        board.kept(board.tasks[0])
        with board.running(board.tasks[1]), progress(100, "frozen features") as advance:
            advance(0)
            time.sleep(0.25)
            advance(50)
            time.sleep(0.2)
    lines = console.file.getvalue().splitlines()
    assert "\x1b" not in console.file.getvalue()
    assert lines[0] == "[1/7] dataset_1 · 01_data_audit: unchanged, kept"
    assert lines[1] == "[2/7] dataset_1 · 02_phase1_training: started"
    assert re.search(r"02_phase1_training: frozen features, 50 of 100 images, \d+ images/s, 0:0\d left", lines[2])
    assert re.fullmatch(r"\[2/7\] dataset_1 · 02_phase1_training: done in \d s", lines[-1])


PROGRAM = """
import fcntl, signal, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # this terminal is the one that sends Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests started in the background ignore it, and what they start
from rich.console import Console
from lib.show.display import Board, Task
from lib.show.progress import progress
console = Console(highlight=False, markup=False, soft_wrap=True)
try:
    with Board(console, [Task("dataset_1", "01_data_audit", "data audit")]) as board, board.running(board.tasks[0]):
        with progress(1000, "audit") as advance:
            for _ in range(200):
                time.sleep(0.05)
                advance(5)
except KeyboardInterrupt:
    print("stopped; to go on")
"""


def test_ctrl_c_leaves_a_clean_terminal(tmp_path):
    """In a pseudo-terminal of 80 columns: the table is there while it works, and the cursor after it."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(PROJECT)}
    # Not pty.fork(): it runs Python in a copy of this process, whose other threads (TensorFlow's, OpenVINO's) are gone.
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-X", "faulthandler", str(tmp_path / "program.py")]
    program = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown, stopped = b"", False
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError as error:
            assert error.errno == errno.EIO  # the other end is closed
            break
        if not part:
            break
        shown += part
        if not stopped and b"images/s" in shown:
            stopped = True
            os.write(terminal, b"\x03")
    text = shown.decode()
    assert (program.wait(60), stopped) == (0, True), text
    os.close(terminal)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    after = text[text.index("\x1b[?25h") :]
    assert "stopped; to go on" in after and "audit" not in after
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()
    assert any(line.startswith("dataset_1") and "stopped" in line for line in last)


def test_files_to_open_are_those_that_are_there_by_their_short_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here, away = tmp_path / "results", tmp_path.parent / f"{tmp_path.name} away"
    for path in (here / "index.html", away / "04.ipynb"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    places = [(here / "index.html", "all"), (here / "none.ipynb", "none"), (away / "04.ipynb", "thresholds")]
    lines = [re.split(r"\s{2,}", line.strip()) for line in files_to_open(places)]
    assert lines == [["results/index.html", "all"], [str(away / "04.ipynb"), "thresholds"]]
