"""References of a replay: profiles and raw data, in force from the first row."""

import pytest
from replay_events import START, row

from inferwatch.errors import UsageError
from inferwatch.events.json_codec import dumps
from inferwatch.settings import load
from pipeline.replay.references import catalog_of

CONFIG = 'defaults: {windows: [1m], lateness: 0s, reference: {learn: "off"}}'


def raw(path, models=None):
    head = "amount,country\n" if models is None else "model,amount,country\n"
    lines = []
    for n in range(300):
        cells = f"{n % 50},{'DE' if n % 3 else 'FR'}\n"
        lines.append(cells if models is None else f"{models[n % len(models)]},{cells}")
    path.write_text(head + "".join(lines))
    return path


def events():
    return [
        row(n, model=model, features={"amount": n % 40, "country": "DE"})
        for n in range(50)
        for model in ("a", "b")
    ]


def test_raw_data_without_a_model_serve_every_model(replayed, tmp_path):
    got = replayed(events(), CONFIG, references=raw(tmp_path / "r.csv"))
    fingerprints = {window["reference"] for window in got.windows}
    assert len(fingerprints) == 1
    assert None not in fingerprints
    assert all(window["features"]["amount"]["psi"] is not None for window in got.windows)


def test_raw_data_with_models_are_a_reference_of_each(replayed, tmp_path):
    got = replayed(events(), CONFIG, references=raw(tmp_path / "r.csv", ["a", "c"]))
    assert got.window(model="a")["reference"] is not None
    assert got.window(model="b")["reference"] is None


def test_a_profile_names_its_model_and_several_may_be_given(replayed, tmp_path):
    settings = load(None, text=CONFIG)
    made = catalog_of([raw(tmp_path / "r.csv", ["a", "b"])], settings)
    files = []
    for name in ("a", "b"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_bytes(dumps(made.in_force(name, "1", START)))
    got = replayed(events(), CONFIG, references=files)
    assert got.lines == replayed(events(), CONFIG, references=tmp_path / "r.csv").lines


def test_late_rows_are_counted_against_it_too(replayed, tmp_path):
    rows = [*events(), row(70, model="a"), row(10, model="a", features={"amount": 3})]
    got = replayed(rows, CONFIG, references=raw(tmp_path / "r.csv"))
    window = got.window(model="a", start=START)
    assert (window["late"], window["features"]["amount"]["count"]) == (1, 51)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.json", '{"schema": "other"}', "no reference profile"),
        ("r.json", "{", "no reference profile"),
        ("r.txt", "", "names no format"),
        ("r.csv", "amount\n", "no row"),
    ],
)
def test_what_is_no_reference_is_said(replayed, tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        replayed(events(), CONFIG, references=tmp_path / name)


def test_an_absent_profile_is_said(replayed, tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        replayed(events(), CONFIG, references=tmp_path / "absent.json")
