"""Training: samples, heads, fitting, the three stages, and experiments of many trainings."""
