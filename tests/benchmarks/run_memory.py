"""The memory that `run_all.py` holds, step by step: all its processes together.

    python -m tests.benchmarks.run_memory --dataset 3 --backbone efficientnet-lite0 --seed 7

The arguments are those of `run_all.py`; every step must run, so the home folder ($STUDY_HOME) or `--results` should be new.
Prints a Markdown table with a row for each step as it ends, then the run's own AUC on test. Memory is resident memory looked
at every 0.3 s and added up over the processes: what they share counts once for each.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from lib import study
from tests.benchmarks.training_speed import SAMPLED, tree_megabytes

STARTED, DONE = re.compile(r"· (\w+): started$"), re.compile(r"· (\w+): done in (\d+) s$")


def main(arguments: list[str]) -> int:
    print("| step | seconds | peak MB, all processes |\n|-|-|-|", flush=True)
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log, open(log.name, encoding="utf-8") as reader:
        began, step, peak, peaks, text = time.perf_counter(), "its start", 0.0, [0.0], ""
        options = {"stdout": log, "stderr": subprocess.STDOUT, "cwd": study.PROJECT, "env": {**os.environ, "CI": "1"}}
        process = psutil.Popen([sys.executable, "run_all.py", *arguments], **options)
        over = False
        while not over:
            over = process.poll() is not None
            peak = max(peak, tree_megabytes(process))
            *lines, text = (text + reader.read()).split("\n")
            for line in lines:
                if found := STARTED.search(line):
                    step, peak = found[1], 0.0
                elif found := DONE.search(line):
                    print(f"| {found[1]} | {found[2]} | {peak:.0f} |", flush=True)
                    peaks.append(peak)
            time.sleep(SAMPLED)
        if process.returncode:
            said = Path(log.name).read_text(encoding="utf-8")
            print(f"run_all.py ended with {process.returncode} in {step}\n{said[-2000:]}", file=sys.stderr)
            return process.returncode
        print(f"| all | {time.perf_counter() - began:.0f} | {max(peaks):.0f} |\n")
        reader.seek(0)
        print("\n".join(line.rstrip() for line in reader if "test AUC" in line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
