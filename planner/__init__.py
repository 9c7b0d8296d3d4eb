"""Trainplan's planner: from a training plan to time, memory, money and perplexity. No Qt, and torch only to measure."""

__version__ = "0.1.0"
