"""How long the work takes: kernels, collectives, layers, steps. Seconds, elementwise."""
