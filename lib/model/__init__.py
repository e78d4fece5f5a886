"""The networks of the study: backbones, heads, frozen features, training and scoring."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.study.names import UserError


def check_processor(described: Path = Path("/proc/cpuinfo")) -> None:
    """Raise if TensorFlow cannot run on this processor: importing it would end the program.

    TensorFlow states the reason in lines that are dropped here. Only x86 under Linux is checked.

    Raises:
        UserError: the processor has no AVX.
    """
    if platform.machine() != "x86_64" or not described.is_file():
        return
    flags = re.search(r"^flags\s*:(.*)$", described.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    if flags and "avx" not in flags[1].split():
        raise UserError(
            "this processor has no AVX, which TensorFlow's packages need: use a computer that has it (x86 processors since "
            "about 2011; in a virtual machine, hand the host's processor through)"
        )


@contextmanager
def quiet_native_code() -> Iterator[None]:
    """Drop all lines that C++ code writes to standard error in this block.

    TensorFlow's C++ lines ignore Python and log levels. They contain times and process numbers, so two executions of a
    notebook would differ. Exceptions are still raised and shown as usual.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


try:
    check_processor()
except UserError as error:
    program = next((name for name in ("scoring", "adapt") if f"lib.model.{name}" in sys.orig_argv), "")
    if not program:
        raise
    # `python -m lib.model.scoring` imports this package before it can catch an error itself.
    print(f"{program}: {error}", file=sys.stderr)
    sys.exit(2)
# Each import of OpenVINO would report to its maker. A thread would copy the whole program while TensorFlow is still
# being imported, and wait up to three seconds for the network. Without the package that reports, this does not happen.
sys.modules.setdefault("openvino_telemetry", None)
with quiet_native_code():
    import tensorflow as tf
    from absl import logging

    tf.constant(0.0)  # starts the runtime; its search for a GPU writes such lines too
    logging.set_verbosity(logging.ERROR)
