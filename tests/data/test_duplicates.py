"""Copies: found whatever was done to them, other pictures left alone, nothing missed by the search."""

import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from support import PROJECT

from lib.data.audit import duplicates
from lib.data.audit.duplicates import (
    BITS,
    NEAR,
    conflicts,
    find_duplicates,
    find_overlap,
    pairs_between,
    pairs_within,
    perceptual_hash,
)
from lib.data.standin import draw as standin
from lib.study.names import UserError
from lib.study.steps import PAIR_COLUMNS

SHARED = PROJECT.parent / "shared" / "data"
needs_faces = pytest.mark.skipif(
    not (SHARED / "ffhq_stylegan").is_dir() or not (SHARED / "ffhq_diffusion").is_dir(),
    reason="needs real faces in ../shared/data, which are no part of the project",
)


def jpeg(image, quality=50):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def resized(image, scale):
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def cropped(image, edge):
    width, height = image.size
    box = (width * edge, height * edge, width * (1 - edge), height * (1 - edge))
    return image.crop(tuple(round(side) for side in box))


CHANGES = {
    "none": lambda image: image,
    "JPEG quality 50": jpeg,
    "half size": lambda image: resized(image, 0.5),
    "twice the size": lambda image: resized(image, 2),
    "another shape": lambda image: image.resize((200, 150)),
    "3% of the width cropped": lambda image: cropped(image, 0.015),
    "3% cropped at each edge": lambda image: cropped(image, 0.03),
    "10% brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "grey": lambda image: image.convert("L"),
    "cropped, halved and quality 50": lambda image: jpeg(resized(cropped(image, 0.03), 0.5)),
}


def drawn(label, index):
    return Image.fromarray(standin.draw(label, index, seed=1))


@pytest.fixture(scope="module")
def people():
    """Two drawings of each of 20 people."""
    return [drawn("real", index) for index in range(40)]


def as_hash(bits):
    """(2 * BITS,) 0 or 1 to a hash."""
    return np.packbits(bits).tobytes().hex()


def as_bits(text):
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)).reshape(2, BITS)


def distance(first, second):
    """By its definition, bit for bit."""
    a, b = as_bits(first), as_bits(second)
    return min(int((a[i] != b[j]).sum()) for i, j in ((0, 0), (0, 1), (1, 0)))


def flipped(bits, count, rng):
    bits = bits.copy()
    bits[rng.choice(len(bits), count, replace=False)] ^= 1
    return bits


def different_hashes(rng, count):
    return [as_hash(bits) for bits in rng.integers(0, 2, (count, 2 * BITS))]


