"""What `inferwatch --help` costs: aimed at 150 ms of CPU, beside a bare Python and click alone."""

import resource
import statistics
import subprocess
import sys

RUNS = 15
QUESTIONS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import click'": ["-c", "import click"],
    "inferwatch --help": ["-m", "inferwatch", "--help"],
}


def cpu_ms(argv: list[str]) -> float:
    """User and system time of one run of Python, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    for name, argv in QUESTIONS.items():
        cpu_ms(argv)  # the first run writes the byte code
        times = [cpu_ms(argv) for _ in range(RUNS)]
        print(f"{name:26} {statistics.median(times):6.1f} ms CPU (median of {RUNS})")
