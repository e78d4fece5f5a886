"""What is in a dataset: every file opened, copies, shortcuts, the split."""
