"""One step as it runs: what each pipeline stage does when, and what its memory holds meanwhile."""
