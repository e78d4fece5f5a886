"""What tests share: an offline home folder of their own, and run_all.py as a user runs it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# A space and an accent, because users' folders have them.
HOME = Path(tempfile.mkdtemp(prefix="study ét-"))
os.environ["STUDY_OFFLINE"] = "1"
os.environ["STUDY_HOME"] = str(HOME)


def run_study(*options: str, timeout: float = 900) -> subprocess.CompletedProcess:
    """run_all.py as a user runs it."""
    command = [sys.executable, str(PROJECT / "run_all.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=HOME, check=False)