def related_hashes(rng, count):
    """Hashes of which many are about NEAR bits from another, in the same view or one's whole in the other's centre."""
    views = list(rng.integers(0, 2, (max(1, count // 4), 2, BITS)))
    while len(views) < count:
        parent = views[rng.integers(len(views))]
        child = rng.integers(0, 2, (2, BITS))
        to, of = rng.integers(0, 2, 2)
        child[to] = flipped(parent[of], rng.integers(0, NEAR + 4), rng)
        views.append(child)
    return [as_hash(np.concatenate(view)) for view in views]


def table(hashes, **columns):
    count = len(hashes)
    columns = {"image_id": [f"i{row}" for row in range(count)], "label": "real", **columns}
    contents = {
        "sha256": [f"file {row}" for row in range(count)],
        "pixel_sha256": [f"pixels {row}" for row in range(count)],
    }
    return pd.DataFrame({**contents, "phash": hashes, **columns}, index=range(count))


# Search


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_search_finds_what_comparing_all_with_all_finds(seed, count):
    hashes = list(dict.fromkeys(related_hashes(np.random.default_rng(seed), count)))
    rows = range(len(hashes))
    expected = [(a, b, distance(hashes[a], hashes[b])) for a in rows for b in rows if a < b]
    expected = [pair for pair in expected if pair[2] <= NEAR]
    assert [tuple(pair) for pair in pairs_within(hashes)] == expected


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(0, 60))
def test_search_between_two_sets_finds_what_comparing_all_with_all_finds(seed, count, cut):
    hashes = list(dict.fromkeys(related_hashes(np.random.default_rng(seed), count)))
    first, second = hashes[:cut], hashes[cut:]
    expected = [(a, b, distance(x, y)) for a, x in enumerate(first) for b, y in enumerate(second)]
    expected = [pair for pair in expected if pair[2] <= NEAR]
    assert [tuple(pair) for pair in pairs_between(first, second)] == expected


@pytest.mark.parametrize("bits, found", [(0, True), (1, True), (NEAR, True), (NEAR + 1, False)])
def test_radius_is_met_exactly_however_the_bits_lie(bits, found):
    rng = np.random.default_rng(bits)
    whole, centre, other_centre = rng.integers(0, 2, (3, BITS))
    first = as_hash(np.concatenate([whole, centre]))
    spread = np.arange(BITS).reshape(-1, 16).T.ravel()[:bits]  # as many words spoilt as can be
    for places in (spread, np.arange(bits), BITS - 1 - np.arange(bits)):
        changed = whole.copy()
        changed[places] ^= 1
        second = as_hash(np.concatenate([changed, other_centre]))
        expected = [[0, 1, bits]] if found else []
        assert pairs_within([first, second]).tolist() == expected
        expected = [[0, 0, bits]] if found else []
        assert pairs_between([first], [second]).tolist() == expected


def test_blocks_of_the_search_lose_nothing(monkeypatch):
    hashes = related_hashes(np.random.default_rng(5), 300)
    whole = pairs_within(hashes)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    assert len(whole) > 50
    np.testing.assert_array_equal(pairs_within(hashes), whole)


def test_equal_hashes_are_paired_with_the_first_of_them():
    a, b, c = different_hashes(np.random.default_rng(0), 3)
    near_a = as_hash(flipped(as_bits(a).ravel(), 3, np.random.default_rng(1)))
    expected = [(0, 2, 0), (0, 4, distance(a, near_a)), (0, 6, 0), (1, 3, 0)]
    assert [tuple(pair) for pair in pairs_within([a, b, a, b, near_a, c, a])] == expected
    between = pairs_between([a, b, a], [c, near_a, near_a])
    near = distance(a, near_a)
    assert [tuple(pair) for pair in between] == [(0, 1, near), (0, 2, near), (2, 1, near)]


def test_many_equal_hashes_cost_no_more_than_their_number():
    rng = np.random.default_rng(0)
    hashes = different_hashes(rng, 1) * 20_000 + different_hashes(rng, 100)
    tracemalloc.start()
    pairs = pairs_within(hashes)
    between = pairs_between(hashes, hashes[:20_000])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs[:, 0].max() == 0 and pairs[:, 1].tolist() == list(range(1, 20_000))
    assert len(between) == 2 * 20_000 - 1
    assert peak < 200e6  # all pairs would be 5 GB


def test_too_many_pairs_are_thinned_to_the_closest_that_join_the_same_rows(monkeypatch):
    rng = np.random.default_rng(3)
    bases = rng.integers(0, 2, (3, 2 * BITS))
    hashes = [as_hash(flipped(base, 1 + row % 8, rng)) for base in bases for row in range(60)]
    everything = pairs_within(hashes)
    assert len(everything) == 3 * 60 * 59 // 2
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 400)
    thinned = pairs_within(hashes)
    assert len(thinned) <= 400 and {*map(tuple, thinned)} <= {*map(tuple, everything)}
    sets = duplicates.clusters(pd.Series([""] * len(hashes)), thinned[:, :2])
    assert len(set(sets)) == 3 and all(len(set(sets[start : start + 60])) == 1 for start in (0, 60, 120))


@pytest.mark.parametrize("hashes", [[], ["", ""]])
def test_nothing_to_compare_gives_no_pairs(hashes):
    one = different_hashes(np.random.default_rng(0), 1)
    for pairs in (pairs_within(hashes), pairs_within(one), pairs_between(hashes, one), pairs_between(one, hashes)):
        assert pairs.shape == (0, 3) and pairs.dtype.kind == "i"


def test_a_hash_of_another_version_is_refused():
    with pytest.raises(UserError, match="'00000000000000ff': expected 96 hex digits"):
        pairs_within(["", "00000000000000ff"])


# Hash


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(people, change):
    originals = [perceptual_hash(image) for image in people[:12]]
    copies = [perceptual_hash(CHANGES[change](image)) for image in people[:12]]
    assert [pair[:2].tolist() for pair in pairs_between(originals, copies)] == [[row, row] for row in range(12)]


def test_different_people_and_two_pictures_of_one_person_are_no_copies(people):
    hashes = [perceptual_hash(image) for image in people]
    assert pairs_within(hashes).shape == (0, 3)
    assert min(distance(hashes[2 * person], hashes[2 * person + 1]) for person in range(20)) > NEAR


def test_images_without_a_picture_have_no_hash():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    flat = np.full((256, 256), 128, np.uint8)
    speck = flat.copy()
    speck[:3, :3] = 255
    faint = np.random.default_rng(0).normal(128, 3, (256, 256)).astype(np.uint8)
    for pixels in (flat * 0, flat, flat * 0 + 255, speck, ramp, ramp.T, ramp // 2 + ramp.T // 2, faint):
        assert perceptual_hash(Image.fromarray(pixels)) == ""


def test_a_dark_and_pale_picture_still_has_one(people):
    dark = Image.fromarray(np.asarray(people[0]) // 8)
    assert distance(perceptual_hash(dark), perceptual_hash(people[0])) <= NEAR


# Tables


def test_exact_copies_are_those_of_bytes_or_pixels_whatever_the_hash_says():
    hashes = different_hashes(np.random.default_rng(0), 6)
    near = as_hash(flipped(as_bits(hashes[5]).ravel(), 4, np.random.default_rng(1)))
    images = table([*hashes, near], label=["real"] * 6 + ["synthetic"])
    images.loc[[0, 2], "sha256"] = "same bytes"
    images.loc[[1, 3], "pixel_sha256"] = "same pixels"
    images.loc[[1, 3], "phash"] = ""
    images.loc[[4], "pixel_sha256"] = ""
    pairs = find_duplicates(images.set_index(pd.Index(range(10, 17))))
    assert pairs.columns.tolist() == PAIR_COLUMNS
    assert pairs[["image_a", "image_b", "kind"]].values.tolist() == [
        ["i0", "i2", "exact"],
        ["i1", "i3", "exact"],
        ["i5", "i6", "near"],
    ]
    expected = [distance(hashes[0], hashes[2]), 0, distance(hashes[5], near)]
    assert pairs["distance"].tolist() == expected and pairs["same_label"].tolist() == [True, True, False]
    assert not pairs["across_split"].any() and (pairs["other_dataset"] == "").all()


def test_blank_images_are_copies_only_where_their_pixels_are_the_same():
    images = table(["", "", "", ""], pixel_sha256=["black", "white", "black", ""])
    pairs = find_duplicates(images)
    assert pairs[["image_a", "image_b", "kind", "distance"]].values.tolist() == [["i0", "i2", "exact", 0]]


def test_five_thousand_copies_of_one_file_are_one_set_with_as_many_pairs_less_one():
    one, other = different_hashes(np.random.default_rng(0), 2)
    images = table([one] * 5000 + [other], sha256=["same"] * 5000 + ["other"])
    pairs = find_duplicates(images)
    assert len(pairs) == 4999 and (pairs["kind"] == "exact").all() and (pairs["image_a"] == "i0").all()


def test_overlap_names_every_image_of_both_sides_that_has_a_copy():
    hashes = different_hashes(np.random.default_rng(0), 5)
    images = table(hashes[:4])
    other = table([hashes[0], hashes[1], hashes[0], hashes[4]], image_id=["o0", "o1", "o2", "o3"], label="synthetic")
    other["sha256"] = ["", "file 1", "", "another file"]
    other["pixel_sha256"] = ["", "other pixels", "", "pixels 3"]
    pairs = find_overlap(images, {"another": other, "empty": other.head(0)})
    assert pairs.columns.tolist() == PAIR_COLUMNS
    assert pairs[["image_a", "image_b", "kind"]].values.tolist() == [
        ["i0", "o0", "near"],
        ["i0", "o2", "near"],
        ["i1", "o1", "exact"],
        ["i3", "o3", "exact"],
    ]
    assert (pairs["other_dataset"] == "another").all() and not pairs["same_label"].any()
    # Stored image tables need not have the hash of pixels.
    stored = find_overlap(images, {"another": other.drop(columns="pixel_sha256")})
    assert stored["image_b"].tolist() == ["o0", "o2", "o1"]


def test_overlap_of_equal_files_pairs_each_with_the_first_of_the_other_side():
    one = different_hashes(np.random.default_rng(0), 1)
    same = {"sha256": "same", "pixel_sha256": "same"}
    images, other = table(one * 3, **same), table(one * 2, **same, image_id=["o0", "o1"])
    pairs = find_overlap(images, {"another": other})
    expected = [["i0", "o0"], ["i0", "o1"], ["i1", "o0"], ["i2", "o0"]]
    assert pairs[["image_a", "image_b"]].values.tolist() == expected and (pairs["kind"] == "exact").all()


def test_overlap_with_a_table_of_another_version_names_the_dataset():
    images = table(different_hashes(np.random.default_rng(0), 1))
    with pytest.raises(UserError, match="old one: perceptual hash"):
        find_overlap(images, {"old one": table(["00000000000000ff"])})


@pytest.mark.parametrize("count", [0, 1])
def test_tables_of_no_or_one_image_have_no_pairs(count):
    images = table(different_hashes(np.random.default_rng(0), count))
    for pairs in (find_duplicates(images), find_overlap(images, {}), find_overlap(images, {"empty": images.head(0)})):
        assert pairs.empty and pairs.columns.tolist() == PAIR_COLUMNS
        assert pairs["same_label"].dtype == bool and pairs["distance"].dtype == "int64"


def test_a_conflict_is_of_the_whole_set_of_copies():
    one, other = different_hashes(np.random.default_rng(0), 2)
    images = table([one, one, one, other], label=["real", "real", "synthetic", "real"], sha256=["a", "a", "b", "c"])
    images.index = [7, 3, 5, 1]
    pairs = find_duplicates(images)
    assert pairs["same_label"].tolist() == [True, False]
    assert conflicts(images, pairs).to_dict() == {7: True, 3: True, 5: True, 1: False}
    assert not conflicts(images, pairs.head(0)).any()


# Real faces


@pytest.fixture(scope="module")
def faces():
    folder = SHARED / "ffhq_stylegan"
    return [Image.open(path) for label in ("real", "synthetic") for path in sorted((folder / label).iterdir())[:150]]


@needs_faces
@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_of_real_faces_are_found(faces, change):
    originals = [perceptual_hash(image) for image in faces]
    copies = [perceptual_hash(CHANGES[change](image)) for image in faces]
    found = pairs_between(originals, copies)
    assert (found[:, 0] == found[:, 1]).mean() == 1
    assert len(found) >= 0.98 * len(faces)


@needs_faces
def test_photographs_at_another_size_are_found_in_the_other_dataset():
    here, there = (
        [perceptual_hash(Image.open(path)) for path in sorted((SHARED / name / "real").iterdir())]
        for name in ("ffhq_diffusion", "ffhq_stylegan")
    )
    found = pairs_between(here, there)
    assert len(here) == 40 and found[:, 0].tolist() == list(range(40))
