"""Use of a trained network: detector, explanation, robustness, other datasets."""
