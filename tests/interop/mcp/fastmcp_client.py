"""fastmcp as an application uses it: fastmcp_client.py SERVER STORE PORT [DOCUMENT]. Prints what the tool says."""

import asyncio
import pathlib
import sys
import warnings

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.filetree import FileTreeStore, FileTreeV1KeySanitizationStrategy

SERVER, STORE, PORT, *DOCUMENT = sys.argv[1:]


class Printing(OAuth):
    async def redirect_handler(self, authorization_url):
        print(authorization_url, flush=True)


async def main():
    folder = pathlib.Path(STORE)
    folder.mkdir(exist_ok=True)
    store = FileTreeStore(data_directory=folder, key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder))
    auth = Printing(token_storage=store, callback_port=int(PORT), client_metadata_url=next(iter(DOCUMENT), None))
    async with Client(f"{SERVER}/mcp", auth=auth) as client:
        print((await client.call_tool("whoami", {})).content[0].text)


warnings.simplefilter("ignore")
asyncio.run(main())
