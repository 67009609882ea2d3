"""The connections of a poster: as many as a burst needs, and no longer than they are used."""

import asyncio

from eventually import eventually

from consumers.notifier.channels.http_post import Poster

BURST = 12
TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Receiver:
    """Answers once so many requests are there; `open` are the connections that stand."""

    def __init__(self) -> None:
        self.open = self.made = 0
        self.together = asyncio.Barrier(BURST)
        self.burst = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.made += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                if self.burst:
                    await self.together.wait()
                writer.write(TAKEN)
        except asyncio.IncompleteReadError:
            self.open -= 1
        finally:
            writer.close()


async def test_what_a_burst_leaves_is_closed_without_another_post():
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    poster = Poster(url, 10_000, idle_s=0.2)
    await asyncio.gather(*(poster.post(b"{}", {}) for _ in range(BURST)))
    assert receiver.made == BURST
    await asyncio.to_thread(eventually, lambda: receiver.open == 0)
    receiver.burst = False
    assert await poster.post(b"{}", {}) == "HTTP 200"
    assert receiver.made == BURST + 1
    await poster.close()
    await asyncio.to_thread(eventually, lambda: receiver.open == 0)
    server.close()
    await server.wait_closed()


async def test_a_connection_that_is_used_is_kept():
    receiver = Receiver()
    receiver.burst = False
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    poster = Poster(url, 10_000)
    for _ in range(3):
        await poster.post(b"{}", {})
    assert (receiver.made, receiver.open) == (1, 1)
    await poster.close()
    server.close()
    await server.wait_closed()
