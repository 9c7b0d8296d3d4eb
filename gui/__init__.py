"""The desktop app. It calls the planner and shows what it says; nothing here computes a figure."""
