"""Runs: how one goes on, and what can be known of it and done to it."""
