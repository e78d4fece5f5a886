"""Networks of the study: backbones, head, frozen features, training and scoring."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.study.names import UserError


def check_processor(described: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse a processor that TensorFlow's packages are not made for: importing them there ends the program.

    TensorFlow says why in lines that are dropped here. Known of x86 under Linux; elsewhere nothing is checked.

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
    """Inside it, lines that C++ code writes to standard error are dropped.

    TensorFlow's bypass Python and every log level, carry times and process numbers, and would make two executions of a
    notebook differ. An exception is still raised, and shown, as usual.
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
    if "lib.model.scoring" not in sys.orig_argv:
        raise
    # `python -m lib.model.scoring` imports this before it can answer for itself.
    print(f"scoring: {error}", file=sys.stderr)
    sys.exit(2)
# Each import of OpenVINO would report itself to its maker: a thread makes a copy of the whole program, while TensorFlow is still
# being imported in it, and gives it three seconds on the network. Without the package that reports, nothing of it happens.
sys.modules.setdefault("openvino_telemetry", None)
with quiet_native_code():
    import tensorflow as tf
    from absl import logging

    tf.constant(0.0)  # starts the runtime, whose search for a GPU writes such lines too
    logging.set_verbosity(logging.ERROR)
