"""TensorFlow and Keras. Modules of lib import them from here, so that nothing of their start reaches the terminal.

The import takes seconds and half a gigabyte. Scoring by a converted network does without, so modules that it uses import this
one inside functions.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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


with quiet_native_code():
    import keras
    import tensorflow as tf
    from absl import logging
    from keras import layers, ops

    tf.constant(0.0)  # starts the runtime; its search for a GPU writes such lines too
    logging.set_verbosity(logging.ERROR)

__all__ = ["keras", "layers", "ops", "quiet_native_code", "tf"]
