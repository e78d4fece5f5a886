"""Images of the study: where they come from, whether they can be trusted, how they are split and loaded."""
