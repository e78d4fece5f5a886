"""Shared fixtures. Every test runs offline and in a home folder of its own."""

import os
import tempfile

os.environ["STUDY_OFFLINE"] = "1"
os.environ.setdefault("STUDY_HOME", tempfile.mkdtemp(prefix="study-home-"))
