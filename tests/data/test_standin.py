"""The drawn stand-ins: the same for the same arguments, the same for both classes but for the traces in their pixels."""

import io
import itertools
import json
from collections import Counter
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from lib.data.standin import draw as standin
from lib.data.standin import head, people, pipelines

EACH = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """32 images of each class, drawn by two processes."""
    path = tmp_path_factory.mktemp("standin") / "set"
    standin.write(path, {"real": EACH, "synthetic": EACH}, workers=2)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


def modified(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in sorted(folder.rglob("*.jpg"))}


def encoded(label: str, count: int, **kind) -> list[bytes]:
    return [
        standin.encode(standin.draw(label, index, **kind), standin.quality(label, index, **kind))
        for index in range(count)
    ]


def colour_detail(image: np.ndarray) -> float:
    """Spread of the fine detail of red minus green: a camera's noise differs between the channels, a generator's grain does not."""
    image = image.astype(np.float32)
    return float(cv2.Laplacian(image[..., 0] - image[..., 1], cv2.CV_32F).std())


def detail_auc(count: int, **kind) -> float:
    scores = [colour_detail(standin.draw(label, i, **kind)) for label in standin.LABELS for i in range(count)]
    return roc_auc_score([1] * count + [0] * count, scores)


# ---------------------------------------------------------------- the same arguments, the same bytes


def test_bytes_do_not_depend_on_the_number_of_processes(folder, tmp_path):
    standin.write(tmp_path, {"real": EACH, "synthetic": EACH}, workers=1)
    assert len(contents(folder)) == 2 * EACH
    assert contents(tmp_path) == contents(folder)


def test_a_smaller_set_is_the_beginning_of_a_larger_one(folder, tmp_path):
    standin.write(tmp_path, {"real": 4, "synthetic": 2})
    small, times = contents(tmp_path), modified(tmp_path)
    people = standin.write(tmp_path, {"real": 6, "synthetic": 6})
    large = contents(tmp_path)
    assert {name: large[name] for name in small} == small
    assert {name: modified(tmp_path)[name] for name in small} == times
    assert large.items() <= contents(folder).items()
    assert list(people.path) == [f"{label}/{i:06d}.jpg" for label in standin.LABELS for i in range(6)]


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path):
    standin.write(tmp_path, {"real": 6, "synthetic": 6})
    before, times = contents(tmp_path), modified(tmp_path)
    gone = ["real/000003.jpg", "synthetic/000000.jpg"]
    for name in gone:
        (tmp_path / name).unlink()
    (tmp_path / "real" / ".000003.jpg.part").write_bytes(b"half")
    steps = []
    standin.write(tmp_path, {"real": 6, "synthetic": 6}, on_progress=steps.append)
    assert contents(tmp_path) == before
    assert {name: time for name, time in modified(tmp_path).items() if name not in gone} == {
        name: time for name, time in times.items() if name not in gone
    }
    assert sum(steps) == len(gone)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("change", ["version", "seed", "control"])
def test_images_of_another_kind_are_redrawn(tmp_path, monkeypatch, change):
    standin.write(tmp_path, {"real": 3, "synthetic": 2})
    before = contents(tmp_path)
    (tmp_path / "real" / "mine.jpg").write_bytes(b"not ours")
    kind = {}
    if change == "version":
        monkeypatch.setattr(standin, "VERSION", standin.VERSION + 1)
    else:
        kind = {"seed": 5} if change == "seed" else {"control": True}
    standin.write(tmp_path, {"real": 2, "synthetic": 2}, **kind)
    after = contents(tmp_path)
    assert after.pop("real/mine.jpg") == b"not ours"
    assert set(after) == {f"{label}/{i:06d}.jpg" for label in standin.LABELS for i in range(2)}
    assert all(after[name] != before[name] for name in after)
    note = json.loads((tmp_path / "standin.json").read_text())
    assert note == {"version": standin.VERSION, "control": change == "control", "seed": kind.get("seed", 0)}


def test_an_image_follows_from_its_arguments_alone():
    assert np.array_equal(standin.draw("synthetic", 7), standin.draw("synthetic", 7))
    kinds = [{}, {"seed": 1}, {"control": True}]
    drawn = [standin.draw(label, 7, **kind) for label in standin.LABELS for kind in kinds]
    assert all(image.shape == (standin.SIZE, standin.SIZE, 3) and image.dtype == np.uint8 for image in drawn)
    assert all(not np.array_equal(one, two) for one, two in itertools.combinations(drawn, 2))


# ---------------------------------------------------------------- mistakes


def test_images_of_others_are_not_touched(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "000000.jpg").write_bytes(b"a photograph")
    with pytest.raises(FileExistsError, match=r"no standin\.json"):
        standin.write(tmp_path, {"real": 1, "synthetic": 1})
    assert (tmp_path / "real" / "000000.jpg").read_bytes() == b"a photograph"


