"""What people call classes and splits, and that docs/data.md lists what the code knows."""

import os

import pytest
from support import PROJECT

from lib.data.source import names


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *(
            (name, "real")
            for name in ("real", "0_real", "training_real", "Celeb-real", "Real images", "human", "nature")
        ),
        *((name, "real") for name in ("RealFaces", "original_sequences", "PHOTOS", "real_00012")),
        *((name, "synthetic") for name in ("FAKE", "1_fake", "training_fake", "Celeb-synthesis", "ai", "AIGenerated")),
        *((name, "synthetic") for name in ("fakeV2", "StyleGAN", "stable_diffusion_v_1_5", "Deepfakes", "DeepFakes")),
        *((name, "synthetic") for name in ("FaceSwap", "Face2Face", "NeuralTextures", "FaceShifter")),
        *(
            (name, "")
            for name in ("Morphs", "test", "real_vs_fake", "not_real", "unreal", "rain", "0", "cats", "my photos")
        ),
    ],
)
def test_a_name_says_one_class_or_none(name, label):
    assert names.class_of(name) == label


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("valid", "validation"),
        ("test_set", "test"),
        ("VAL", "validation"),
        ("train_real", ""),
        ("x", ""),
    ],
)
def test_a_name_says_a_split_or_none(name, split):
    assert names.split_of(name) == split


def test_no_word_says_two_things():
    words = [
        word
        for known in (names.WORDS, names.WHOLE_NAMES, names.SPLIT_WORDS)
        for some in known.values()
        for word in some
    ]
    columns = [word for some in names.COLUMNS.values() for word in some]
    assert len(set(words)) == len(words) and len(set(columns)) == len(columns)


def test_the_page_lists_the_names_that_are_known():
    """The list of docs/data.md is the code's; UPDATE_DOCS=1 writes it."""
    page = PROJECT / "docs" / "data.md"
    before, rest = page.read_text(encoding="utf-8").split("<!-- names -->\n")
    rows = [(f"{label}, anywhere in the name", words) for label, words in names.WORDS.items()]
    rows += [(f"{label}, as the whole name", words) for label, words in names.WHOLE_NAMES.items()]
    rows += [(split, words) for split, words in names.SPLIT_WORDS.items()]
    rows += [(f"column {column}", words) for column, words in names.COLUMNS.items()]
    lines = ["| what | names, in any case |", "|-|-|", *(f"| {what} | {', '.join(words)} |" for what, words in rows)]
    now = (
        before
        + "<!-- names -->\n"
        + "".join(f"{line}\n" for line in lines)
        + "<!-- names end -->"
        + rest.split("<!-- names end -->")[1]
    )
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(now, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == now
