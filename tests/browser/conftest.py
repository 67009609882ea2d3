"""A real Chromium in front of a real dashboard process."""

import base64
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard_rig import DashboardRig
from selenium import webdriver

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def pytest_collection_modifyitems(items) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    missing = [path for path in (CHROMIUM, DRIVER) if shutil.which(path) is None]
    if missing:
        text = f"{' and '.join(missing)} not found: apt-get install chromium chromium-driver"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(text)
        pytest.skip(text)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        driver.set_script_timeout(10)
        yield driver
        driver.quit()


class Browser:
    """What the tests do with a page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def look(self, *, phone: bool = False, dark: bool = False) -> "Browser":
        """From now on be a phone or a desktop, at day or at night."""
        width, height = (390, 844) if phone else (1280, 900)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        return self

    def run(self, script: str, *arguments):
        """Run a script in the page; `return` what is wanted."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str | None:
        """The visible text of the first match, None without one."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? null", selector)

    def texts(self, selector: str) -> list[str]:
        """The visible text of all matches."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
        return self.run(script, selector)

    def count(self, selector: str) -> int:
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def errors(self) -> list[str]:
        """What the console has to say since the last call, but for what is not loaded."""
        return [line["message"] for line in self.driver.get_log("browser")]

    def screenshot(self, path: Path) -> Path:
        """The whole page, not just what is in view."""
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


@pytest.fixture
def browser(chromium) -> Iterator[Browser]:
    browser = Browser(chromium).look()
    chromium.delete_all_cookies()
    browser.errors()
    yield browser
    chromium.get("about:blank")


@pytest.fixture
def rig(tmp_path_factory, redis_server, prefix) -> Iterator[Callable[..., DashboardRig]]:
    """`rig(token=None)` starts a dashboard on a broker of its own."""
    rigs: list[DashboardRig] = []

    def start(token: str | None = None) -> DashboardRig:
        folder = tmp_path_factory.mktemp("dashboard")
        rigs.append(DashboardRig(folder, redis_server.url, prefix, token=token))
        return rigs[-1].start()

    yield start
    for one in rigs:
        one.stop()


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Where pictures go: INFERWATCH_SCREENSHOTS, else the test's own folder."""
    folder = Path(os.environ.get("INFERWATCH_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
