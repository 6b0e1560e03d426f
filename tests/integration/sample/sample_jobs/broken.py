"""A job file that nobody can use, beside those that everybody can."""

config = {"name": "broken", "schedule": "0 0 * * *"}


def handler() -> None: ...
