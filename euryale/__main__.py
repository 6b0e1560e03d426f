"""The command `euryale`, and `python -m euryale`."""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line, and end as it says, also if Ctrl-C comes while it is being imported."""
    try:
        from euryale.cli import main as command  # noqa: PLC0415 -- what takes a second comes here
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    command()


if __name__ == "__main__":
    main()
