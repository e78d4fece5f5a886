"""Pictures that no audit has seen: the same pixels as everywhere, the quality of their JPEG, reasons where unreadable."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from lib.data import loading
from lib.data.pictures import SUFFIXES, Unreadable, decode_picture, is_picture, jpeg_quality, read_picture


def smooth(side=96):
    ramp = np.linspace(0, 255, side)
    return np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None], np.outer(ramp, ramp) / 255], -1).astype(
        "uint8"
    )


def encoded(form="JPEG", pixels=None, **options):
    buffer = io.BytesIO()
    Image.fromarray(smooth() if pixels is None else pixels).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 90, 95, 100])
def test_quality_is_the_one_it_was_written_with(quality):
    assert decode_picture(encoded(quality=quality)).jpeg_quality == quality


def test_quality_of_tables_in_between_is_the_nearest():
    assert jpeg_quality(1000.0) == 1 and jpeg_quality(0.5) == 100
    assert [jpeg_quality(step) for step in (57.625, 57.4, 57.9)] == [50, 50, 50]


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 20}])
def test_pixels_are_those_of_the_training(options):
    data = encoded(**options)
    np.testing.assert_array_equal(decode_picture(data).pixels, loading.decode(data))


def test_other_formats_and_modes_have_pixels_and_no_quality():
    for data in (encoded("PNG"), encoded("WEBP", lossless=True)):
        found = decode_picture(data)
        np.testing.assert_array_equal(found.pixels, smooth())
        assert found.jpeg_quality is None and (found.width, found.height) == (96, 96)
    assert decode_picture(encoded(pixels=smooth()[..., 0])).pixels.shape == (96, 96, 3)


def test_a_turned_picture_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode_picture(encoded(pixels=smooth()[:64], exif=exif))
    assert (found.width, found.height) == (64, 96)


def reason(call, *arguments):
    with pytest.raises(Unreadable) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_used_has_a_reason(tmp_path):
    data = encoded()
    assert reason(decode_picture, b"") == "empty file"
    assert reason(decode_picture, b"hello") == "not an image"
    assert "truncated" in reason(decode_picture, data[: len(data) // 2]).lower()
    assert reason(decode_picture, encoded(pixels=smooth(40))) == "smaller than 64 pixels"
    assert "No such file" in reason(read_picture, tmp_path / "none.jpg")
    assert "folder" in reason(read_picture, tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(read_picture, tmp_path / "pipe.jpg") == "not a regular file"


def test_more_pixels_than_allowed_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr("lib.data.pictures.MAX_PIXELS", 96 * 96 - 1)
    assert "more than" in reason(decode_picture, encoded())


def test_a_picture_is_known_by_its_content(tmp_path):
    (tmp_path / "a").write_bytes(encoded())
    (tmp_path / "b.jpg").write_text("words")
    os.mkfifo(tmp_path / "c.jpg")
    assert [is_picture(tmp_path / name) for name in ("a", "b.jpg", "c.jpg", "d")] == [True, False, False, False]
    assert {".jpg", ".jpeg", ".png", ".webp"} <= SUFFIXES and SUFFIXES.isdisjoint({".pdf", ".eps", ".txt", ".csv"})
