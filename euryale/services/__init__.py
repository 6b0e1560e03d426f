"""Durable services: what handlers and workflows call, and how a worker carries it out."""
