"""Importing the networks: what a processor must have for it, and what must not happen on the way."""

import platform
import subprocess
import sys

import pytest
from support import PROJECT

from lib import model
from lib.study.names import UserError


def test_a_processor_without_avx_is_named_before_tensorflow_ends_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    described = tmp_path / "cpuinfo"
    described.write_text(
        "processor\t: 0\nmodel name\t: Old ü\nflags\t\t: fpu sse4_2 avx2x\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    )
    with pytest.raises(UserError, match="no AVX") as error:
        model.check_processor(described)
    assert "\n" not in str(error.value)
    # Where nothing is known nothing is refused.
    described.write_text("flags\t\t: fpu sse4_2 avx avx2\n")
    model.check_processor(described)
    described.write_text("processor\t: 0\n")
    model.check_processor(described)
    model.check_processor(tmp_path / "nothing")
    described.write_text("flags\t\t: fpu\n")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    model.check_processor(described)


def test_scoring_on_such_a_processor_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, platform\nplatform.machine = lambda: 'x86_64'\nread = pathlib.Path.read_text\n"
        "pathlib.Path.read_text = lambda self, *a, **k: 'flags : fpu' if str(self) == '/proc/cpuinfo' else read(self, *a, **k)\n"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    command = [sys.executable, "-m", "lib.model.scoring", "picture.jpg"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("scoring: this processor has no AVX") and done.stderr.count("\n") == 1


def test_importing_the_engine_reports_to_nobody_and_copies_no_process(tmp_path):
    code = (
        "import multiprocessing\nmultiprocessing.Process.start = lambda self: print('a copy of this process')\n"
        "import lib.model.features\nfrom openvino.tools import ovc\nprint(type(ovc.telemetry).__module__)\n"
    )
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub"]
    assert not (tmp_path / "intel").exists()
