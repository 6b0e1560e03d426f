"""`python -m euryale.cli` is `euryale`, where the console script is not on the path."""

from euryale.cli import main

main()
