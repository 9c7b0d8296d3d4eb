"""What leaves the planner: CSV reports (HTML, PDF and launch files have their room here too)."""
