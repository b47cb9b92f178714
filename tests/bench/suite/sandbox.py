"""A sandbox of its own: the service as deploy/quickstart makes it, with SoftHSM, PostgreSQL and mutual TLS."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request


class Service:
    """One assayd of the sandbox, with a configuration of its own."""

    def __init__(self, sandbox, config):
        self.sandbox = sandbox
        self.config = config
        self.started = None  # the process, where it was started here and not by the quickstart
        with open(config, encoding="utf-8") as file:
            addresses = re.findall(r"^ *listen: *(\S+)", file.read(), re.MULTILINE)
        self.address, self.metrics_address = addresses[:2]

    def pid(self):
        return self.started.pid if self.started else self.sandbox.quickstart_pid()

    def stop(self):
        if self.started:
            self.started.terminate()
            self.started.wait(60)
            self.started = None
        elif pid := self.sandbox.quickstart_pid():
            os.kill(pid, signal.SIGTERM)
            while self.sandbox.quickstart_pid():
                time.sleep(0.05)

    def start(self, environment=None):
        with open(os.path.join(self.sandbox.state, "log", "bench.log"), "ab") as log:
            self.started = subprocess.Popen(
                [os.path.join(self.sandbox.bin, "assayd"), "--config", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**self.sandbox.environment(), **(environment or {})})
        for _ in range(600):
            if self.started.poll() is not None:
                raise RuntimeError(f"assayd ended; its log is {log.name}")
            try:
                if self.get("/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError("assayd was not ready after a minute")

    def get(self, path):
        return urllib.request.urlopen(f"http://{self.metrics_address}{path}", timeout=10)

    def figures(self):
        """Its metrics: {(name, labels as written): value}."""
        read = {}
        for line in self.get("/metrics").read().decode().splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if found:
                read[found[1], found[2] or ""] = float(found[3])
        return read

    def memory(self, field="VmRSS"):
        """MiB resident now, or with VmHWM at most so far."""
        with open(f"/proc/{self.pid()}/status", encoding="utf-8") as file:
            return int(re.search(rf"^{field}:\s*(\d+) kB", file.read(), re.MULTILINE)[1]) / 1024


class Sandbox:
    def __init__(self, source, bin_folder):
        self.source = source
        self.bin = bin_folder
        self.state = tempfile.mkdtemp(prefix="assay-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.state, 0o711)
        self.services = []

    def environment(self):
        return {**os.environ, "SOFTHSM2_CONF": os.path.join(self.state, "hsm", "softhsm2.conf")}

    def quickstart(self, verb):
        done = subprocess.run(
            [os.path.join(self.source, "deploy", "quickstart"), verb], check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "ASSAY_STATE": self.state, "ASSAY_BIN": self.bin, "ASSAY_DEVICES": "0",
                 "ASSAY_SKIP_PACKAGES": "1"})
        if done.returncode != 0:
            raise RuntimeError(done.stdout)

    def open(self):
        self.quickstart("up")
        main = Service(self, os.path.join(self.state, "assayd.yaml"))
        self.services = [main]
        return main

    def close(self):
        for service in self.services:
            service.stop()
        try:
            self.quickstart("reset")
        except RuntimeError as error:  # what was to be said has been said; this must not hide it
            print(f"tests/bench/run: {self.state} could not be taken down in order: {error}", file=sys.stderr)
        shutil.rmtree(self.state, ignore_errors=True)

    def quickstart_pid(self):
        try:
            with open(os.path.join(self.state, "assayd.pid"), encoding="utf-8") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                gone = file.read().rsplit(")", 1)[1].split()[0] == "Z"
            return None if gone or "assayd" not in os.readlink(f"/proc/{pid}/exe") else pid
        except (OSError, ValueError):
            return None

    def database_folder(self):
        with open(os.path.join(self.state, "database-folder"), encoding="utf-8") as file:
            return file.read().strip()

    def database_pid(self):
        with open(os.path.join(self.database_folder(), "cluster", "postmaster.pid"), encoding="utf-8") as file:
            return int(file.readline())

    def sql(self, database, text, **variables):
        """Runs `text` as the superuser; its answer as text."""
        folder = self.database_folder()
        with open(os.path.join(folder, "superuser.password"), encoding="utf-8") as file:
            password = file.read().strip()
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        named = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
        done = subprocess.run(
            [*drop, "psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", *named,
             "-h", os.path.join(folder, "run"), "-U", "postgres", "-d", database],
            input=text, check=False, text=True, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PGPASSWORD": password})
        if done.returncode != 0:
            raise RuntimeError(done.stdout)
        return done.stdout.strip()

    def beside(self, database):
        """A service like the first, stopped, on a copy of its database. No connection may be open to that."""
        self.sql("postgres", f"CREATE DATABASE {database} TEMPLATE assay OWNER assay")
        with open(self.services[0].config, encoding="utf-8") as file:
            text = file.read()
        step = 10 * len(self.services)
        text = re.sub(r"^( *listen: *\S+:)(\d+)", lambda found: f"{found[1]}{int(found[2]) + step}", text,
                      flags=re.MULTILINE)
        config = os.path.join(self.state, f"assayd-{database}.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text.replace("dbname=assay", f"dbname={database}"))
        service = Service(self, config)
        self.services.append(service)
        return service
