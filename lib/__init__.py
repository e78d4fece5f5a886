"""Library of the study: data, model and metric code that the notebooks share."""

import os

# Set before TensorFlow is first imported. oneDNN doubles the speed on a CPU and changes the last bits of results, so a
# run is reproducible only with a fixed setting. The log level keeps TensorFlow's start-up lines out of notebooks.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# OpenMP's threads (scikit-learn's trees) would wait for each other by spinning: with other work on the machine, a
# second becomes minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
