"""A bare SMTP server that takes every mail and keeps none: the ceiling for whoever sends.

Prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

ANSWERS = {b"EHLO": b"250 sink\r\n", b"HELO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
END = b"\r\n.\r\n"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 sink\r\n")
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            command = (await reader.readuntil(b"\r\n"))[:4].upper()
            writer.write(ANSWERS.get(command, b"250 ok\r\n"))
            if command == b"DATA":
                await reader.readuntil(END)
                writer.write(b"250 taken\r\n")
            if command == b"QUIT":
                break
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