@pytest.mark.parametrize("counts", [{"fake": 1}, {"real": -1}])
def test_wrong_counts_are_named(tmp_path, counts):
    with pytest.raises(ValueError, match=next(iter(counts))):
        standin.write(tmp_path / "new", counts)
    assert not (tmp_path / "new").exists()


# ---------------------------------------------------------------- people


def test_the_table_says_what_was_drawn(folder):
    people = pd.read_csv(folder / "people.csv")
    assert list(people.columns) == ["path", "label", "group", "expression", "angle"]
    assert set(people.path) == set(contents(folder))
    for row in people.itertuples():
        index = int(Path(row.path).stem)
        assert standin.Sitting(row.group, row.expression, row.angle) == standin.sitting(row.label, index)


def test_a_person_has_two_images_in_each_class():
    groups = {label: [standin.sitting(label, i).group for i in range(20)] for label in standin.LABELS}
    assert groups["real"] == groups["synthetic"]
    assert groups["real"][:4] == ["p00000", "p00000", "p00001", "p00001"]
    assert set(Counter(groups["real"]).values()) == {2}


def test_expression_and_angle_vary_within_a_person_and_not_with_the_class():
    sittings = {label: [standin.sitting(label, i) for i in range(2000)] for label in standin.LABELS}
    for k in range(0, 2000, 2):
        four = [sittings[label][k + j] for label in standin.LABELS for j in range(2)]
        assert len({one.expression for one in four}) == len({one.angle for one in four}) == 4
    for trait, values in (("expression", standin.EXPRESSIONS), ("angle", standin.ANGLES)):
        for label in standin.LABELS:
            share = Counter(getattr(one, trait) for one in sittings[label])
            assert set(share) == set(values)
            assert all(abs(share[value] / 2000 - 1 / len(values)) < 0.03 for value in values)


# ---------------------------------------------------------------- the two classes


def test_file_format_does_not_tell_the_classes_apart(folder):
    sizes, tables = [], {label: [] for label in standin.LABELS}
    for name, content in contents(folder).items():
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size, image.mode) == ("JPEG", (standin.SIZE, standin.SIZE), "RGB")
        assert [(layer[1], layer[2]) for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]
        assert set(image.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        label = name.split("/")[0]
        tables[label].append(sum(image.quantization[0]))
        sizes.append((label == "synthetic", len(content)))
    truth = [label for label, _ in sizes]
    # 32 + 32 images: the AUC of a scorer that knows nothing has a standard error of 0.072.
    assert abs(roc_auc_score(truth, [size for _, size in sizes]) - 0.5) < 0.15
    assert abs(roc_auc_score([0] * EACH + [1] * EACH, tables["real"] + tables["synthetic"]) - 0.5) < 0.15


def test_quality_has_one_distribution():
    drawn = {label: [standin.quality(label, i) for i in range(4000)] for label in standin.LABELS}
    assert all(min(values) == 60 and max(values) == 95 for values in drawn.values())
    assert drawn["real"] != drawn["synthetic"]
    assert abs(np.mean(drawn["real"]) - np.mean(drawn["synthetic"])) < 0.7


def test_traces_are_in_the_pixels_of_one_class_only(monkeypatch):
    monkeypatch.setattr(pipelines, "MIX_RANGE", (0.9, 1.0))
    assert detail_auc(40) > 0.68
    assert abs(detail_auc(40, control=True) - 0.5) < 0.15


def test_the_generator_keeps_colours_and_the_amount_of_detail(monkeypatch):
    monkeypatch.setattr(pipelines, "MIX_RANGE", (0.3, 0.3))

    def detail(image: np.ndarray) -> float:
        return float((image - cv2.GaussianBlur(image, (0, 0), 2)).std())

    ratios = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        look = people.make_look("smile", "frontal", rng)
        photo = pipelines.camera(head.paint(people.make_person(rng), look, rng), rng)
        traced = pipelines.generate(photo.copy(), rng)
        ratios.append(detail(traced) / detail(photo))
        assert np.abs(cv2.blur(traced, (32, 32)) - cv2.blur(photo, (32, 32))).max() < 0.02
    assert 0.9 < np.mean(ratios) < 1.1


def test_the_bottleneck_keeps_flat_patches_and_drops_fine_patterns():
    flat = np.full((256, 256, 3), 0.4, np.float32)
    assert np.allclose(pipelines._bottleneck(flat), flat, atol=1e-5)
    grid = np.indices((256, 256)).sum(0) % 2
    checked = np.repeat(grid[..., None], 3, 2).astype(np.float32)
    assert np.abs(pipelines._bottleneck(checked) - 0.5).max() < 0.1  # 0.5 before


def test_no_two_images_are_near_duplicates(folder):
    hashes = np.array(
        [imagehash.phash(Image.open(io.BytesIO(content))).hash.ravel() for content in contents(folder).values()]
    )
    distances = [int((one != two).sum()) for one, two in itertools.combinations(hashes, 2)]
    assert min(distances) > 4
