"""How soon does the dashboard show a day of many models?

    python benchmarks/dashboard.py [--models 100] [--features 50] [--windows 1440]

Fills a Redis as the folding task does, starts the real dashboard process on it, and opens the page
in a headless Chromium: until the list of models is drawn, and until all plots of one model are.
The target is 1 s for the first picture. Also prints what folding costs (decoding included), and the
memory of Redis and of the process. Needs chromium and chromium-driver.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT)]

import psutil  # noqa: E402
import redis as redis_py  # noqa: E402
from dashboard_rig import DashboardRig  # noqa: E402
from redis.asyncio import Redis  # noqa: E402
from results import MINUTE, window  # noqa: E402
from selenium import webdriver  # noqa: E402

from consumers.dashboard.catalogue import Catalogue  # noqa: E402
from consumers.dashboard.positions import Positions  # noqa: E402
from consumers.dashboard.store import Store  # noqa: E402
from inferwatch.embedded.redis import EmbeddedRedis  # noqa: E402
from inferwatch.events.json_codec import window_from_json, window_to_json  # noqa: E402

PREFIX = "bench."
BATCH = 500
DAY_MS = 86_400_000


async def fill(url: str, models: int, features: int, windows: int) -> float:
    """Write a day of results; returns CPU seconds a result of this process."""
    redis = Redis.from_url(url)
    store, catalogue = Store(redis, PREFIX, 7 * DAY_MS), Catalogue()
    start = int(time.time() * 1000) // MINUTE * MINUTE - windows * MINUTE
    kinds = [window(i, features=features, start=start) for i in range(60)]
    lines = [window_to_json(k) for k in kinds]
    spent = 0.0
    for m in range(models):
        for first in range(0, windows, BATCH):
            begin = time.process_time()
            folded = []
            for i in range(first, min(windows, first + BATCH)):
                result = window_from_json(lines[i % 60])
                at = start + i * MINUTE
                named = replace(result, model=f"model-{m:03d}", start=at, end=at + MINUTE)
                one = catalogue.fold(named, 0, at)
                folded += [one] if one else []
            await store.write(folded, [], Positions())
            spent += time.process_time() - begin
    await redis.aclose()
    return spent / (models * windows)


def open_browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    for flag in (*flags, "--window-size=1280,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


# Counts from the start of the navigation, by the page's own clock, and asks every frame.
UNTIL = """
const [done, selector, wanted] = [arguments[2], arguments[0], arguments[1]];
const look = () => document.querySelectorAll(selector).length >= wanted
  ? done(performance.now() - (window.began ?? 0)) : requestAnimationFrame(look);
look();
"""


def until(driver: webdriver.Chrome, selector: str, wanted: int) -> float:
    """Milliseconds until so many elements are there."""
    return driver.execute_async_script(UNTIL, selector, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--windows", type=int, default=1440)
    a = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        EmbeddedRedis(Path(folder) / "redis") as redis,
    ):
        cost = asyncio.run(fill(redis.url, a.models, a.features, a.windows))
        print(f"fold, decode and write {cost * 1e3:7.2f} ms CPU a result of {a.features} features")
        used = redis_py.Redis.from_url(redis.url).info("memory")["used_memory"]
        print(
            f"Redis                  {used / 2**20:7.0f} MiB for {a.models * a.windows:,} windows"
        )
        rig = DashboardRig(Path(folder), redis.url, PREFIX).start()
        driver = open_browser(str(Path(folder) / "profile"))
        try:
            for visit in ("cold", "warm"):
                driver.get(rig.url)
                took = until(driver, "#models tbody tr", a.models)
                print(f"list of models, {visit}   {took:7.0f} ms")
            page = f"#/model/model-{a.models - 1:03d}/7"
            go = "window.began = performance.now(); location.hash = arguments[0]"
            driver.execute_script(go, page)
            print(f"one model, a day       {until(driver, '#plots .uplot canvas', 6):7.0f} ms")
            memory = psutil.Process(rig.pid).memory_info().rss
            print(f"dashboard process      {memory / 2**20:7.0f} MiB")
        finally:
            driver.quit()
            rig.stop()


if __name__ == "__main__":
    main()
