"""How fast, and how large: one question a module, seeded data, yardsticks in the same run."""

import os

# On one core: threads of BLAS that wait for one another would count as the yardsticks' work. (With
# them scipy's Wasserstein distance costs twice the CPU seconds, and the batch would look slower.)
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
