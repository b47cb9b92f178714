"""What the benchmark makes of its measurements."""

import os
import tempfile
import unittest
from types import SimpleNamespace

import profile_of
import tables
from measure import BY_STREAM, SERVER_KEY, Loader, Window, percentile, streams_for, summary
from plan import FULL, QUICK
from session import Session, check_room, disk_under, step_times

SCRIPT = """
        55d0 assay::matter::(anonymous namespace)::Lanes::Run()+0x12 (/x/bin/assayd)
        55d1 assay::matter::DeriveKeys(std::span<assay::matter::Pbkdf2Job const, 5ul>)+0x1 (/x/bin/assayd)
        55d2 assay::issue::Pipeline::Impl::BuildBatch(std::vector<std::shared_ptr<assay::issue::Work> >)+0x9 (/x/bin/assayd)
        7f01 [unknown] (/usr/lib/libstdc++.so.6)

        55d3 SSL_write+0x1 (/usr/lib/libssl.so.3)
        7f02 grpc_endpoint_write+0x1 (/usr/lib/libgrpc.so.29)

""".splitlines(keepends=True)


def window(issued, seconds=1.0, busy=None, steal=0.0, took=()):
    used = {"assayd": 0.5, "postgres": 0.2, "client": 0.1}
    return Window({"seconds": seconds, "issued": issued, "took_ms": list(took), "refused": 0, "first_refusal": "",
                   "cpu": {"of": used, "busy": 0.8 if busy is None else busy, "idle": 0, "steal": steal}})


