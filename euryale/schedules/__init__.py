"""Schedules: what jobs ask for, what Temporal holds, and how the second becomes the first."""
