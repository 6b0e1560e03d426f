"""`python -m worker` is `euryale worker` for this application."""

import sys

from euryale.cli import main

main(["worker", "--app", "worker.app:app", *sys.argv[1:]])
