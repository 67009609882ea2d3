import logging

import pytest
from click.testing import CliRunner
from results import window

from consumers.dashboard.access import COOKIE, SESSION_S, Access
from consumers.dashboard.service import Options
from inferwatch.commands.dashboard import command
from inferwatch.errors import UsageError

TOKEN = "correct-horse-battery-staple"
DATA = ("/api/v1/models", "/api/v1/status", "/api/v1/events", "/api/v1/incidents", "/metrics")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(""), bearer(TOKEN + "x")])
async def test_no_data_without_the_token(serve, path, headers) -> None:
    answer = await (await serve(TOKEN)).get(path, headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_token_opens_the_api(fed, serve) -> None:
    await fed.take(window())
    client = await serve(TOKEN)
    answer = await client.get("/api/v1/models", headers=bearer(TOKEN))
    assert answer.status == 200
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/static/js/main.js")).status == 200


async def test_a_browser_logs_in_and_out(serve, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    client = await serve(TOKEN)
    page = await client.get("/")
    assert page.status == 401
    assert 'name="token"' in await page.text()
    wrong = await client.post("/login", data={"token": "guess"}, allow_redirects=False)
    assert wrong.status == 401
    assert COOKIE not in wrong.cookies
    right = await client.post("/login", data={"token": TOKEN}, allow_redirects=False)
    assert (right.status, right.headers["Location"]) == (303, "/")
    cookie = right.cookies[COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    assert TOKEN not in cookie.value
    session = {"Cookie": f"{COOKIE}={cookie.value}"}
    assert 'id="main"' in await (await client.get("/", headers=session)).text()
    async with client.get("/api/v1/events", headers=session) as stream:
        assert stream.status == 200
    forged = {"Cookie": f"{COOKIE}=9{cookie.value}"}
    client.session.cookie_jar.clear()
    assert (await client.get("/api/v1/status", headers=forged)).status == 401
    out = await client.post("/logout", headers=session, allow_redirects=False)
    assert out.status == 303
    assert out.cookies[COOKIE]["max-age"] == "0"
    assert TOKEN not in caplog.text


async def test_another_site_cannot_log_a_browser_in(serve) -> None:
    client = await serve(TOKEN)
    answer = await client.post(
        "/login", data={"token": TOKEN}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status == 403


async def test_behind_tls_the_cookie_stays_there(serve) -> None:
    client = await serve(TOKEN)
    headers = {"X-Forwarded-Proto": "https"}
    answer = await client.post(
        "/login", data={"token": TOKEN}, headers=headers, allow_redirects=False
    )
    assert answer.cookies[COOKIE]["secure"]


def test_a_session_ends() -> None:
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request

    now = [1_000_000]
    access, response = Access(TOKEN, lambda: now[0]), web.Response()
    access.open_session(response, secure=False)
    headers = {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"}
    request = make_mocked_request("GET", "/", headers=headers)
    assert access.allows(request)
    assert not Access("another token", lambda: now[0]).allows(request)
    now[0] += SESSION_S * 1000
    assert not access.allows(request)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8088", "127.0.0.1.evil.example"])
async def test_a_rebound_name_is_refused(serve, host) -> None:
    client = await serve()
    for path in ("/", "/api/v1/models", "/api/v1/events"):
        assert (await client.get(path, headers={"Host": host})).status == 421
    with_token = await serve(TOKEN)
    answer = await with_token.get("/api/v1/models", headers={"Host": host, **bearer(TOKEN)})
    assert answer.status == 200, "with a token any name will do"


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8088", "LOCALHOST"])
async def test_names_of_this_machine_are_served(serve, host) -> None:
    assert (await (await serve()).get("/", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/models", "/api/v1/nothing", "/static/js/main.js", "/static/none", "/x"]
)
async def test_every_answer_has_the_security_headers(serve, path) -> None:
    answer = await (await serve()).get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in answer.headers


async def test_nothing_outside_of_static_is_served(serve) -> None:
    client = await serve()
    for path in ("/static/../api.py", "/static/%2e%2e/api.py", "/static/..%2f..%2fmetrics.py"):
        assert (await client.get(path)).status in (403, 404)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "dashboard.example"])
def test_an_address_that_others_reach_needs_a_token(host) -> None:
    options = {"kafka": {}, "prefix": "", "history_ms": 1, "host": host, "port": 8088}
    with pytest.raises(UsageError, match=r"dashboard\.auth\.token") as error:
        Options(**options, token=None).check()
    assert error.value.exit_code == 2
    Options(**options, token=TOKEN).check()
    Options(**{**options, "host": "127.0.0.1"}, token=None).check()


def test_the_command_says_so_before_it_reaches_for_anything(tmp_path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("broker: {url: kafka://127.0.0.1:1}\nredis: {url: redis://127.0.0.1:1/0}\n")
    result = CliRunner().invoke(command, ["-c", str(config), "--listen", "0.0.0.0:0"])
    assert isinstance(result.exception, UsageError)
    assert "needs a token" in str(result.exception)
    result = CliRunner().invoke(command, ["-c", str(config), "--listen", "nowhere"])
    assert isinstance(result.exception, UsageError)
    assert "nowhere" in str(result.exception)
