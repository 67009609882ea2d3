import time
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
from eventually import eventually
from results import INCIDENT_AT, MINUTE, alert, stretch, window
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from inferwatch.events.alert import Status

WINDOWS = 120
TOKEN = "correct-horse-battery-staple"
MODEL = "#/model/flight-delay/7?range=6h"

DRAWN = """
const blank = (c) => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v);
return [...document.querySelectorAll('#plots canvas')].filter((c) => !blank(c)).length
"""


def tell_the_story(rig) -> int:
    """Two models, one of them broken since a while; returns the start of the first window."""
    start = int(time.time() * 1000) // MINUTE * MINUTE - WINDOWS * MINUTE
    rig.publisher.windows(stretch(WINDOWS, incident=True, start=start, features=20))
    rig.publisher.windows(stretch(WINDOWS, start=start, model="churn", features=3))
    began = start + int(INCIDENT_AT * WINDOWS) * MINUTE
    over = {"incident": "over", "model": "churn", "summary": "churn was slow"}
    rig.publisher.alerts(
        alert(**over, starts_at=start + 20 * MINUTE),
        alert(
            **over,
            starts_at=start + 20 * MINUTE,
            status=Status.RESOLVED,
            updated_at=start + 45 * MINUTE,
        ),
        alert(incident="now", starts_at=began),
    )
    eventually(lambda: rig.get("status")["folded"] == {"windows": 2 * WINDOWS, "alerts": 3})
    return start


def fits(browser) -> bool:
    return browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_incident_as_on_call_sees_it(rig, browser, screenshots) -> None:
    dashboard = rig()
    start = tell_the_story(dashboard)
    browser.driver.get(dashboard.url)
    eventually(lambda: browser.count("article.incident") == 1)

    card = browser.text("article.incident")
    for words in ("page", "since", "61.2 %", "91.3 %", "86.3 %", "dep_delay arrives in seconds"):
        assert words.lower() in card.lower()
    assert "Unit change" in card and "93 %" in card
    assert "every quantile of dep_delay" in card
    bar = "return document.querySelector('.bar i').getBoundingClientRect().width / \
        document.querySelector('.bar').getBoundingClientRect().width"
    assert browser.run(bar) == pytest.approx(0.93, abs=0.01)
    assert "-1" in browser.texts(".evidence tbody tr")[0]
    assert browser.texts(".command code")[0] == "inferwatch reference show flight-delay"
    assert "Firing 1" in browser.text("#state").replace("\n", " ")
    assert [row.split("\n")[0] for row in browser.texts("#models .name")] == [
        "flight-delay",
        "churn",
    ], "what is firing comes first"
    assert browser.count("#models .spark path") > 0
    assert "churn was slow" in browser.text("#resolved")
    pictures = [browser.screenshot(screenshots / "overview.png")]

    # live: a new window and the end of the incident, without loading the page again
    browser.run("window.sameVisit = true")
    last = window(WINDOWS, start=start, features=20)
    dashboard.publisher.windows([replace(last, rows=43_210)])
    eventually(lambda: "43,210" in browser.text("#models"))
    dashboard.publisher.alerts(
        alert(
            incident="now",
            starts_at=start + int(INCIDENT_AT * WINDOWS) * MINUTE,
            status=Status.RESOLVED,
            updated_at=start + WINDOWS * MINUTE,
        )
    )
    eventually(lambda: "All quiet" in (browser.text("#quiet") or ""))
    assert len(browser.texts("details.past")) == 2
    eventually(lambda: "Firing 0" in browser.text("#state").replace("\n", " "))
    assert browser.run("return window.sameVisit") is True
    pictures.append(browser.screenshot(screenshots / "resolved.png"))

    assert browser.errors() == []
    assert all(p.stat().st_size > 20_000 for p in pictures)


def test_a_model_over_time(rig, browser, screenshots) -> None:
    dashboard = rig()
    start = tell_the_story(dashboard)
    for phone in (False, True):
        for dark in (False, True):
            browser.look(phone=phone, dark=dark)
            browser.driver.get(dashboard.url)
            eventually(lambda: browser.count("#models tbody tr") == 2)
            assert fits(browser), "nothing sticks out to the right"
            name = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
            browser.screenshot(screenshots / f"overview-{name}.png")
            browser.driver.get(dashboard.url + MODEL)
            eventually(lambda: browser.count("#plots .uplot canvas") == 6)
            assert browser.run(DRAWN) == 6 + 15, "six plots and fifteen rows of the heat map"
            assert fits(browser)
            browser.screenshot(screenshots / f"model-{name}.png")
    browser.look()
    browser.driver.refresh()
    eventually(lambda: browser.count("#plots .uplot canvas") == 6)
    assert browser.texts(".plot h3") == [
        "Quality",
        "Latency",
        "Error rate",
        "Volume",
        "Prediction mix",
        "Completeness and labels",
        "Drift by feature",
    ]
    assert browser.texts(".heat button")[0] == "dep_delay", "the largest drift is on top"
    browser.run("document.querySelector('.plot > p button').click()")
    assert browser.count(".heat button") == 20
    browser.run("document.querySelector('.heat button').click()")
    eventually(lambda: browser.count(".heat .open .uplot canvas") == 1)
    tall = "return document.querySelector('.heat .open canvas').clientHeight"
    assert browser.run(tall) > 150
    browser.screenshot(screenshots / "feature.png")

    browser.run("document.querySelector('[data-pick=\"range-1h\"]').click()")
    eventually(lambda: "range=1h" in browser.driver.current_url)
    eventually(
        lambda: (
            browser.run("return document.querySelector('[data-pick=\"range-1h\"]')?.ariaPressed")
            == "true"
        )
    )
    last = replace(window(WINDOWS, start=start, features=20), rows=43_210)
    dashboard.publisher.windows([last])
    eventually(lambda: "43,210" in browser.text("#tiles"))
    assert browser.count(".heat .open .uplot canvas") == 1, "what was opened stays open"
    assert browser.errors() == []


