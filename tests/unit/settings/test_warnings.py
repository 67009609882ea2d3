"""What is legal but surprising: a warning, at its place, and no mistake."""

import pytest

from inferwatch.settings import load

SURPRISING = [
    (
        "models: [{name: 'a*'}, {name: ab}]",
        "1:31: models[1].name: warning: never reached: 'a*' further up matches first; move it down",
    ),
    (
        "retention: {history: 1h}\ndefaults: {windows: [2h]}",
        "1:22: retention.history: warning: shorter than the longest window, so that the dashboard "
        "shows no two of them",
    ),
    (
        "defaults: {windows: [1m, 59999ms]}",
        "1:21: defaults.windows: warning: all sizes and slides have only 1 ms in common, so that "
        "the longest window is merged from 60000 slices; choose multiples of one another",
    ),
    (
        "models: [{name: a, windows: [1m, 59999ms]}]",
        "1:29: models[0].windows: warning: all sizes and slides have only 1 ms in common, so that "
        "the longest window is merged from 60000 slices; choose multiples of one another",
    ),
    (
        "rules: [{name: r, metric: quality.accuracy, when: '< 1', window: 7m}]",
        "1:66: rules[0].window: warning: no model that the rule is about has the window 7m; "
        "add it to their windows",
    ),
    (
        "models: [{name: a, windows: [7m]}]\n"
        "rules: [{name: r, models: b, metric: quality.accuracy, when: '< 1', window: 7m}]",
        "2:77: rules[0].window: warning: no model that the rule is about has the window 7m; "
        "add it to their windows",
    ),
    (
        "broker: {security: {protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, "
        "password: p}}",
        "1:58: broker.security.mechanism: warning: PLAIN without TLS sends the password in the "
        "clear",
    ),
]


@pytest.mark.parametrize(("text", "line"), SURPRISING)
def test_a_surprise_is_a_warning_at_its_place(text, line):
    assert load("f", text=text).warnings == (f"f:{line}",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models: [{name: ab}, {name: 'a*'}]",
        "models: [{name: a, windows: [15m/1m]}]\n"
        "rules: [{name: r, metric: quality.accuracy, when: '< 1', window: 15m}]",
        "models: [{name: 'a*', windows: [7m]}]\n"
        "rules: [{name: r, models: ab, metric: quality.accuracy, when: '< 1', window: 7m}]",
        "rules: [{name: r, metric: quality.accuracy, when: '< 1', window: 5m}]",
        "redis: {cluster: true}",
        "redis: {sentinel: m}",
        "bridge:",
        "defaults: {reference: {learn: 1h}}\nmodels: [{name: a, reference: {learn: off}}]",
    ],
)
def test_what_is_as_usual_is_no_warning(text):
    assert load("f", text=text).warnings == ()


@pytest.mark.parametrize(("objective", "most"), [(90, "10 times"), (93, "14.3 times"), (94, None)])
def test_an_objective_that_can_hardly_burn_is_said(objective, most):
    slo = f"{{metric: latency.error_rate, objective: {objective}}}"
    warnings = load("f", text=f"rules: [{{name: a, slo: {slo}}}]").warnings
    assert [most in w and "slo.objective: warning" in w for w in warnings] == (
        [True] if most else []
    )


def test_warnings_are_in_the_order_of_the_text():
    text = (
        "defaults: {windows: [1m, 59999ms]}\n"
        "models:\n"
        "- {name: '*'}\n"
        "- {name: b}\n"
        "- {name: c, windows: [1m, 59999ms]}\n"
    )
    assert [w.split(":")[1] for w in load("f", text=text).warnings] == ["1", "4", "5", "5"]
