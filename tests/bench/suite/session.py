"""One run of the benchmark, part by part. Its answer is a dictionary that tables.py writes down."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

import profile_of
from measure import BY_STREAM, SERVER_KEY, WAYS, Loader, percentile, summary

ROWS_LEAD_IN = 10, 12  # seconds, and how often at most
ROWS_FULL_PAGES = 0.3  # an identity puts so many whole pages into the WAL, or fewer, once most were there
LARGE_LOT = "server-key"
STEPS = ("admit", "ticket", "claim", "build", "intent", "sign", "verify", "seal")
STEADY_BAR_MS = {1000: 50, 10000: 80}
PEAK_SHARE = 0.7
MEMORY_BAR_MIB = 256
ROWS_BAR = 0.95
IDEAL_BARS = {1000: 0.33, 10000: 0.70, 100000: 0.87}
OPENSSL_BAR = 0.75  # of bare OpenSSL, at 10,000


def machine_load(seconds=2.0):
    """How busy the machine is without us: share of the cores in use, share the host took."""
    def read():
        with open("/proc/stat", encoding="utf-8") as file:
            return [int(part) for part in file.readline().split()[1:9]]
    before = read()
    time.sleep(seconds)
    spent = [after - then for after, then in zip(read(), before)]
    whole = max(1, sum(spent))
    return {"busy": round((whole - spent[3] - spent[4] - spent[7]) / whole, 3), "steal": round(spent[7] / whole, 3),
            "load_average": os.getloadavg()[0]}


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        named = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return named[1] if named else platform.machine()


def disk_under(folder, blocks="/sys/dev/block"):
    """What Linux makes of the disk a folder lies on: whether it spins, and for how long data may hold up a flush of the WAL
    (writeback throttling). None where it does not tell."""
    device = os.stat(folder).st_dev
    block = f"{blocks}/{os.major(device)}:{os.minor(device)}"
    for queue in (f"{block}/queue", f"{block}/../queue"):  # a disk, or a part of one
        try:
            with open(f"{queue}/rotational", encoding="utf-8") as spins, \
                 open(f"{queue}/wbt_lat_usec", encoding="utf-8") as delay:
                return {"spins": spins.read().strip() == "1", "flush_delay_ms": int(delay.read()) / 1000}
        except (OSError, ValueError):
            continue
    return None


def check_room(folder, gib):
    """A disk that fills up at the end costs the whole run."""
    free = shutil.disk_usage(folder).free / 2**30
    if free < gib:
        raise RuntimeError(f"{folder} has {free:.0f} GiB of free disk, and this form wants {gib} (TMPDIR names another place)")


class Session:
    def __init__(self, plan, sandbox, flames):
        self.plan, self.sandbox, self.flames = plan, sandbox, flames
        self.began = time.monotonic()
        self.again_left = 24  # disturbed measurements that are taken once more
        self.result = {}

    def say(self, text):
        passed = int(time.monotonic() - self.began)
        print(f"[{passed // 60:2}:{passed % 60:02}] {text}", file=sys.stderr, flush=True)

    def run(self):
        check_room(self.sandbox.state, self.plan.room_gib)
        commit = subprocess.run(["git", "-C", self.sandbox.source, "rev-parse", "--short", "HEAD"], check=False,
                                capture_output=True, text=True).stdout.strip()
        before = machine_load()
        if before["busy"] > 0.05 or before["steal"] > 0.02:
            self.say(f"NOTE: other programs use {before['busy']:.0%} of the cores already; what follows says less for it")
        self.result = {"form": self.plan.name, "taken_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
                       "commit": commit, "processor": processor(), "cores": os.cpu_count(),
                       "before": before, "seconds_a_window": self.plan.seconds, "rounds": self.plan.rounds}
        self.say("a sandbox of its own: SoftHSM, PostgreSQL, mutual TLS")
        main = self.sandbox.open()
        if self.plan.rows:
            main.stop()
            self.small, self.large = self.sandbox.beside("bench_small"), self.sandbox.beside("bench_large")
            main.start()
        self.main, self.load = main, Loader(self.sandbox, main)
        self.result["memory"] = {"rest_mib": main.memory()}
        self.result["disk"] = disk_under(self.sandbox.database_folder())
        self.measure_rates()
        self.measure_steady()
        self.measure_memory()
        self.measure_parts()
        self.measure_openssl()
        if self.plan.rows:
            self.measure_rows()
        self.result["after"] = {"load_average": os.getloadavg()[0]}
        self.result["took_seconds"] = round(time.monotonic() - self.began)
        self.result["bars"] = self.bars()
        return self.result

    def window(self, loader, iterations, mode, seconds, *arguments):
        """One measurement, taken once more where it was disturbed and there is time for that."""
        window = loader.issue(iterations, mode, seconds, *arguments)
        if window.disturbed() and self.plan.rounds > 1 and self.again_left > 0:
            self.again_left -= 1
            other = loader.issue(iterations, mode, seconds, *arguments)
            window = min(window, other, key=lambda one: one.disturbance())
        return window

    # ---- the table

    def measure_rates(self):
        windows, ideals = {}, {}
        cells = self.plan.cells
        for number in range(self.plan.rounds):
            for iterations, mode, flights in cells:
                seen = ideals.setdefault((iterations, SERVER_KEY if mode == BY_STREAM else mode), [])
                if mode != BY_STREAM:  # the same identities, so the same ideal
                    seen.append(self.load.ideal(iterations, mode, self.plan.ideal_ms))
                ideal = seen[-1]
                for flight in flights:
                    window = self.window(self.load, iterations, mode, self.plan.seconds, "--in-flight", flight)
                    windows.setdefault((iterations, mode, flight), []).append((window, ideal))
                    self.tell_window(number, iterations, mode, flight, window, ideal["fastest"])
        self.ideals = {key: {by: statistics.median(one[by] for one in seen) for by in ("fastest", "openssl", "fastest_us")}
                       for key, seen in ideals.items()}
        self.result["rates"] = [self.row(key, seen) for key, seen in windows.items()]

    def tell_window(self, number, iterations, mode, flight, window, ideal):
        rounds = f"round {number + 1} of {self.plan.rounds}, " if self.plan.rounds > 1 else ""
        mark = f"; other programs took {window.foreign:.0%}, the host {window.steal:.0%}" if window.disturbed() else ""
        self.say(f"{rounds}{iterations:,} iterations, {mode}, {flight} in flight: {window.rate:.0f}/s, "
                 f"{window.rate / ideal:.2f} of ideal{mark}")

    @staticmethod
    def row(key, seen):
        iterations, mode, flight = key
        seen_all = summary([window for window, _ in seen])
        ideal_us = statistics.median(ideal["fastest_us"] for _, ideal in seen)
        return {"iterations": iterations, "mode": mode, "in_flight": flight, **seen_all, "ideal_us": round(ideal_us),
                "of_ideal_by_cpu": ideal_us / max(1, sum(seen_all["cpu_us"].values())),
                "ideal": statistics.median(ideal["fastest"] for _, ideal in seen),
                "openssl": statistics.median(ideal["openssl"] for _, ideal in seen),
                "of_ideal": statistics.median(window.rate / ideal["fastest"] for window, ideal in seen),
                "of_openssl": statistics.median(window.rate / ideal["openssl"] for window, ideal in seen)}

    def measure_openssl(self):
        """The same with the portable way forced."""
        self.say("the OpenSSL path: assayd again, with ASSAY_PBKDF2_KERNEL and ASSAY_ECDSA_KERNEL=openssl")
        self.main.stop()
        self.main.start({"ASSAY_PBKDF2_KERNEL": "openssl", "ASSAY_ECDSA_KERNEL": "openssl"})
        rows = []
        for iterations, mode, flights in self.plan.openssl_cells:
            ideal = self.ideals.get((iterations, mode)) or self.load.ideal(iterations, mode, self.plan.ideal_ms)
            for flight in flights:
                window = self.window(self.load, iterations, mode, self.plan.openssl_seconds, "--in-flight", flight)
                rows.append(self.row((iterations, mode, flight), [(window, ideal)]))
                self.tell_window(0, iterations, mode, flight, window, ideal["fastest"])
        self.result["openssl_rates"] = rows
        self.main.stop()

    # ---- at 70 % load

    def best_flight(self, iterations, mode):
        return max((row for row in self.result["rates"] if row["iterations"] == iterations and row["mode"] == mode),
                   key=lambda row: row["rate"])["in_flight"]

    def measure_steady(self):
        self.result["steady"] = [self.steady_row(iterations, mode, arrivals, more)
                                 for iterations in self.plan.steady_iterations for mode in WAYS
                                 for arrivals, more in (("by chance", ()), ("evenly", ("--evenly",)))]

    def steady_row(self, iterations, mode, arrivals, more):
        flight = self.best_flight(iterations, mode)
        windows, rates = [], []
        for _ in range(self.plan.steady_rounds):
            # The peak of minutes ago, when the host gave more or less, is not what the machine can do now.
            peak = self.window(self.load, iterations, mode, self.plan.seconds, "--in-flight", flight)
            rate = PEAK_SHARE * peak.rate
            rates.append(rate)
            window = self.window(self.load, iterations, mode, self.plan.steady_seconds, "--rate", rate, *more)
            windows.append(window)
            p99 = percentile(window.took, 0.99)
            self.say(f"{iterations:,} iterations, {rate:.0f} a second arriving {arrivals}, asked {WAYS[mode]}: "
                     f"p99 {'-' if p99 is None else f'{p99:.1f}'} ms")
        seen = summary(windows)
        # Of the rounds the middle one: a single hiccup of the machine is all of one round's p99.
        p99s = [percentile(window.took, 0.99) for window in windows]
        known = [p99 for p99 in p99s if p99 is not None]
        seen["p99_ms"] = statistics.median(known) if known else None
        return {"iterations": iterations, "mode": mode, "arrivals": arrivals, "asked": statistics.median(rates),
                "bar_ms": STEADY_BAR_MS.get(iterations), "p99s_ms": p99s, **seen}

    # ---- memory, and where the time goes

    def measure_memory(self):
        memory = self.result["memory"]
        memory["highest_mib"] = self.main.memory("VmHWM")
        self.say(f"{self.plan.idle_lines} idle lines")
        idle = self.load.idle(self.plan.idle_lines)
        if '"lines"' not in idle.stdout.readline():
            raise RuntimeError("the idle lines could not be opened")
        memory["idle_lines"] = self.plan.idle_lines
        memory["idle_mib"] = self.main.memory()
        self.load.issue(1000, "server-key", 2, "--in-flight", 256)
        memory["idle_and_load_mib"] = self.main.memory("VmHWM")
        idle.stdin.close()
        idle.wait()

    def measure_parts(self):
        """Processor time by part, from samples; waiting and working time by step, from assayd's own metrics."""
        self.result["parts"], self.result["steps"] = {}, {}
        for iterations in self.plan.steady_iterations:
            self.say(f"{iterations:,} iterations: where the time goes")
            before = self.main.figures()
            self.load.issue(iterations, "server-key", 2, "--in-flight", 64)
            after = self.main.figures()
            self.result["steps"][str(iterations)] = step_times(before, after)
            assayd_us = next(row["cpu_us"]["assayd"] for row in self.result["rates"]
                             if row["iterations"] == iterations and row["mode"] == "server-key" and row["in_flight"] == 64)
            taken = profile_of.take(self.main.pid(), self.plan.profile_seconds, os.path.join(self.sandbox.state, "samples"),
                                    lambda seconds, count=iterations: self.load.issue(
                                        count, "server-key", seconds, "--in-flight", 64))
            if taken is None:
                self.say("no samples: perf cannot run here (package linux-perf; kernel.perf_event_paranoid)")
                continue
            shares = profile_of.shares(taken)
            self.result["parts"][str(iterations)] = {name: {"share": share, "us": share * assayd_us}
                                                     for name, share in shares.items()}
            if self.flames:
                path = os.path.join(self.flames, f"flame-{iterations}.svg")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(profile_of.draw(taken, f"assayd, {iterations:,} iterations, 64 in flight"))
                self.say(f"flame graph: {path}")

    # ---- a large database

    def measure_rows(self):
        services = {10_000: self.small, self.plan.rows: self.large}
        loaders = {}
        for rows, service in services.items():
            service.start()
            loaders[rows] = Loader(self.sandbox, service)
            lot = loaders[rows].lot(1000, LARGE_LOT)
            self.fill(service, rows, lot)
        for rows, loader in loaders.items():
            self.warm(rows, loader)
        rates = {rows: [] for rows in services}
        ratios = []
        for number in range(self.plan.row_pairs):
            order = list(services) if number % 2 == 0 else list(services)[::-1]
            pair = {}
            for rows in order:
                window = self.window(loaders[rows], 1000, LARGE_LOT, self.plan.row_seconds, "--in-flight", 64)
                rates[rows].append(window)
                pair[rows] = window.rate
                self.say(f"{rows:,} rows: {window.rate:.0f}/s")
            ratios.append(pair[self.plan.rows] / pair[10_000])
        self.result["rows"] = {"iterations": 1000, "ratio": statistics.median(ratios), "ratios": ratios,
                               "bar": ROWS_BAR,
                               "rates": [{"rows": rows, **summary(seen)} for rows, seen in rates.items()]}
        for service in services.values():
            service.stop()

    def warm(self, rows, loader):
        """Issues until what is measured is a database in use. The first change of a page after a checkpoint puts the whole
        page into the WAL, and filling ends with checkpoints; in use that is a moment each quarter of an hour."""
        seconds, times = ROWS_LEAD_IN
        for number in range(times):
            before = self.full_pages()
            issued = self.window(loader, 1000, LARGE_LOT, seconds, "--in-flight", 64).issued
            pages = (self.full_pages() - before) / issued
            if pages < ROWS_FULL_PAGES:
                break
        self.say(f"{rows:,} rows: {seconds * (number + 1)} s that are not counted; at the end {pages:.2f} whole pages an "
                 "identity in the WAL")

    def full_pages(self):
        time.sleep(1.5)  # PostgreSQL's processes tell what they did within a second
        return int(self.sandbox.sql("postgres", "SELECT wal_fpi FROM pg_stat_wal"))

    def fill(self, service, rows, lot):
        database = os.path.basename(service.config).removeprefix("assayd-").removesuffix(".yaml")
        self.say(f"filling a database with {rows:,} devices")
        with open(os.path.join(os.path.dirname(__file__), "rows.sql"), encoding="utf-8") as file:
            self.sandbox.sql(database, file.read(), rows=rows, lot_name=lot)
        while int(self.sandbox.sql(database, "SELECT count(*) FROM (SELECT FROM ledger_entries WHERE seq IS NULL LIMIT 1) x")):
            time.sleep(0.5)
        self.sandbox.sql(database, "VACUUM ANALYZE;\nCHECKPOINT;")
        self.say(f"{rows:,} devices are in, and the ledger has placed their entries: "
                 + self.sandbox.sql(database, f"SELECT pg_size_pretty(pg_database_size('{database}'))"))

    # ---- the bars

    def bars(self):
        """Where the same identities were asked for in two ways, the better one counts."""
        bars = []

        def bar(what, value, least=None, most=None, unit=""):
            if value is not None:
                met = value >= least if least is not None else value < most
                bars.append({"what": what, "value": value, "least": least, "most": most, "unit": unit, "met": met})

        def best(iterations, field):
            return max((row[field] for row in self.result["rates"]
                        if row["iterations"] == iterations and row["mode"] in WAYS), default=None)

        for iterations, least in IDEAL_BARS.items():
            bar(f"{iterations:,} iterations: rate to the ideal", best(iterations, "of_ideal"), least=least)
        bar("10,000 iterations: rate to bare OpenSSL", best(10000, "of_openssl"), least=OPENSSL_BAR)
        for iterations in self.plan.steady_iterations:
            bar(f"{iterations:,} iterations: p99 at 70 % load",
                min((row["p99_ms"] for row in self.result["steady"]
                     if row["iterations"] == iterations and row["arrivals"] == "by chance" and row["p99_ms"] is not None),
                    default=None), most=STEADY_BAR_MS.get(iterations), unit=" ms")
        if "rows" in self.result:
            bar(f"rate at {self.plan.rows:,} rows to that at 10,000", self.result["rows"]["ratio"], least=ROWS_BAR)
        bar("memory of assayd, at its highest", max(self.result["memory"]["highest_mib"],
                                                    self.result["memory"]["idle_and_load_mib"]),
            most=MEMORY_BAR_MIB, unit=" MiB")
        return bars


def step_times(before, after):
    """Milliseconds a ticket spent in each of the eight steps, waiting included."""
    def grown(name, step):
        key = (f"assay_issue_step_seconds_{name}", f'step="{step}"')
        return after.get(key, 0) - before.get(key, 0)
    return {step: 1000 * grown("sum", step) / grown("count", step) for step in STEPS if grown("count", step) > 0}
