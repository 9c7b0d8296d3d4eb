"""Measuring a real decoder: the only room of the planner with torch, run in a process of its own."""
