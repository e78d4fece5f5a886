"""A trained network put to use: detector, explanation, robustness, other datasets."""
