"""Pictures that no audit has seen: the same pixels as everywhere, the quality of their JPEG, reasons where unreadable."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image
from support import PROJECT

from lib.data.audit import audit
from lib.data.images import decode, views
from lib.data.images.pictures import SUFFIXES, Unreadable, decode_picture, is_picture, jpeg_quality, read_picture
from lib.study.names import UserError

SHARED = PROJECT.parent / "shared" / "data"
MODES = {"L": "greyscale, converted", "CMYK": "CMYK, converted"}


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
    np.testing.assert_array_equal(decode_picture(data).pixels, decode.decode(data))


def test_other_formats_and_modes_have_pixels_and_no_quality():
    for data in (encoded("PNG"), encoded("WEBP", lossless=True)):
        found = decode_picture(data)
        np.testing.assert_array_equal(found.pixels, smooth())
        assert found.jpeg_quality is None and (found.facts["width"], found.facts["height"]) == (96, 96)
    assert decode_picture(encoded(pixels=smooth()[..., 0])).pixels.shape == (96, 96, 3)


def test_a_turned_picture_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode_picture(encoded(pixels=smooth()[:64], exif=exif))
    assert found.pixels.shape[:2] == (found.facts["height"], found.facts["width"]) == (96, 64)


def reason(call, *arguments):
    with pytest.raises(Unreadable) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_used_has_a_reason(tmp_path):
    data = encoded()
    assert reason(decode_picture, b"") == "empty file"
    assert reason(decode_picture, b"hello") == "not an image"
    assert "Truncated" in reason(decode_picture, data[: len(data) // 2])
    assert reason(decode_picture, encoded(pixels=smooth(40))) == "smaller than 64 pixels"
    assert "No such file" in reason(read_picture, tmp_path / "none.jpg")
    assert "folder" in reason(read_picture, tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(read_picture, tmp_path / "pipe.jpg") == "not a regular file"


HEADER = {
    "an unknown version of JFIF": lambda data: data.replace(b"JFIF\0\1\1", b"JFIF\0\3\1"),
    "a broken colour profile": lambda data: data[:2] + b"\xff\xe2\0\x12ICC_PROFILE\0\5\2AA" + data[2:],
}
SCAN = {
    "cut": lambda data, middle: data[:middle],
    "cut and closed": lambda data, middle: data[:middle] + b"\xff\xd9",
    "zeros": lambda data, middle: data[:middle] + bytes(len(data) - middle - 2) + b"\xff\xd9",
    "noise": lambda data, middle: data[:middle] + np.random.default_rng(0).bytes(400) + data[middle + 400 :],
    "ones": lambda data, middle: data[:middle] + b"\x11" * 200 + b"\xff\xd9",
}


def grainy(side=128):
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), "uint8")


@pytest.mark.parametrize("loss", SCAN)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"exif": b"Exif\0\0"}])
def test_a_jpeg_that_lost_data_is_no_picture_for_anyone(tmp_path, capfd, loss, options):
    mode = options.pop("mode", "RGB")
    Image.fromarray(grainy()).convert(mode).save(tmp_path / "a.jpg", quality=80, **options)
    assert decode_picture((tmp_path / "a.jpg").read_bytes()).notes == {"RGB": []}.get(mode, [MODES.get(mode)])
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(SCAN[loss](data, len(data) // 2))
    row = audit.inspect_file(tmp_path / "a.jpg")
    assert row["issue"] == f"set aside: {reason(read_picture, tmp_path / 'a.jpg')}" and row["width"] == 128
    with pytest.raises(UserError, match=r"a\.jpg: cannot be decoded .* run 01_data_audit again"):
        views.ImageFile(tmp_path / "a.jpg", row["sha256"]).read()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("header", HEADER)
def test_a_warning_that_costs_no_pixel_is_a_note_and_hides_no_loss(tmp_path, capfd, header):
    data = encoded(pixels=grainy(), quality=80)
    (tmp_path / "a.jpg").write_bytes(HEADER[header](data))
    assert "decoded in spite of a warning" in audit.inspect_file(tmp_path / "a.jpg")["issue"]
    found = read_picture(tmp_path / "a.jpg")
    np.testing.assert_array_equal(found.pixels, decode_picture(data).pixels)
    for loss in SCAN.values():
        assert "cannot be decoded" in reason(decode_picture, HEADER[header](loss(data, len(data) // 2)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
@pytest.mark.parametrize("name", ["ffhq_stylegan", "ffhq_diffusion"])
def test_real_sets_decode_whole_and_to_the_pixels_of_pillow(name):
    paths = sorted((SHARED / name).glob("*/*"))[::20]
    assert paths
    for path in paths:
        found = read_picture(path)
        np.testing.assert_array_equal(found.pixels, np.asarray(Image.open(path).convert("RGB")))
        assert found.notes == []


@pytest.mark.parametrize("form", ["WEBP", "AVIF"])
def test_zeros_in_place_of_the_second_half_are_no_picture(form):
    data = encoded(form, grainy())
    assert decode_picture(data).notes == []
    lost = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    assert "ends in zeros" in reason(decode_picture, lost)


OTHERS = {
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not supported: convert it to JPEG"),
    "b.jpg": (b"\0\0\0\x1cftypmif1\0\0\0\0", "HEIC is not supported: convert it to JPEG"),
    "c.jxl": (b"\xff\x0a\xfa\x1f", "JPEG XL is not supported: convert it to JPEG"),
    "d.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL is not supported: convert it to JPEG"),
    "e.svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is not supported"),
    "f.psd": (b"8BPS\0\1", "Photoshop's format is not supported"),
    "g.ico": (b"\0\0\1\0\1\0", "Windows' icon format is not supported"),
    "h.cr3": (b"\0\0\0\x18ftypcrx ", "a camera's raw file is not supported"),
    "i": (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw file is not supported"),
}
NO_PICTURES = {
    "a.zip": (b"PK\3\4", "not an image, but an archive: unpack it and give the folder that comes out"),
    "b.jpg": (b"PK\3\4", "not an image, but an archive"),
    "c.mp4": (b"\0\0\0\x20ftypisom", "not an image, but a video: save frames of it as PNG and give those"),
    "d.mkv": (b"\x1aE\xdf\xa3", "not an image, but a video"),
    "e.avi": (b"RIFF\0\0\0\0AVI LIST", "not an image, but a video"),
    "f.jpg": (b"<!DOCTYPE html>\n<html>", "not an image, but a web page: download the picture itself"),
    "g.jpg": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "h.txt": (b"words", "not an image"),
}


@pytest.mark.parametrize(("name", "data", "words"), [(name, *one) for name, one in OTHERS.items()])
def test_pictures_of_other_kinds_say_what_they_are(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    assert reason(read_picture, tmp_path / name).startswith(words)
    assert audit.inspect_file(tmp_path / name)["issue"].startswith(f"set aside: {words}")
    assert is_picture(tmp_path / name)


@pytest.mark.parametrize(("name", "data", "words"), [(name, *one) for name, one in NO_PICTURES.items()])
def test_what_is_no_picture_says_what_to_give(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    assert words in reason(read_picture, tmp_path / name) and not is_picture(tmp_path / name)


def test_the_thumbnail_of_a_raw_file_is_not_its_picture(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.nef", "TIFF")
    (tmp_path / "b.orf").write_bytes(b"IIRO")
    for name in ("a.nef", "b.orf"):
        assert reason(read_picture, tmp_path / name) == "a camera's raw file is not supported: convert it to JPEG"
        assert is_picture(tmp_path / name)


def test_decoders_write_nothing_to_standard_error(tmp_path):
    """In a process of its own: pytest keeps Python's warnings to itself."""
    whole = encoded("TIFF", grainy(), compression="tiff_deflate")
    middle = len(whole) // 2
    (tmp_path / "bytes.tif").write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x55]) + whole[middle + 1 :])
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera of some length"
    data = encoded(exif=exif)
    (tmp_path / "exif.jpg").write_bytes(data.replace(b"a camera of some length", b"", 1))
    (tmp_path / "cut.tif").write_bytes(encoded("TIFF", grainy(), compression="tiff_lzw")[:middle])
    Image.fromarray(grainy()).save(tmp_path / "lost.jpg")
    (tmp_path / "lost.jpg").write_bytes((tmp_path / "lost.jpg").read_bytes()[:2000] + b"\xff\xd9")
    program = "import sys, pathlib; from lib.data.audit import audit\n" + (
        "for name in sys.argv[1:]: print(audit.inspect_file(pathlib.Path(name))['issue'])"
    )
    names = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(names) == 4 and done.stderr == ""


def test_more_pixels_than_allowed_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr("lib.data.images.pictures.MAX_PIXELS", 96 * 96 - 1)
    assert "more than" in reason(decode_picture, encoded())


def test_a_picture_is_known_by_its_content(tmp_path):
    (tmp_path / "a").write_bytes(encoded())
    (tmp_path / "b.jpg").write_text("words")
    os.mkfifo(tmp_path / "c.jpg")
    assert [is_picture(tmp_path / name) for name in ("a", "b.jpg", "c.jpg", "d")] == [True, False, False, False]
    assert {".jpg", ".jpeg", ".png", ".webp"} <= SUFFIXES and SUFFIXES.isdisjoint({".pdf", ".eps", ".txt", ".csv"})
