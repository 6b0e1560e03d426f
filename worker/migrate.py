"""`python -m worker.migrate` brings the tables of the shop's database up to date, and no more.

A deployment runs it before its workers; `python -m worker.seed` does it too, and fills the shop.
"""

import asyncio
import sys

from pydantic import ValidationError

from worker.settings import Settings, refused
from worker.store import StoreUnavailable, upgrade


def main() -> int:
    """Migrate the database of the settings; 0 if that went well, else 1."""
    try:
        asyncio.run(upgrade(Settings().url))
    except ValidationError as error:
        sys.stderr.write(f"{refused(error)}.\n")
        return 1
    except (StoreUnavailable, OSError) as error:
        sys.stderr.write(f"{error}.\n")
        return 1
    sys.stdout.write("The shop's tables are up to date.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
