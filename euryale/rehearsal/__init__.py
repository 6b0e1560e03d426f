"""Rehearsals: what a job would do, found out by running it without letting it."""
