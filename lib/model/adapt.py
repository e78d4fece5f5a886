"""Adapt a detector to a new source of pictures with 5 to 200 labelled ones of each class.

examples:
  python -m lib.model.adapt --model models/dataset_1/tuned --real new/real --synthetic new/fake
  python -m lib.model.adapt --model models/dataset_1/tuned --real new/real --synthetic new/fake --target-alone
  python -m lib.model.adapt --model models/dataset_1/tuned --real new/real --synthetic new/fake --out models/mine

The head is refitted, the backbone stays. The new detector goes to a folder beside the old one, for `python -m
lib.model.scoring --model`.

exit codes: 0 done, 1 stopped, 2 wrong use or wrong data
What the numbers mean, and what they do not: docs/adapt.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lib.data.audit.new_pictures import read_pictures
from lib.data.source.checks import printable
from lib.metrics.checks import Interval
from lib.metrics.words.comparison import pictures_needed_seen
from lib.model.use.adaptation import CURVE, adapt, run_of, target_folder, write_adapted
from lib.model.use.detector import find_detector
from lib.model.use.refit import ALONE, MODES, TOGETHER, Choice
from lib.study.files import check_writable
from lib.study.names import UserError


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; wrong use ends with exit code 2 and one line."""
    summary, examples = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        prog="python -m lib.model.adapt",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", metavar="FOLDER", default="", help="folder of a detector; default: the only one below models/")
    add("--real", metavar="FOLDER", type=Path, required=True, help="real pictures of the new source")
    add("--synthetic", metavar="FOLDER", type=Path, required=True, help="synthetic pictures of the new source")
    add("--name", default="", help="of the new source; default: name of the folder above both")
    add("--out", metavar="FOLDER", default="", help="of the new detector; default: MODEL-adapted-NAME")
    add("--force", action="store_true", help="replace an adapted detector that is there")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--target-alone", action="store_true", help="fit on the new pictures alone")
    modes.add_argument("--source-and-target", action="store_true", help="fit on the detector's own images too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = arguments(argv)
    try:
        run(options)
    except UserError as error:
        print(f"adapt: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"adapt: {printable(error.filename or '')}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("adapt: stopped", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Adapt the detector of the command line, write the new one and print what it gained.

    Raises:
        UserError: wrong use, a detector or pictures that cannot be used, or a folder that is there already.
    """
    began = time.perf_counter()
    detector = find_detector(options.model)
    pictures = read_pictures(options.real, options.synthetic, options.name)
    folder = target_folder(detector, pictures.name, options.out, options.force)
    check_writable(folder.parent, "--out")
    modes = (ALONE,) if options.target_alone else (TOGETHER,) if options.source_and_target else MODES
    print(f"{printable(detector.folder)}: {detector.describe()}", file=sys.stderr)
    counts = " and ".join(f"{count} {label}" for label, count in pictures.counts.items())
    print(f"{pictures.name}: {counts} pictures, in {pictures.images['group'].nunique()} groups", file=sys.stderr)
    for path, why in [*pictures.aside.items()][:10]:
        print(f"left out: {printable(path)}: {why}", file=sys.stderr)
    if pictures.aside or pictures.repeated:
        print(
            f"left out in all: {len(pictures.aside)} not usable, {pictures.repeated} the same as another",
            file=sys.stderr,
        )
    adapted = adapt(detector, run_of(detector), pictures, modes, folder)
    write_adapted(adapted)
    for note in adapted.notes:
        print(f"note: {note}", file=sys.stderr)
    for line in report(adapted.lineage):
        print(line)
    print(pictures_needed_seen(adapted.curve))
    print(f"done in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    for place in (folder, folder / f"{CURVE}.csv", folder / f"{CURVE}.png"):
        print(f"  open {printable(place)}", file=sys.stderr)


def report(lineage: dict) -> list[str]:
    """Lines that say what was done and what it gained."""
    lines = [
        f"chosen by cross-validation on the new pictures: {_chosen(Choice(**lineage['choice']))}",
        f"threshold chosen on: {lineage['thresholds_from']}",
        f"{'':<26}{'AUC':<24}{'recall of real':<24}recall of synthetic",
    ]
    for place, name in (("new", "new source"), ("home", "at home")):
        for when in ("before", "after") if lineage[place] else ():
            numbers = [str(Interval.from_dict(found)) for found in lineage[place][when].values()]
            lines.append(f"{f'{name}, {when}':<26}{''.join(f'{text:<24}' for text in numbers)}".rstrip())
        if lineage[place]:
            lines.append(f"{f'{name}, change of AUC':<26}{Interval.from_dict(lineage[place]['roc_auc_change'])}")
    probe = Interval.from_dict(lineage["probe"])
    lines.append(f"files alone, without pixels, tell the classes of the new pictures apart with AUC {probe}")
    return lines


def _chosen(choice: Choice) -> str:
    if choice.weight == 0:
        return "the head stays as it is, no refit was clearly better; the threshold is chosen anew"
    if choice.mode == ALONE:
        return f"{choice.mode}, penalty {choice.penalty:g}"
    return f"{choice.mode}, the new pictures counting {choice.weight:g} times as much as the own ones, penalty {choice.penalty:g}"


if __name__ == "__main__":
    sys.exit(main())
