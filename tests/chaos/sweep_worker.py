"""A worker of the shelf as a process of its own: `python sweep_worker.py ADDRESS URL`.

It ends with its standard input, so that none is left behind however the tests end.
"""

import asyncio
import sys

from sweeping.items import Stage
from sweeping.served import serving
from sweeping.shelf import Shelf
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter


async def main(address: str, url: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    shelf = Shelf(url)
    async with serving(client, Stage(shelf.engine, shelf)):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
