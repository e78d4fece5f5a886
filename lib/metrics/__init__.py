"""Measures, thresholds, calibration, comparison and figures, computed from saved scores.

Nothing here imports another part of ``lib``: arrays and frames come in, numbers, frames and Figures go out, so that the
package works on anyone's scores file. Synthetic = 1 = the positive class, everywhere.
"""
