"""The benchmark's command line; tests/bench/run builds what it needs and calls it."""

import argparse
import dataclasses
import json
import os
import signal
import sys

import tables
from plan import FULL, QUICK
from sandbox import Sandbox
from session import Session


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/bench/run",
        description="How many identities a second the whole service gives on this machine, everything real, beside what the "
                    "cryptography alone would allow. docs/performance.md explains the tables.",
        epilog="example: tests/bench/run --full --docs")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="about three minutes (default)")
    form.add_argument("--full", action="store_true", help="every mode at 1, 8, 64 and 256 in flight in three rounds, the whole "
                                                          "OpenSSL path, and a database of a million devices: half an hour")
    parser.add_argument("--seconds", type=float, help="length of one measurement")
    parser.add_argument("--rows", type=int, help="devices in the larger database; 0 leaves that part out")
    parser.add_argument("--json", metavar="FILE", help="the figures for programs; - prints them instead of the tables")
    parser.add_argument("--again", metavar="FILE", help="measure nothing: tables (and --docs) of what --json FILE kept")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md, between its marks, "
                                                            "and the flame graphs beside it")
    parser.add_argument("--flames", metavar="FOLDER", help="write a flame graph of assayd for each iteration count")
    return parser.parse_args()


def plan_of(asked):
    plan = FULL if asked.full else QUICK
    if asked.seconds:
        plan = dataclasses.replace(plan, seconds=asked.seconds, openssl_seconds=asked.seconds, steady_seconds=asked.seconds,
                                   row_seconds=asked.seconds, profile_seconds=asked.seconds)
    if asked.rows is not None:
        plan = dataclasses.replace(plan, rows=asked.rows, row_pairs=plan.row_pairs or 3, row_seconds=plan.row_seconds or plan.seconds)
    return plan


def measure(asked, source, flames):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what was started is ended in any case
    sandbox = Sandbox(source, os.environ["ASSAY_BIN"])
    try:
        return Session(plan_of(asked), sandbox, flames).run()
    except RuntimeError as error:
        sys.exit(f"tests/bench/run: {error}")
    finally:
        sandbox.close()


def main():
    asked = arguments()
    source = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    docs = os.path.join(source, "docs")
    if asked.again:
        with open(asked.again, encoding="utf-8") as file:
            result = json.load(file)
    else:
        result = measure(asked, source, docs if asked.docs else asked.flames)
    if asked.json and asked.json != "-":
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    if asked.json == "-":
        print(json.dumps(result, indent=1))
    else:
        print("\n" + tables.report(result))
    if asked.docs:
        pictures = [(f"Flame graph of assayd at {int(count):,} iterations", f"flame-{count}.svg")
                    for count in result["parts"] if os.path.exists(os.path.join(docs, f"flame-{count}.svg"))]
        tables.put_between_marks(os.path.join(docs, "performance.md"), tables.report(result, pictures))


if __name__ == "__main__":
    main()
