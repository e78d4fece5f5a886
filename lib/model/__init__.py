"""Networks of the study: backbones, head, frozen features, training and scoring."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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


with quiet_native_code():
    import tensorflow as tf
    from absl import logging

    tf.constant(0.0)  # starts the runtime, whose search for a GPU writes such lines too
    logging.set_verbosity(logging.ERROR)
