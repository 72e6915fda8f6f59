import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import report


def scorer(name, median, **given):
    return {"scorer": name, "input": "float64 matrix", "ns_median": median, "ns_best": median / 2, "rounds": [median],
            "largest_difference": None, "rows_unequal": None, "of_probabilities": False, **given}


def result():
    return {
        "date": "2026-01-02 03:04 UTC", "rounds": 5, "absent": {"lleaves": "no wheel"},
        "versions": {"lightgbm": "4.0"}, "gcc": None, "rescore": {"version": "v1", "go": "go1"},
        "base": {"trained_on": 10, "features": 2, "seed": 1, "subscribers": 20},
        "machine": {"cpu": "a processor", "family": "6", "model": "1", "stepping": "0", "mhz": "1000", "cache": "1 KB", "cpus": 2, "virtual": True,
                    "flags": ["avx2"], "governor": None, "system": "Linux 6", "python": "3", "load_before": 0.1, "load_after": 1.0, "others": 0.25, "stolen": None},
        "models": [
            {"library": "LightGBM", "trees": 500, "leaves": 64, "rows": 16, "scorers": [
                scorer("LightGBM predict", 5000, largest_difference=0.0, rows_unequal=0), scorer("Rescore avx512", 50), scorer("Rescore go", 500)]},
            {"library": "CatBoost", "trees": 500, "leaves": 64, "rows": 16, "scorers": [scorer("CatBoost predict", 600)]},
        ],
    }


class Report(unittest.TestCase):
    def rows(self, language="en"):
        lines = report.markdown(result(), language).splitlines()
        return [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]

    def test_ratios_are_to_rescores_medians_on_the_same_model(self):
        head, *rows = self.rows()
        peer = next(r for r in rows if r[1] == "LightGBM predict")
        self.assertEqual(peer[3:], ["5 000", "2 500", "100", "", "10.0", "0", "0"])
        self.assertTrue(all(len(r) == len(head) for r in rows))

    def test_catboost_is_held_against_lightgbm_of_its_size(self):
        peer = next(r for r in self.rows() if r[1] == "CatBoost predict")
        self.assertEqual(peer[5:8], ["12.0", "", "1.20"])

    def test_both_languages_have_the_same_figures(self):
        self.assertEqual([r[3:] for r in self.rows("en")[1:]], [r[3:] for r in self.rows("zh")[1:]])

    def test_who_is_absent_is_named_with_the_reason(self):
        for language in report.WORDS:
            self.assertIn("lleaves (`no wheel`)", report.markdown(result(), language).replace("（", " (").replace("）", ")"))

    def test_writing_changes_what_is_between_the_marks_alone_and_can_be_repeated(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(f"head\n\n{report.BEGIN}\nold\n{report.END}\n\ntail\n", encoding="utf-8")
            for text in ("first", "second", "second"):
                report.write(page, text)
            self.assertEqual(page.read_text(encoding="utf-8"), f"head\n\n{report.BEGIN}\n\nsecond\n\n{report.END}\n\ntail\n")

    def test_a_page_without_its_marks_is_refused_and_left(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            for text in ("", report.BEGIN, report.END + report.BEGIN, report.BEGIN * 2 + report.END):
                page.write_text(text, encoding="utf-8")
                with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                    report.write(page, "new")
                self.assertEqual(page.read_text(encoding="utf-8"), text)


if __name__ == "__main__":
    unittest.main()
