"""What is measured, and how long: the quick form and the full one."""

import dataclasses

ITERATIONS = (1000, 10000, 100000)


@dataclasses.dataclass(frozen=True)
class Plan:
    name: str
    cells: tuple  # (iterations, mode, (in flight, ...))
    rounds: int
    seconds: float
    openssl_cells: tuple
    openssl_seconds: float
    steady_iterations: tuple  # open loop at 70 % of the peak
    steady_rounds: int
    steady_seconds: float
    profile_seconds: float
    rows: int = 0  # the larger database; 0: not measured
    row_pairs: int = 0
    row_seconds: float = 0
    ideal_ms: int = 900
    idle_lines: int = 500


def whole_table(in_flight):
    return tuple((count, mode, in_flight) for count in ITERATIONS
                 for mode in ("server-key", "csr", "encrypted-nvs", "secure-cert"))


QUICK = Plan(
    name="quick",
    cells=tuple((count, mode, (1, 64)) for count in ITERATIONS for mode in ("server-key", "csr"))
    + ((10000, "encrypted-nvs", (64,)), (10000, "secure-cert", (64,))),
    rounds=1, seconds=2.5,
    openssl_cells=((1000, "server-key", (64,)), (10000, "server-key", (64,))), openssl_seconds=2.5,
    steady_iterations=(1000, 10000), steady_rounds=1, steady_seconds=5, profile_seconds=3)

FULL = Plan(
    name="full",
    cells=whole_table((1, 8, 64, 256)), rounds=3, seconds=2.5,
    openssl_cells=whole_table((1, 8, 64, 256)), openssl_seconds=2,
    steady_iterations=(1000, 10000), steady_rounds=3, steady_seconds=8, profile_seconds=8,
    rows=1_000_000, row_pairs=6, row_seconds=4)
