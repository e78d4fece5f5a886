"""What a person sees while the study works: the board, progress, and who has a notebook open."""