def test_hostile_names_are_text(rig, browser) -> None:
    dashboard = rig()
    name = "<script>window.owned=1</script><img src=x onerror='window.owned=1'>/..?#&\u202e"
    start = int(time.time() * 1000) // MINUTE * MINUTE - 20 * MINUTE
    feature = window().features["dep_delay"]
    hostile = {"model": name, "version": name, "start": start}
    dashboard.publisher.windows(
        replace(w, features={name: feature})
        for segment in (None, f"k={name}")
        for w in stretch(20, segment=segment, **hostile)
    )
    bad = alert(incident=name, model=name, version=name, summary=name, starts_at=start)
    bad = replace(
        bad,
        evidence=[replace(bad.evidence[0], text=name, metric=name, before=name, after=name)],
        causes=[replace(bad.causes[0], cause=name, why=name)],
        suggestions=[
            replace(bad.suggestions[0], text=name, command=name, url="javascript:alert(1)")
        ],
        runbook_url="javascript:window.owned=1",
    )
    dashboard.publisher.alerts(bad)
    eventually(lambda: dashboard.get("status")["folded"] == {"windows": 40, "alerts": 1})
    browser.driver.get(dashboard.url)
    eventually(lambda: browser.count("article.incident") == 1)
    assert browser.text("article.incident h3") == name
    assert browser.text("#models .name a") == name
    browser.driver.find_element(By.CSS_SELECTOR, "#models .name a").click()
    eventually(lambda: browser.text("h1") == name)
    eventually(lambda: browser.count("#plots .uplot canvas") == 6)
    assert browser.texts(".heat button") == [name]
    assert f"k={name}" in browser.texts("select option")
    assert browser.count("main script, main img") == 0
    assert browser.count("a[href^='javascript:']") == 0
    assert browser.run("return window.owned ?? null") is None
    browser.driver.get(dashboard.url + "#/incident/" + quote(name, safe=""))
    eventually(lambda: "over time" in (browser.text("main > p:last-child") or ""))
    assert browser.text("article.incident h3") == name
    browser.driver.get(dashboard.url + f"#/model/{quote('no such model')}/1")
    eventually(lambda: "no results of model" in (browser.text("main") or ""))
    errors = [e for e in browser.errors() if "404" not in e]
    assert errors == []


def test_a_lost_connection_is_shown_until_it_is_back(rig, browser) -> None:
    dashboard = rig()
    browser.driver.get(dashboard.url)
    eventually(lambda: browser.count("#no-data") == 1)
    assert "inferwatch sidecar" in browser.text("#no-data")
    assert browser.errors() == []
    assert dashboard.stop_dashboard() < 5
    eventually(lambda: browser.text("#lost") == "Connection lost, retrying …")
    dashboard.start_dashboard()
    eventually(lambda: browser.run("return document.getElementById('lost').hidden"))
    dashboard.publisher.windows([window()])
    eventually(lambda: browser.count("#models tbody tr") == 1)


def test_with_a_token_the_page_asks_for_it_once(rig, browser) -> None:
    dashboard = rig(token=TOKEN)
    assert httpx.get(dashboard.url + "api/v1/models").status_code == 401
    browser.driver.get(dashboard.url)
    for token, shown in (("guess", "That is not the token."), (TOKEN, "No data yet")):
        field = eventually(lambda: browser.driver.find_element(By.ID, "token"))
        field.send_keys(token + Keys.ENTER)
        eventually(lambda shown=shown: shown in (browser.text("main") or ""))
    assert browser.run("return document.cookie") == "", "out of reach of scripts"
    dashboard.publisher.windows([window()])
    # the event stream is let in too
    eventually(lambda: browser.count("#models tbody tr") == 1)
    assert TOKEN not in browser.driver.current_url
    assert TOKEN not in dashboard.log


def test_everything_is_reached_by_keyboard(rig, browser) -> None:
    dashboard = rig()
    tell_the_story(dashboard)
    browser.driver.get(dashboard.url)
    eventually(lambda: browser.count("#models tbody tr") == 2)
    reached = []
    for _ in range(30):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        script = "const e = document.activeElement; return [e.tagName, e.innerText, e.ariaLabel]"
        reached.append(browser.run(script))
        if reached[-1][:2] == ["A", "churn"]:
            break
    tags = [tag for tag, _, _ in reached]
    assert reached[0][1] == "Skip to the content"
    assert "BUTTON" in tags, "commands can be copied"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: browser.text("h1") == "churn")
    assert browser.run("return document.activeElement.id") == "main"
