"""Sweeps: one step over many rows, in slabs, each row once."""
