"""The page during the demo's own incident: what a newcomer sees when it has fired."""

import json
import re
import subprocess
import sys
import urllib.request

import pytest
from eventually import eventually

from inferwatch.settings import load

pytestmark = [pytest.mark.demo, pytest.mark.slow, pytest.mark.timeout(300)]


def firing(listen):
    with urllib.request.urlopen(f"http://{listen}/api/v1/incidents?status=firing") as answer:
        return json.load(answer)["incidents"]


def test_the_page_shows_the_demos_incident_while_it_fires(tmp_path, browser, screenshots) -> None:
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "inferwatch", "demo", "--headless", "--out", str(out)]
    log = (tmp_path / "demo.log").open("w")
    demo = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        eventually((out / "inferwatch.yaml").exists, timeout_s=60)
        listen = load(str(out / "inferwatch.yaml")).dashboard.listen
        eventually(lambda: len(firing(listen)) == 2, timeout_s=150, every_s=0.3)
        browser.driver.get(f"http://{listen}/")
        eventually(lambda: browser.count("article.incident") == 2)
        page = browser.text("main")
        assert "flight-delay" in page
        assert re.search(r"dep_delay is about 60 times its usual size", page)
        assert "Unit change" in page
        assert "inferwatch reference show flight-delay" in page
        browser.screenshot(screenshots / "demo-incident.png")
        assert not browser.errors()
        assert demo.wait(120) == 0, (tmp_path / "demo.log").read_text()[-2000:]
    finally:
        demo.terminate()
        demo.wait(10)
        log.close()
