"""Score pictures with a trained detector.

examples:
  python -m lib.model.scoring picture.jpg "my pictures"           files, and folders with all that lies below them
  python -m lib.model.scoring pictures --model models/dataset_1/tuned --policy fpr_1
  python -m lib.model.scoring pictures --out scores.csv           a table for other programs (.csv or .jsonl)
  python -m lib.model.scoring pictures --lr --out scores.csv      also how strong the evidence of each score is
  python -m lib.model.scoring picture.jpg --explain               also a picture of where the score comes from
  python -m lib.model.scoring picture.jpg --report case.html      also a page on this picture, to read or print

Where there are reasons not to decide, the decision is `undecided` and there is no probability; the column `why` says why.

exit codes: 0 done, 1 some pictures could not be scored (the others were), 2 wrong use or wrong data
What the columns and warnings mean: docs/scoring.md
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from lib.data.images.pictures import SUFFIXES
from lib.data.source.checks import printable
from lib.metrics.checks import decimals
from lib.model.use.case import CaseReport
from lib.model.use.detector import find_detector
from lib.model.use.scorer import COLUMNS, Scorer, find_pictures, score_pictures
from lib.study.files import check_writable, written_whole
from lib.study.names import UserError

# The column that --lr adds: log10 of the likelihood ratio, empty where none is given.
LR = "log10_lr"
FORMATS = {"table": ".txt", "csv": ".csv", "jsonl": ".jsonl"}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; wrong use ends with exit code 2 and one line."""
    summary, examples = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        prog="python -m lib.model.scoring",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="files, and folders with all that lies below them")
    add("--model", metavar="FOLDER", default="", help="folder of a detector; default: the only one below models/")
    add("--policy", metavar="NAME", default="balanced", help="which threshold decides; default: balanced")
    add("--out", metavar="FILE", help="write there instead of showing; the ending says how: .csv, .jsonl or .txt")
    add("--format", choices=list(FORMATS), help="default: by the ending of --out, else table")
    add("--lr", action="store_true", help="add each score's bounded likelihood ratio, or say why there is none")
    add("--explain", action="store_true", help="write a picture of where each score comes from")
    add(
        "--explain-folder",
        metavar="FOLDER",
        help="where to; implies --explain; default: `explained` beside --out, or in this folder",
    )
    add("--report", metavar="FILE", help="write a page on one picture: decision, map, error rates, warnings (.html)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = arguments(argv)
    try:
        return run(options)
    except UserError as error:
        print(f"scoring: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader closed the output
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (Python flushes it at its end, and would complain)
        return 1
    except OSError as error:
        print(f"scoring: {printable(error.filename or '')}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scoring: stopped", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Score the files of the command line and write the result; returns the exit code.

    Raises:
        UserError: wrong use, a detector that cannot be used, or nothing to score.
    """
    out = Path(options.out) if options.out else None
    form = _format(out, options.format)
    explained = Path(options.explain_folder) if options.explain_folder else None
    if options.explain and not explained:
        explained = (out.parent if out else Path()) / "explained"
    if out:
        check_writable(out.parent, "--out")
    if explained:
        check_writable(explained, "--explain-folder")
    report = Path(options.report) if options.report else None
    if report:
        _check_report(report, options.pictures, explained)
    detector = find_detector(options.model)
    scorer = Scorer(detector, options.policy)
    print(f"{printable(detector.folder)}: {detector.describe()}", file=sys.stderr)
    tested = ", ".join(detector.elsewhere) or "nothing yet: notebook 05 does that where other datasets have been run"
    print(f"tested on other data: {tested}", file=sys.stderr)
    for code, text in scorer.warnings.items():
        print(f"warning {code}: {text}", file=sys.stderr)
    if options.lr:
        print(detector.lr_words(), file=sys.stderr)
    columns = (*COLUMNS, LR) if options.lr else COLUMNS
    passed_over: list[str] = []
    total = sum(1 for _ in find_pictures(options.pictures, [], explained))
    if not total:
        raise UserError(
            f"{', '.join(map(printable, options.pictures))}: no picture there; expected files or folders of pictures"
        )
    written = CaseReport(scorer, report) if report else None
    scorer.engine  # noqa: B018 (built now, so that the rate is of the pictures)
    began, done, failed, first = time.perf_counter(), 0, 0, ""
    # In a terminal, the rows themselves show the progress.
    how = {"disable": out is None and sys.stdout.isatty(), "mininterval": 0.1 if sys.stderr.isatty() else 10}
    with _output(out) as file, tqdm(total=total, unit=" images", file=sys.stderr, leave=False, **how) as bar:
        write = _WRITERS[form](file, scorer, columns)
        paths = find_pictures(options.pictures, passed_over, explained)
        for row in score_pictures(scorer, paths, explained=explained, report=written, on_progress=bar.update):
            write({**row, LR: _log10_lr(row, scorer)} if options.lr else row)
            done, failed = done + 1, failed + bool(row["error"])
            first = first or (row["error"] and f"{row['path']}: {row['error']}")
        if failed == done:
            many = f"none of {done:,} files could be scored; the first: " if done > 1 else "could not be scored: "
            raise UserError(f"{many}{first}")
    seconds = time.perf_counter() - began
    print(
        f"scored {done - failed:,} picture{'s' * (done - failed != 1)} in {seconds:.1f} s, {done / seconds:.3g} images/s",
        file=sys.stderr,
    )
    if passed_over:
        print(f"passed over in folders, being no pictures: {_some(passed_over)}", file=sys.stderr)
    if failed:
        print(f"{failed:,} of {done:,} files could not be scored: their column error says why", file=sys.stderr)
    for place in filter(None, (out, explained, report)):
        print(f"  open {printable(place)}", file=sys.stderr)
    return 1 if failed else 0


def _log10_lr(row: dict, scorer: Scorer) -> float | None:
    """log10 LR of a row; None for a picture that could not be scored, or that has a warning of its own."""
    own = [code for code in row["warnings"] if code not in scorer.warnings]
    return None if row["error"] or own else scorer.detector.log10_lr(row["probability"])


def _check_report(report: Path, given: Sequence[str], explained: Path | None) -> None:
    """Refuse a report that is no page, and one on several pictures: a page is on one."""
    if report.is_dir() or report.suffix.lower() != ".html":
        raise UserError(f"--report {printable(report)}: expected a file that ends in .html")
    found = sum(1 for _ in find_pictures(given, [], explained))
    if found > 1:
        raise UserError(
            f"--report {printable(report)}: {found:,} pictures given, expected one: name one file, or leave --report out"
        )
    check_writable(report.parent, "--report")


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + rest


def _format(out: Path | None, wanted: str | None) -> str:
    if out is None:
        return wanted or "table"
    suffix = out.suffix.lower()
    by_name = next((name for name, ending in FORMATS.items() if ending == suffix), None)
    # Results never overwrite a picture, whatever --format is.
    if out.is_dir() or suffix in SUFFIXES or not (wanted or by_name):
        raise UserError(
            f"--out {printable(out)}: expected a file that ends in {', '.join(FORMATS.values())}, or --format with it"
        )
    return wanted or by_name


@contextmanager
def _output(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is written whole or not at all."""
    if out is None:
        with nullcontext(sys.stdout) as file:
            # A name that the terminal cannot show must not stop the work.
            file.reconfigure(errors="backslashreplace") if hasattr(file, "reconfigure") else None
            yield file
        return
    with written_whole(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file


def _table(file: TextIO, scorer: Scorer, columns: Sequence[str]) -> Callable[[dict], None]:
    """Rows for people; values that hold for all pictures are written once, before them."""
    lr = LR in columns
    print(
        f"decision   probability  {'log10 LR  ' * lr}warnings              path   (threshold {scorer.policy} {decimals(scorer.threshold)})",
        file=file,
    )

    def write(row: dict) -> None:
        if row["error"]:
            print(
                f"{'-':<9}  {'-':<11}  {'-         ' * lr}{'could not be scored':<20}  {row['path']}: {row['error']}",
                file=file,
                flush=True,
            )
            return
        own = ",".join(code for code in row["warnings"] if code not in scorer.warnings) or "-"
        probability = "-" if row["probability"] is None else decimals(row["probability"])
        strength = "-" if row.get(LR) is None else f"{row[LR]:+.2f}"
        strength = f"{strength:<10}" * lr
        print(f"{row['decision']:<9}  {probability:<11}  {strength}{own:<20}  {row['path']}", file=file, flush=True)

    return write


def _csv(file: TextIO, scorer: Scorer, columns: Sequence[str]) -> Callable[[dict], None]:
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    return lambda row: writer.writerow({**row, "warnings": ";".join(row["warnings"])})


def _jsonl(file: TextIO, scorer: Scorer, columns: Sequence[str]) -> Callable[[dict], None]:
    return lambda row: print(json.dumps(row, ensure_ascii=False, allow_nan=False), file=file)


_WRITERS = {"table": _table, "csv": _csv, "jsonl": _jsonl}

if __name__ == "__main__":
    sys.exit(main())
