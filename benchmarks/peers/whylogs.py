"""whylogs: a profile of each window; drift is for whoever compares profiles later."""

import whylogs


def prepare(reference, windows):
    frames = [window.to_pandas() for window in windows]
    return lambda: [whylogs.log(frame).view() for frame in frames]


def numbers(answer):
    return [{name: _of(column) for name, column in view.get_columns().items()} for view in answer]


def _of(column):
    summary = column.to_summary_dict()
    found = {"count": summary["counts/n"], "missing": summary["counts/null"]}
    if summary["types/fractional"]:
        found |= {
            "mean": summary["distribution/mean"],
            "std": summary["distribution/stddev"],
            "min": summary["distribution/min"],
            "max": summary["distribution/max"],
            "p50": summary["distribution/median"],
        }
    else:
        top = max(summary["frequent_items/frequent_strings"], key=lambda item: item.est)
        found["top"] = [top.value, top.est / summary["counts/n"]]
    return found
