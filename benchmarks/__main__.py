"""Run the benchmarks: `python -m benchmarks` all of them, `python -m benchmarks NAME…` some."""

import pkgutil
import runpy
import sys

import benchmarks


def main(wanted: list[str]) -> None:
    """Run each benchmark as a script, in the order of their names."""
    known = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    for name in wanted or known:
        print(f"== {name}", flush=True)
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


main(sys.argv[1:])
