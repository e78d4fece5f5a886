"""Check a full run against the reference of its dataset and recipe.

    python -m tests.reference.check results/dataset_1/tuned

Exit codes: 0 every figure is within its tolerance, 1 one is not, 2 wrong use, no reference, or not comparable.
"""

import argparse
import json
import sys
from pathlib import Path

from lib.study.names import UserError
from tests import reference


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference.check", description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=Path, help="folder of a finished run, results/NAME/RECIPE")
    parser.add_argument("--reference", type=Path, help="default: tests/reference/NAME_RECIPE.json")
    options = parser.parse_args(argv)
    try:
        run = reference.read_run(options.results)
        path = options.reference or reference.reference_path(run["name"], run["recipe"])
        if not path.is_file():
            raise UserError(f"{path}: there is no reference of {run['name']}, {run['recipe']} recipe")
        known = json.loads(path.read_text(encoding="utf-8"))
        rows = reference.compared(run, known)
    except UserError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    for name, value, tolerance, found, inside in rows:
        print(f"{'ok     ' if inside else 'OUTSIDE'} {name}: {found:.3f}, expected {value:.3f} ± {tolerance:.3f}")
    outside = sum(not row[-1] for row in rows)
    seeds = f"{len(known['seeds'])} seeds"
    print(
        f"{len(rows) - outside} of {len(rows)} figures within the tolerance of {path.name} ({seeds}: {known['rule']})"
    )
    if run["window"] != known["window"]:
        print(f"the reference was made with a window of {known['window']} pixels; the recipe has {run['window']} now")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
