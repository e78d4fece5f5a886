"""Networks of the study: backbones, head, frozen features, training and scoring."""

import os
import sys


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow without the lines that its C++ start-up writes to standard error.

    They bypass Python and every log level, carry times and process numbers, and would make two executions of a notebook
    differ. An exception is still raised, and shown, as usual.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import tensorflow as tf

        tf.config.list_physical_devices()  # the search for a GPU writes such lines too
        tf.constant(0.0)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


_import_tensorflow_quietly()
