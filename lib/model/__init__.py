"""The networks of the study: backbones, heads, frozen features, training and scoring."""

import platform
import re
import sys
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
