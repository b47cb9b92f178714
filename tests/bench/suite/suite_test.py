"""What the benchmark makes of its measurements."""

import os
import tempfile
import unittest

import profile_of
import tables
from measure import Window, percentile, summary
from session import step_times

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
