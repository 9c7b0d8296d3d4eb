"""What leaves the planner: the cost report as CSV, as one HTML or PDF document, the charts as files."""
