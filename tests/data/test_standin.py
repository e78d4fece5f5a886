"""Stand-ins: the same bytes whenever and however they are drawn, classes alike in everything but pixels."""

import io

import pandas as pd
import pytest
from PIL import Image

from lib.data import standin

COUNTS = {"real": 40, "synthetic": 40}


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one worker")
    return folder, standin.write(folder, COUNTS, workers=1)


def test_bytes_do_not_depend_on_workers_or_on_what_was_there(drawn, tmp_path):
    folder, _ = drawn
    standin.write(tmp_path, {"real": 5, "synthetic": 3}, workers=1)
    few = content(tmp_path)
    assert all(content(folder)[name] == data for name, data in few.items()) and len(few) == 8
    standin.write(tmp_path, COUNTS, workers=2)
    (tmp_path / "real" / "000007.jpg").unlink()
    done = []
    standin.write(tmp_path, COUNTS, workers=2, on_progress=done.append)
    assert content(tmp_path) == content(folder) and sum(done) == 1


def test_another_version_is_drawn_anew(tmp_path, monkeypatch):
    standin.write(tmp_path, {"real": 2, "synthetic": 2}, workers=1)
    before = content(tmp_path)
    monkeypatch.setattr(standin, "VERSION", standin.VERSION + 1)
    done = []
    standin.write(tmp_path, {"real": 2, "synthetic": 2}, workers=1, on_progress=done.append)
    assert sum(done) == 4 and content(tmp_path).keys() == before.keys()


def test_classes_share_people_in_different_poses(drawn):
    people = drawn[1]
    assert (people.groupby("group").size() == 4).all()
    assert (people.groupby("group")["label"].nunique() == 2).all()
    assert (people.groupby("group")["expression"].nunique() == 4).all()
    assert (people.groupby("group")["angle"].nunique() == 4).all()


def test_files_look_alike_from_outside_and_no_picture_occurs_twice(drawn):
    files = content(drawn[0])
    images = [Image.open(io.BytesIO(data)) for data in files.values()]
    assert {(image.format, image.size, image.mode) for image in images} == {("JPEG", (256, 256), "RGB")}
    assert not any(image.getexif() for image in images)
    assert len({image.tobytes() for image in images}) == len(files)
    sizes = pd.Series({name: len(data) for name, data in files.items()})
    real = sizes[sizes.index.str.startswith("real")].mean()
    assert 0.75 < real / sizes[~sizes.index.str.startswith("real")].mean() < 1.33


def test_control_puts_both_classes_through_one_pipeline(monkeypatch):
    traced = []
    generate = standin.pipelines.generate
    monkeypatch.setattr(standin.pipelines, "generate", lambda photo, rng: traced.append(1) or generate(photo, rng))
    for label in standin.LABELS:
        standin.draw(label, 3, control=True)
    assert traced == []
    standin.draw("real", 3)
    assert traced == []
    standin.draw("synthetic", 3)
    assert traced == [1]
