"""Single measurements by assay_load, and what several of one kind come to."""

import json
import os
import statistics
import subprocess

SERVER_KEY, BY_STREAM = "server-key", "server-key-by-stream"
MODES = {SERVER_KEY: "server key", BY_STREAM: "server key, by stream", "csr": "CSR", "encrypted-nvs": "encrypted NVS",
         "secure-cert": "secure cert"}
# The two ways a line may ask for the same identities: a call each, or over streams as `assay issue` does.
WAYS = {SERVER_KEY: "a call each", BY_STREAM: "by stream"}

# A measurement is called disturbed when other programs, or the host, took more than this of the cores meanwhile.
MOST_FOREIGN = 0.06


def streams_for(arguments):
    """So many that none has more than 64 in flight, and two at least; at a rate four, as calls have connections."""
    if "--in-flight" not in arguments:
        return 4
    return max(2, int(arguments[arguments.index("--in-flight") + 1]) // 64)


class Loader:
    """Asks one service for identities."""

    def __init__(self, sandbox, service):
        self.program = os.path.join(sandbox.bin, "assay_load")
        self.reach = ["--server", service.address, "--tls", os.path.join(sandbox.state, "tls")]
        self.sandbox, self.service = sandbox, service
        self.lots = {}

    def call(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], check=False, text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"assay_load {arguments[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def lot(self, iterations, mode):
        if (iterations, mode) not in self.lots:
            self.lots[iterations, mode] = self.call("lot", *self.reach, "--iterations", iterations, "--mode", mode)["lot"]
        return self.lots[iterations, mode]

    def issue(self, iterations, mode, seconds, *arguments):
        if mode == BY_STREAM:
            mode, arguments = SERVER_KEY, (*arguments, "--streams", streams_for(arguments))
        lot = self.lot(iterations, mode)
        return Window(self.call(
            "issue", *self.reach, "--iterations", iterations, "--mode", mode, "--lot", lot, "--seconds", seconds,
            "--watch", f"assayd={self.service.pid()}", "--watch", f"postgres={self.sandbox.database_pid()}", *arguments))

    def ideal(self, iterations, mode, milliseconds):
        return self.call("ideal", "--iterations", iterations, "--mode", mode, "--milliseconds", milliseconds)

    def idle(self, count):
        """`count` connections that ask nothing more; they end with the process's input."""
        return subprocess.Popen(
            [self.program, "idle", *self.reach, "--lot", self.lot(10000, "server-key"), "--lines", str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Window:
    """What one measurement saw."""

    def __init__(self, told):
        self.seconds, self.issued, self.took = told["seconds"], told["issued"], told["took_ms"]
        self.refused, self.first_refusal = told["refused"], told["first_refusal"]
        self.cpu = told["cpu"]["of"]
        cores = told["seconds"] * os.cpu_count()
        self.steal = told["cpu"]["steal"] / cores
        self.foreign = max(0.0, told["cpu"]["busy"] - sum(self.cpu.values())) / cores
        self.rate = self.issued / self.seconds

    def disturbance(self):
        return self.foreign + self.steal

    def disturbed(self):
        return self.disturbance() > MOST_FOREIGN


def percentile(ascending, share):
    """None where too few were measured to tell."""
    if len(ascending) * (1 - share) < 1:
        return None
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def summary(windows):
    """Of several windows of one kind: the median rate, percentiles of all their calls, microseconds an identity."""
    took = sorted(ms for window in windows for ms in window.took)
    issued = max(1, sum(window.issued for window in windows))
    return {
        "rate": statistics.median(window.rate for window in windows),
        "rates": [round(window.rate, 1) for window in windows],
        "p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99), "p999_ms": percentile(took, 0.999),
        "cpu_us": {name: round(1e6 * sum(window.cpu[name] for window in windows) / issued)
                   for name in ("assayd", "postgres", "client")},
        "foreign": round(max(window.foreign for window in windows), 3),
        "steal": round(max(window.steal for window in windows), 3),
        "disturbed": sum(window.disturbed() for window in windows),
        "refused": sum(window.refused for window in windows),
        "first_refusal": next((window.first_refusal for window in windows if window.first_refusal), ""),
    }
