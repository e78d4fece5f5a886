"""The audit of a dataset: every file opened, copies, shortcuts, the split."""
