"""Temporal's server: connecting to one, and starting one for development."""
