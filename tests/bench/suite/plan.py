"""What is measured, and how long: the quick form and the full one."""

import dataclasses

from measure import BY_STREAM, SERVER_KEY

ITERATIONS = (1000, 10000, 100000)


@dataclasses.dataclass(frozen=True)
class Plan:
    name: str
    cells: tuple  # (iterations, mode, (in flight, ...)); that by stream follows that by calls, and has its ideal
    rounds: int
    seconds: float
    openssl_cells: tuple
    openssl_seconds: float
    steady_iterations: tuple  # open loop at 70 % of the peak
    steady_rounds: int
    steady_seconds: float
    profile_seconds: float
    room_gib: int  # of disk, for databases and WAL
    rows: int = 0  # the larger database; 0: not measured
    row_pairs: int = 0
    row_seconds: float = 0
    ideal_ms: int = 900
    idle_lines: int = 500


def table_of(modes, in_flight):
    return tuple((count, mode, in_flight) for count in ITERATIONS for mode in modes)


EVERY_MODE = (SERVER_KEY, "csr", "encrypted-nvs", "secure-cert")


QUICK = Plan(
    name="quick",
    cells=tuple((count, mode, flights) for count in ITERATIONS
                for mode, flights in ((SERVER_KEY, (1, 64)), (BY_STREAM, (64, 256)), ("csr", (1, 64))))
    + ((10000, "encrypted-nvs", (64,)), (10000, "secure-cert", (64,))),
    rounds=1, seconds=2.5,
    openssl_cells=((1000, SERVER_KEY, (64,)), (10000, SERVER_KEY, (64,))), openssl_seconds=2.5,
    steady_iterations=(1000, 10000), steady_rounds=1, steady_seconds=5, profile_seconds=3, room_gib=12)

FULL = Plan(
    name="full",
    cells=table_of((SERVER_KEY, BY_STREAM, *EVERY_MODE[1:]), (1, 8, 64, 256)), rounds=3, seconds=2.5,
    openssl_cells=table_of(EVERY_MODE, (1, 8, 64, 256)), openssl_seconds=2,
    steady_iterations=(1000, 10000), steady_rounds=3, steady_seconds=8, profile_seconds=8, room_gib=40,
    rows=1_000_000, row_pairs=6, row_seconds=4)
