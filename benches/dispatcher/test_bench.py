"""What is said of figures: when a must counts as missed, and that tables and chart say it. Run by tests/scale.rs."""
import tempfile
import types
import unittest
import xml.etree.ElementTree as xml

import bench

BETTER, WORSE = "none, jobs 1, against S", "peak memory, 10,000 pending, MiB"


def one_round(share=None, peak=None):
    figures = {}
    if share is not None:
        figures.update({"S": {"ms": share}, "none, jobs 1": {"ms": 1.0, "growth_bytes": 1024}})
    if peak is not None:
        figures["10,000 pending"] = {"peak_mib": peak}
    return figures


def row_of(rounds, what):
    return next(row for row in bench.judged(rounds) if row["what"] == what)


class Judged(unittest.TestCase):
    def missed(self, what, values):
        key = "share" if what == BETTER else "peak"
        return row_of([one_round(**{key: value}) for value in values], what)["missed"]

    def test_a_must_is_missed_by_more_than_a_tenth_in_two_of_three_rounds(self):
        must = row_of([one_round(share=1)], BETTER)["must"]
        just, less = must * 0.901, must * 0.899
        for values, missed in [
            ([just], False), ([less], True), ([less, just, just], False), ([less, less, just], True), ([less, just], False),
            ([less, less, less, just, just], False), ([less, less, less, less, just], True), ([less, 9, 9], False),
        ]:
            self.assertEqual(self.missed(BETTER, values), missed, values)
        must = row_of([one_round(peak=1)], WORSE)["must"]
        just, more = must * 1.099, must * 1.101
        for values, missed in [([just], False), ([more], True), ([more, more, just], True), ([more, just, just], False), ([more, 0.1, 0.1], False)]:
            self.assertEqual(self.missed(WORSE, values), missed, values)

    def test_what_was_not_measured_is_said_and_not_judged(self):
        row = row_of([one_round(share=1)], WORSE)
        self.assertNotIn("missed", row)
        self.assertEqual(bench.word_on(row), "not measured")
        # Measured in one round of three, that one round counts.
        self.assertTrue(row_of([one_round(), one_round(), one_round(peak=1000)], WORSE)["missed"])

    def test_words_go_by_the_median(self):
        must, goal = (row_of([one_round(share=1)], BETTER)[key] for key in ("must", "goal"))
        words = [(goal, "goal"), (must, "must"), (must * 0.95, "within a tenth"), (must * 0.5, "MISSED")]
        for value, word in words:
            self.assertEqual(bench.word_on(row_of([one_round(share=value)] * 3, BETTER)), word)


class Shown(unittest.TestCase):
    def test_tables_replace_what_stands_between_their_marks_and_nothing_else(self):
        rounds = [one_round(share=0.6, peak=40), one_round(share=0.7, peak=50)]
        rounds[0]["full: another request"] = rounds[1]["full: another request"] = {"ms": 2.0}
        options = types.SimpleNamespace(rounds=2, size=0.1)
        found = bench.sections(rounds[0], bench.judged(rounds), options, bench.DEFAULT_PARTS + ["scale"])
        self.assertEqual(list(found), ["targets", "figures", "scale"])
        self.assertIn("| none, jobs 1, against S | **0.65** | 0.6 to 0.7 | 0.55 | 0.75 | must |", found["targets"])
        self.assertNotIn("another request", found["figures"])
        self.assertEqual(list(bench.sections(rounds[0], bench.judged(rounds), options, ["watch", "scale"])), ["scale"])
        page = "a\n<!-- bench:scale -->\nold\n<!-- /bench:scale -->\nz\n"
        self.assertEqual(bench.written_into(page, {"scale": "new"}), page.replace("old", "new"))
        with self.assertRaises(ValueError):
            bench.written_into(page, {"targets": "new"})

    def test_the_page_has_the_marks(self):
        with open(f"{bench.HERE}/../../docs/performance.md") as page:
            bench.written_into(page.read(), {"targets": "", "figures": "", "scale": ""})

    def test_the_chart_has_a_bar_for_each_measured_figure(self):
        with tempfile.NamedTemporaryFile(suffix=".svg") as file:
            bench.chart(bench.judged([one_round(share=0.1, peak=1)]), file.name)
            bars = [it for it in xml.parse(file.name).iter() if it.get("height") == "16"]
        self.assertEqual([(bar.get("class"), int(bar.get("width")) > 0) for bar in bars], [("m", True), ("o", True), ("o", True)])


if __name__ == "__main__":
    unittest.main()
