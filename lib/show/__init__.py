"""Displays for a person while the study works: the board, progress, and whether a notebook is open."""
