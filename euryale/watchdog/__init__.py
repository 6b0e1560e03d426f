"""The watchdog: what is expected of jobs, and who is told when it doesn't come."""
