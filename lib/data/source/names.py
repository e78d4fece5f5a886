"""Common names of the two classes, the three splits and a table's columns, and how they are recognised."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from lib.study.names import LABELS, SPLITS

# Words for the classes, anywhere in a name: `Celeb-real`, `training_fake`, `1_fake`.
WORDS = {
    "real": ("real", "reals", "authentic", "genuine", "pristine", "original", "originals"),
    "synthetic": (
        *("synthetic", "synthesis", "synth", "fake", "fakes", "ai", "generated", "gan", "deepfake", "deepfakes"),
        *("manipulated", "diffusion"),
    ),
}
# Words that state the class only as the whole name: `photos` beside another word could mean anything.
WHOLE_NAMES = {
    "real": ("human", "humans", "nature", "natural", "photo", "photos", "photographs", "realfaces", "realimages"),
    "synthetic": (
        *("aigenerated", "fakefaces", "fakeimages", "deepfaked"),
        # The methods of FaceForensics++; digits do not count, so Face2Face is faceface.
        *("faceswap", "faceface", "neuraltextures", "faceshifter"),
    ),
}
# Such a word reverses the meaning, so a name with one states no class.
NEGATIONS = ("not", "non", "no", "un", "or", "vs")
# Used instead of a name: this study's convention, synthetic = 1. The output always states when it was used.
NUMBERS = {"0": "real", "1": "synthetic"}
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
# May stand beside a word for a split without changing it: `train_set`.
BESIDE_SPLITS = ("set", "data", "images", "split")
# Names of a table's columns, in upper or lower case. The first existing one of each kind is used.
COLUMNS = {
    "path": ("path", "image_path", "file_path", "filepath", "img_path", "file_name", "filename", "file", "image"),
    "label": ("label", "target", "class", "label_str", "label_name", "class_name"),
    "generator": ("generator", "generator_name", "manipulation", "method"),
    "group": ("group", "person", "person_id", "identity", "subject", "video", "video_id"),
    # The others are used if every value is a word for a split.
    "split": ("split", "set", "subset", "partition"),
}


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WHOLE = {name: label for label in reversed(LABELS) for name in (*WORDS[label], *WHOLE_NAMES[label])}
_CLASS_OF_WORD = {word: label for label in LABELS for word in WORDS[label]}
_DIGITS = str.maketrans("123456789", "000000000")
_Found = TypeVar("_Found")


def each(function: Callable[[str], _Found], values: Iterable[str]) -> list[_Found]:
    """What a function gives for each value; it is called once for equal ones, of which tables hold many."""
    values = list(values)
    known = {value: function(value) for value in set(values)}
    return [known[value] for value in values]


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: `AIGenerated_2` has `ai` and `generated`."""
    return [word.lower() for word in _WORD.findall(name)]


def class_of(name: str) -> str:
    """The class that a name means, in any case and with other words beside: a label, or ""."""
    # Digits part words, whichever they are, and most names differ in them alone.
    return _class_of(name.translate(_DIGITS))


@functools.lru_cache(maxsize=2**16)
def _class_of(name: str) -> str:
    words = words_of(name)
    if label := _WHOLE.get("".join(words)):
        return label
    found = {_CLASS_OF_WORD[word] for word in words if word in _CLASS_OF_WORD}
    return found.pop() if len(found) == 1 and set(NEGATIONS).isdisjoint(words) else ""


def is_only_class(name: str) -> bool:
    """Whether a name is a word for a class and nothing else."""
    return "".join(words_of(name)) in _CLASS_OF_WORD


def label_of(text: str) -> str:
    """The class that a value of a table's label column means: a label, or ""."""
    text = text.strip()
    if text in NUMBERS:
        return NUMBERS[text]
    # Digits beside a word could mean either class ("1 real"), so a label is a number or a word.
    return class_of(text) if re.fullmatch(r"[A-Za-z _-]+", text) else ""


def split_of(text: str) -> str:
    """The split that a name means: `train`, `validation`, `test`, or ""."""
    rest = [word for word in words_of(text) if word not in BESIDE_SPLITS]
    return _split(rest) if len(rest) == 1 else ""


def split_inside(name: str) -> str:
    """The split inside a longer name: `training_fake` belongs to `train`; "" for none."""
    found = {_split([word]) for word in words_of(name)} - {""}
    return found.pop() if len(found) == 1 else ""


def _split(words: list[str]) -> str:
    return next((split for split, known in SPLIT_WORDS.items() if words[0] in known), "")


def splits_needed(given: Collection[str]) -> tuple[str, ...]:
    """The splits that a given split must have images of both classes in.

    Validation images may be missing: the audit then draws them from the training images.
    """
    return tuple(split for split in SPLITS if split != "validation" or split in given)
