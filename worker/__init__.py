"""The process that serves the shop: its settings, its store and its services."""
