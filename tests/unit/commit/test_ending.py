"""Tasks end, and what they hold is closed, also where one cancellation is not enough."""

import asyncio
import threading

import pytest
import redis.asyncio

from inferwatch.tasks import end_tasks
from pipeline.threads import in_threads


class Items:
    """A blocking generator that notes when it is closed."""

    def __init__(self):
        self.go_on = threading.Event()
        self.asked = threading.Event()
        self.closed = False

    def __iter__(self):
        try:
            while True:
                self.asked.set()
                self.go_on.wait(10)
                yield 1
        finally:
            self.closed = True


async def test_what_threads_read_is_closed_though_the_reader_is_cancelled_again_and_again():
    items = Items()

    async def read():
        async for _ in in_threads(iter(items)):
            pass

    task = asyncio.create_task(read())
    await asyncio.to_thread(items.asked.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done(), "it was left while a thread was still in it"
    items.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert items.closed


async def test_a_loop_around_redis_ends_wherever_it_is(redis_server):
    """redis-py takes a cancellation for its own now and then; with one alone this hangs."""
    client = redis.asyncio.Redis.from_url(redis_server.url)

    async def ask_for_ever():
        while True:
            async with client.pipeline(transaction=True) as pipe:
                pipe.get("nothing")
                await pipe.execute()

    for turns in range(60):
        tasks = [asyncio.create_task(ask_for_ever()) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            outcomes = await end_tasks(tasks, again_s=0.02)
        assert {type(one) for one in outcomes} <= {asyncio.CancelledError}
    await client.aclose()


async def test_what_a_task_gave_or_raised_is_told():
    async def give():
        return 7

    async def fail():
        raise ValueError("no")

    tasks = [asyncio.create_task(give()), asyncio.create_task(fail())]
    await asyncio.wait(tasks)
    given, raised = await end_tasks(tasks)
    assert given == 7
    assert isinstance(raised, ValueError)
