"""The keys of a window result's JSON are the contract's: readers check for their presence."""

import dataclasses

import results

from inferwatch.events.json_codec import window_from_json, window_to_dict, window_to_json

NUMERIC = [
    *("type", "count", "missing", "non_finite", "type_mismatch", "out_of_range"),
    *("mean", "std", "min", "max", "p05", "p50", "p95"),
    *("ks", "ks_pvalue", "psi", "js", "wasserstein", "drift"),
]


def test_the_output_alone_has_entropy_and_collapsed():
    window = results.window()
    plain = window_to_dict(window)
    assert list(plain["features"]["dep_delay"]) == NUMERIC
    assert "entropy" not in plain["features"]["carrier"]
    assert {"entropy", "collapsed"} <= plain["prediction"].keys()


def test_an_undefined_entropy_of_the_output_is_null():
    whole = results.window()
    amount = whole.features["dep_delay"]
    plain = window_to_dict(
        dataclasses.replace(whole, prediction=amount, scores={"late": amount}, features=None)
    )
    assert plain["prediction"]["entropy"] is None
    assert list(plain["scores"]["late"]) == NUMERIC
    assert "features" not in plain


def test_a_window_is_read_back_as_it_was():
    window = results.window()
    assert window_from_json(window_to_json(window)) == window
