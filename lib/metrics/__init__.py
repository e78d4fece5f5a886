"""Measures, thresholds, calibration, comparison and figures, computed from saved scores.

Nothing here imports another part of ``lib``. Functions take arrays and frames and return numbers, frames and Figures,
so the package works with any file of scores. Synthetic = 1 = the positive class, everywhere.
"""
