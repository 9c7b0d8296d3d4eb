"""How much work: parameters, FLOPs, memory, traffic. Pure formulas on numbers or arrays."""
