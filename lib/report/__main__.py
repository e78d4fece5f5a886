"""Write the report of a results folder again: `python -m lib.report [RESULTS_FOLDER]`; nothing is run or measured."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib import report, study
from lib.study.names import UserError


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 written, 2 nothing to show or a damaged file."""
    parser = argparse.ArgumentParser(prog="python -m lib.report", description=__doc__)
    parser.add_argument(
        "results",
        nargs="?",
        help="default: results/ of the study; results/quick for quick runs, or where there are no others",
    )
    folder = parser.parse_args(argv).results
    try:
        results = Path(folder) if folder else study.home() / "results"
        quick = results / study.QUICK_FOLDER
        if not study.audited_runs(results) and study.audited_runs(quick):
            print(f"{results}: quick runs alone so far, so this is their report", file=sys.stderr)
            results = quick
        print(report.write(results))
    except (UserError, OSError) as error:
        print(f"lib.report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
