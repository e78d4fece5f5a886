"""Speed and time left: of what was just done, in images, in a file for run_all.py and in words."""

import json
import sys

import pytest

from lib.show import progress as module
from lib.show.progress import Meter, clock, progress, seconds_left, words


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def metered(*steps, total=1000, **options):
    """A meter after (seconds passed, units done) for each step."""
    time = Clock()
    meter = Meter(total, "features", clock=time, **options)
    for seconds, count in steps:
        time.now += seconds
        meter.advance(count)
    return meter.state()


def test_what_was_there_before_counts_but_not_as_speed():
    state = metered((0, 600), (2, 100), (2, 100))
    assert (state["done"], state["per_second"]) == (800, 50) and seconds_left(state) == 4
    assert words(state) == "800 of 1,000 images, 50 images/s, 0:04 left"


def test_speed_follows_the_last_seconds():
    state = metered((0, 0), (10, 500), *[(10, 10)] * 4)
    assert state["per_second"] == pytest.approx(1)


def test_one_slow_unit_has_a_speed_too():
    assert metered((0, 0), (600, 1), total=3)["per_second"] == pytest.approx(1 / 600)


def test_batches_are_shown_with_images_a_second():
    state = metered((0, 0), (3, 12), total=40, unit="batches", each=32)
    assert words(state) == "12 of 40 batches, 128 images/s, 0:07 left"


def test_nothing_is_said_of_a_speed_that_is_not_known():
    assert words(metered()) == "0 of 1,000 images"
    assert words(metered((0, 0), (0, 5))) == "5 of 1,000 images"
    assert seconds_left(metered()) is None and seconds_left(metered((0, 1000))) == 0


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_under_run_all_the_state_is_in_the_file_and_nothing_is_printed(tmp_path, monkeypatch, capsys):
    path = tmp_path / "progress.json"
    monkeypatch.setenv(module.FILE_VARIABLE, str(path))
    with progress(10, "training", "batches", each=32) as advance:
        assert json.loads(path.read_text())["done"] == 0
        advance(4)
        advance(6)
        state = json.loads(path.read_text())
    assert (state["what"], state["unit"], state["each"], state["done"], state["total"]) == (
        "training",
        "batches",
        32,
        10,
        10,
    )
    assert capsys.readouterr() == ("", "")


def test_a_log_stays_free_of_bars_and_a_terminal_has_one(monkeypatch, capsys):
    monkeypatch.delenv(module.FILE_VARIABLE, raising=False)
    with progress(10, "audit") as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(10, "audit") as advance:
        advance(4)
    assert "audit: 4 of 10 images" in capsys.readouterr().err


def test_a_person_with_a_notebook_open_has_a_bar_that_goes_away(monkeypatch):
    import tqdm.notebook

    made = []

    class Bar(tqdm.notebook.tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.delenv(module.FILE_VARIABLE, raising=False)
    monkeypatch.setenv("STUDY_WIDGETS", "1")
    monkeypatch.setattr(tqdm.notebook, "tqdm", Bar)
    monkeypatch.setattr(tqdm.notebook, "display", lambda *_: None)
    with pytest.raises(ZeroDivisionError), progress(10, "audit") as advance:
        advance(4)
        left, bar, right = made[0].container.children
        assert bar.value == 4 and "4\u2007of\u200710\u2007images" in right.value
        raise ZeroDivisionError
    assert made[0].disable  # closed
