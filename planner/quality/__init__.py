"""How good: scaling laws, fitting, compute-optimal sizes, observed perplexities."""
