"""Prompts and settings of generation, from prompts.toml."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from lib.data.source.checks import printable
from lib.study.files import PROJECT
from lib.study.names import UserError, reason_of

PROMPTS = PROJECT / "prompts.toml"

# fmt: on
_PLACES = {"references", "expression", "angle"}


@dataclass(frozen=True)
class Settings:
    """The content of prompts.toml.

    Attributes:
        templates: sentences with {references}, {expression} and {angle}.
        expressions, angles: name to phrase.
        size: side of the generated square, pixels, a multiple of 16.
        steps: denoising steps.
        guidance, image_guidance: classifier-free guidance towards text and references (Xiao et al. 2024, OmniGen).
        door: side in pixels and JPEG quality of both classes' files.
    """

    templates: tuple[str, ...]
    expressions: dict[str, str]
    angles: dict[str, str]
    size: int
    steps: int
    guidance: float
    image_guidance: float
    door: tuple[int, int]


def read_settings(path: Path | None = None) -> Settings:
    """prompts.toml, every value checked.

    Raises:
        UserError: names the file, the key, what was found and what was expected.
    """
    path = Path(path or PROMPTS)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"--prompts {printable(path)}: no such file; expected a copy of prompts.toml") from None
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise UserError(f"--prompts {printable(path)}: cannot be read as TOML ({reason})") from None
    known = {"templates": list, "expressions": dict, "angles": dict, "model": dict, "door": dict}
    _expect(path, "", "the keys", sorted(content), set(content) == set(known), ", ".join(known))
    for key, kind in known.items():
        what = "a list of sentences" if kind is list else "a table"
        _expect(path, "", key, content[key], isinstance(content[key], kind) and bool(content[key]), what)
    for number, template in enumerate(content["templates"], start=1):
        _check_template(path, number, template)
    for table in ("expressions", "angles"):
        for name, phrase in content[table].items():
            fine = isinstance(phrase, str) and phrase.strip() and not re.search(r"[<>{}\n]", phrase)
            _expect(path, table, name, phrase, fine, "a phrase of one line, without < > { }")
    model = _numbers(path, content, "model", {"size": int, "steps": int, "guidance": float, "image_guidance": float})
    door = _numbers(path, content, "door", {"size": int, "quality": int})
    size = model["size"]
    _expect(path, "model", "size", size, is_side(size), "a multiple of 16 from 64 to 2048")
    _expect(path, "model", "steps", model["steps"], 1 <= model["steps"] <= 1000, "1 to 1000")
    for name in ("guidance", "image_guidance"):
        _expect(path, "model", name, model[name], 0 <= model[name] <= 100, "0 to 100")
    _expect(path, "door", "size", door["size"], 64 <= door["size"] <= size, f"64 to {size}, the model's size")
    _expect(path, "door", "quality", door["quality"], 1 <= door["quality"] <= 100, "1 to 100")
    words = {name: dict(content[name]) for name in ("expressions", "angles")}
    return Settings(tuple(content["templates"]), **words, **model, door=(door["size"], door["quality"]))


def _check_template(path: Path, number: int, template: object) -> None:
    where = f"templates, sentence {number}"
    places = "{references}, {expression} and {angle}"
    fine = isinstance(template, str) and "\n" not in template and not re.search(r"[<>]", template)
    _expect(path, "", where, template, fine, f"one line with {places}, without < >")
    try:
        found = {name for _, name, *_ in Formatter().parse(template) if name is not None}
    except ValueError:
        found = set()
    for name in sorted(found - _PLACES):
        _expect(path, "", where, f"{{{name}}}", False, f"{places} alone")
    for name in sorted(_PLACES - found):
        raise UserError(f"{printable(path)}: {where}: the placeholder {{{name}}} is missing; expected {places}")


def _numbers(path: Path, content: dict, table: str, kinds: dict[str, type]) -> dict:
    found = content[table]
    _expect(path, "", f"the keys of [{table}]", sorted(found), set(found) == set(kinds), ", ".join(kinds))
    for name, kind in kinds.items():
        number = isinstance(found[name], (int, kind)) and not isinstance(found[name], bool)
        fine = number and math.isfinite(found[name])
        _expect(path, table, name, found[name], fine, "a whole number" if kind is int else "a number")
    return {name: kind(found[name]) for name, kind in kinds.items()}


def _expect(path: Path, table: str, key: str, value: object, fine: object, expected: str) -> None:
    if not fine:
        place = f"[{table}] {key}" if table else key
        raise UserError(f"{printable(path)}: {place}: found {value!r}, expected {expected}")


def is_side(size: int) -> bool:
    return 64 <= size <= 2048 and size % 16 == 0
