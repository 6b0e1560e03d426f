"""Job files: found, read and judged."""
