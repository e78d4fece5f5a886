"""Make a reference from full runs with several seeds.

    python -m tests.reference.measure RESULTS … --out tests/reference/dataset_1_tuned.json

RESULTS are folders of finished runs, results/NAME/RECIPE, three or more that differ in their seed, for example

    python run_all.py --dataset 1 --seed 7 --results seed7
    python -m tests.reference.measure seed7/dataset_1/tuned seed8/dataset_1/tuned seed9/dataset_1/tuned
"""

import argparse
import sys
from pathlib import Path

from lib.study.files import write_json
from lib.study.names import UserError
from tests import reference


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference.measure", description=__doc__.split("\n\n")[0])
    parser.add_argument("results", nargs="+", type=Path, help="folders results/NAME/RECIPE, one per seed")
    parser.add_argument("--out", type=Path, help="default: tests/reference/NAME_RECIPE.json")
    options = parser.parse_args(argv)
    try:
        made = reference.measured([reference.read_run(folder) for folder in options.results])
    except UserError as error:
        print(f"measure: {error}", file=sys.stderr)
        return 2
    path = options.out or reference.reference_path(made["name"], made["recipe"])
    write_json(path, made)
    for name, known in made["figures"].items():
        print(f"{name}: {known['value']:.3f} ± {known['tolerance']:.3f}")
    for name, known in made["left_out"].items():
        print(f"left out, because too wide: {name}: {known['value']:.3f} ± {known['tolerance']:.3f}")
    print(f"{path}: {len(made['seeds'])} seeds, {reference.RULE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