class SuiteTest(unittest.TestCase):
    def test_a_percentile_of_too_few_calls_is_not_told(self):
        self.assertEqual(percentile(list(range(1000)), 0.99), 990)
        self.assertEqual(percentile(list(range(1000)), 0.999), 999)
        self.assertIsNone(percentile(list(range(999)), 0.999))
        self.assertIsNone(percentile([], 0.5))

    def test_a_disk_without_room_is_told_before_anything_is_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            check_room(folder, 0)
            with self.assertRaisesRegex(RuntimeError, "wants 1000000 "):
                check_room(folder, 1000000)

    def test_the_rate_is_the_middle_round_and_the_latencies_are_of_all(self):
        seen = summary([window(100, took=[1, 2]), window(10, took=[9]), window(90, took=[3])])
        self.assertEqual(seen["rate"], 90)
        self.assertEqual(seen["p50_ms"], 3)
        self.assertEqual(seen["cpu_us"]["assayd"], 7500)

    def test_what_others_used_marks_a_window(self):
        cores = os.cpu_count()
        self.assertFalse(window(1, busy=0.8).disturbed())
        self.assertTrue(window(1, busy=0.8 + 0.1 * cores).disturbed())
        self.assertTrue(window(1, steal=0.1 * cores).disturbed())

    def test_a_stream_has_no_more_in_flight_than_the_service_reads(self):
        self.assertEqual([streams_for(("--in-flight", flight)) for flight in (1, 64, 128, 256)], [2, 2, 2, 4])
        self.assertEqual(streams_for(("--rate", 900.0, "--evenly")), 4)

    def test_what_is_asked_by_stream_is_a_server_key_asked_over_streams(self):
        asked = []

        class Recorded(Loader):
            def __init__(self):
                self.reach, self.lots = [], {(1000, SERVER_KEY): "a-lot"}
                self.service = self.sandbox = type("Beside", (), {"pid": lambda _: 1, "database_pid": lambda _: 2})()

            def call(self, *arguments):
                asked.append(arguments)
                return vars(window(1)) | {"took_ms": [], "cpu": {"of": {}, "busy": 0, "steal": 0}}

        Recorded().issue(1000, BY_STREAM, 2, "--in-flight", 256)
        self.assertEqual(asked[0][asked[0].index("--mode") + 1], SERVER_KEY)
        self.assertEqual(asked[0][-4:], ("--in-flight", 256, "--streams", 4))

    def test_each_cell_by_stream_follows_one_by_calls_whose_ideal_it_has(self):
        for plan in (QUICK, FULL):
            modes = [(iterations, mode) for iterations, mode, _ in plan.cells]
            for iterations in (1000, 10000, 100000):
                self.assertEqual(modes.index((iterations, BY_STREAM)), modes.index((iterations, SERVER_KEY)) + 1)

    def test_the_better_way_of_asking_counts_for_a_bar(self):
        session = Session(QUICK, None, None)
        session.result = {
            "rates": [{"iterations": 1000, "mode": mode, "of_ideal": ratio, "of_openssl": 1}
                      for mode, ratio in ((SERVER_KEY, 0.2), (BY_STREAM, 0.3), ("csr", 0.9))],
            "steady": [{"iterations": 1000, "mode": mode, "arrivals": arrivals, "p99_ms": p99}
                       for mode, arrivals, p99 in ((SERVER_KEY, "by chance", 60), (BY_STREAM, "by chance", 45),
                                                   (BY_STREAM, "evenly", 5))],
            "memory": {"highest_mib": 100, "idle_and_load_mib": 120}}
        bars = {bar["what"]: bar for bar in session.bars()}
        self.assertEqual(bars["1,000 iterations: rate to the ideal"]["value"], 0.3)
        self.assertEqual(bars["1,000 iterations: p99 at 70 % load"]["value"], 45)
        self.assertTrue(bars["1,000 iterations: p99 at 70 % load"]["met"])

    def test_seventy_percent_is_of_the_peak_right_before(self):
        session = Session(QUICK, None, None)
        session.result = {"rates": [{"iterations": 1000, "mode": SERVER_KEY, "in_flight": flight, "rate": rate}
                                    for flight, rate in ((64, 900), (256, 1000))]}
        asked = []

        def issue(_, __, ___, *arguments):
            asked.append(arguments)
            return window(500, took=[1] * 500)
        session.load = SimpleNamespace(issue=issue)
        session.say = lambda _: None
        row = session.steady_row(1000, SERVER_KEY, "evenly", ("--evenly",))
        self.assertEqual(asked, [("--in-flight", 256), ("--rate", 350.0, "--evenly")])
        self.assertEqual(row["asked"], 350.0)

    def test_the_disk_is_told_as_linux_takes_it(self):
        self.assertIn("a spinning one and lets data hold up a flush of the WAL for 75 ms",
                      tables.disk({"disk": {"spins": True, "flush_delay_ms": 75.0}}))
        self.assertIn("no spinning one and lets data hold up a flush of the WAL for as long as it takes",
                      tables.disk({"disk": {"spins": False, "flush_delay_ms": 0.0}}))  # 0 turns the throttling off
        self.assertIn("not known", tables.disk({"disk": None}))

    def test_a_disk_and_a_part_of_one_are_looked_up_by_their_number(self):
        with tempfile.TemporaryDirectory() as blocks:
            device = os.stat(blocks).st_dev
            self.assertIsNone(disk_under(blocks, blocks))
            for queue in (os.path.join(blocks, "queue"),  # of the disk that the part lies in
                          os.path.join(blocks, f"{os.major(device)}:{os.minor(device)}", "queue")):
                os.makedirs(queue)
                os.makedirs(os.path.join(blocks, f"{os.major(device)}:{os.minor(device)}"), exist_ok=True)
                for name, content in (("rotational", "1\n"), ("wbt_lat_usec", "75000\n")):
                    with open(os.path.join(queue, name), "w", encoding="utf-8") as file:
                        file.write(content)
                self.assertEqual(disk_under(blocks, blocks), {"spins": True, "flush_delay_ms": 75.0})

    def test_stacks_are_folded_and_given_to_their_part(self):
        samples = profile_of.fold(SCRIPT)
        self.assertEqual(samples.total(), 2)
        self.assertIn("issue::Pipeline::Impl::BuildBatch", {frame for stack in samples.stacks for frame in stack})
        self.assertEqual(profile_of.shares(samples), {"PBKDF2": 0.5, "gRPC, TLS, replies": 0.5})

    def test_the_picture_names_what_is_wide_enough(self):
        picture = profile_of.draw(profile_of.fold(SCRIPT), "a <title>")
        self.assertIn("a &lt;title&gt;", picture)
        self.assertIn("<title>grpc_endpoint_write: 50.0%</title>", picture)
        self.assertNotIn("std::vector", picture)

    def test_a_step_is_as_long_as_it_grew(self):
        key = ("assay_issue_step_seconds_sum", 'step="seal"'), ("assay_issue_step_seconds_count", 'step="seal"')
        self.assertEqual(step_times({key[0]: 1.0, key[1]: 10}, {key[0]: 3.0, key[1]: 20}), {"seal": 200.0})

    def test_figures_replace_what_stood_between_the_marks_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.md")
            with open(page, "w", encoding="utf-8") as file:
                file.write(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
            tables.put_between_marks(page, "new\n")
            with open(page, encoding="utf-8") as file:
                self.assertEqual(file.read(), f"before\n{tables.BEGIN}\n\nnew\n\n{tables.END}\nafter\n")
            with open(page, "w", encoding="utf-8") as file:
                file.write("no marks")
            self.assertRaises(RuntimeError, tables.put_between_marks, page, "new")


if __name__ == "__main__":
    unittest.main()
