"""What it costs: goodput, money, energy and carbon."""
