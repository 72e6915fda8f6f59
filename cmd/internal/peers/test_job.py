import datetime
import itertools
import sqlite3
import unittest

import formula
import job_report

SQLITE = {
    "double": lambda a: f"CAST({a} AS REAL)",
    "lit": lambda v: "NULL" if v is None else str(int(v)) if isinstance(v, bool) else f"'{v}'" if isinstance(v, datetime.date) else repr(v),
    "//": lambda a, b: f"({a} / {b})",
    "year": lambda a: f"CAST(substr({a}, 1, 4) AS INTEGER)", "month": lambda a: f"CAST(substr({a}, 6, 2) AS INTEGER)", "day": lambda a: f"CAST(substr({a}, 9, 2) AS INTEGER)",
    "days": lambda a, d: f"CAST(julianday({a}) - julianday('{d}') AS REAL)",
}

MODEL = ["fee_last", "fee_chg3", "fee_slope", "fee_cv", "out_sec_zero_run", "bill_shock", "tenure", "days_to_contract_end", "trg_3", "data_kb_chg1"]
LAYERS = formula.layers(MODEL)


def evaluate(**row):
    """The last layer over one row of the record, by the SQL engine that Python has."""
    columns = formula.columns(LAYERS)
    assert not set(row) - set(columns), set(row) - set(columns)
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE TABLE base ({', '.join(columns)})")
    db.execute(f"INSERT INTO base VALUES ({', '.join('?' * len(columns))})", [row.get(c) for c in columns])
    cursor = db.execute(formula.query(LAYERS, "base", SQLITE))
    return dict(zip([c[0] for c in cursor.description], cursor.fetchone()))


def months(name, values):
    return {f"{name}_m{k}": v for k, v in enumerate(values)}


class Formula(unittest.TestCase):
    def test_a_fall_of_the_bill_fires_t2_and_its_features_are_those_of_the_rules(self):
        got = evaluate(msisdn=1, **months("fee", [2000, 3000, 4000, 5000, 5000, 5000]))
        self.assertEqual(got["trg_fired"], 2)
        self.assertEqual((got["trg_count"], got["trg_first"], got["arpu3_fen"]), (1, 2, 3000))
        self.assertEqual((got["x_fee_last"], got["x_fee_chg3"], got["x_bill_shock"]), (2000.0, -0.4, 0.0))
        self.assertAlmostEqual(got["x_fee_slope"], self.slope([2000, 3000, 4000, 5000, 5000, 5000]))
        self.assertIsNone(got["x_tenure"])

    @staticmethod
    def slope(newest_first):
        y = list(reversed(newest_first))
        i = range(len(y))
        mi, my = sum(i) / len(y), sum(y) / len(y)
        return sum((a - mi) * (b - my) for a, b in zip(i, y)) / sum((a - mi) ** 2 for a in i) / my

    def test_who_joined_in_the_month_has_no_history(self):
        got = evaluate(msisdn=1, activation_date="2026-10-15", **months("fee", [2000, 3000, 4000, 5000, 5000, 5000]))
        self.assertEqual((got["x_tenure"], got["x_fee_last"], got["x_fee_slope"], got["arpu3_fen"]), (0.0, 2000.0, None, 2000))
        self.assertTrue(got["trg_unknown"] & 2)
        joined = evaluate(msisdn=1, activation_date="2026-08-01", **months("fee", [2000, 3000, 4000, 5000, 5000, 5000]))
        self.assertEqual((joined["x_tenure"], joined["arpu3_fen"]), (3.0, 3000))

    def test_who_is_gone_is_not_judged(self):
        got = evaluate(msisdn=1, status_m0=7, **months("fee", [2000, 3000, 4000, 5000, 5000, 5000]))
        self.assertEqual((got["trg_fired"], got["trg_unknown"], got["x_trg_3"]), (0, 0, 0.0))

    def test_a_mean_bill_is_rounded_half_to_even(self):
        for bills, want in [((1, 2, None), 2), ((2, 3, None), 2), ((1, 1, 2), 1), ((2, 2, 1), 2), ((None, None, None), -1), ((-5, 1, 1), 0), ((7, None, None), 7)]:
            self.assertEqual(evaluate(msisdn=1, **months("fee", bills))["arpu3_fen"], want, bills)

    def test_months_of_usage_are_compared_by_the_day(self):
        got = evaluate(msisdn=1, **months("data_kb", [31_000, 30_000]))
        self.assertEqual(got["x_data_kb_chg1"], 0.0)
        self.assertEqual(formula.PER_DAY, [30, 31, 30, 30, 31, 30])

    def test_silent_months_run_until_one_is_missing(self):
        for seconds, want in itertools.chain([((0, 0, 5, 0, 0, 0), 2.0), ((0,) * 6, 6.0), ((1,), 0.0)], [((0, None, 0), None)]):
            self.assertEqual(evaluate(msisdn=1, **months("out_sec", seconds))["x_out_sec_zero_run"], want, seconds)

    def test_a_feature_nobody_has_written_is_refused_by_name(self):
        with self.assertRaisesRegex(ValueError, "made_up"):
            formula.layers(["fee_last", "made_up"])


def engine(name, seconds, **given):
    return {"engine": name, "seconds": seconds, "seconds_best": seconds / 2, "cpu_seconds": seconds, "peak_bytes": 5e6, "bytes_written": 1e6, "floor": False, "equal": None, **given}


class Report(unittest.TestCase):
    def rows(self, language):
        text = job_report.markdown({
            "date": "2026-01-02 03:04 UTC", "threads": 2, "rounds": 5, "rows": 1000, "subscribers": 1000, "base_bytes": 2e6, "seed": 1, "absent": {"Spark": "there is no Java"},
            "machine": {"cpu": "a processor", "cpus": 2, "virtual": True, "flags": ["avx2"], "others": 0.25, "stolen": None, "load_before": 1, "load_after": 2, "python": "3", "system": "Linux 6"},
            "versions": {"duckdb": "2"}, "rescore": {"version": "v1", "go": "go1"},
            "engines": [engine("Rescore", 0.5, job_seconds=0.4), engine("DuckDB", 5.0, equal={"features": 40, "columns": 11, "rows": 1000}), engine("bare read", 0.25, floor=True)],
        }, language)
        return text, [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]

    def test_ratios_are_to_rescores_median(self):
        text, (head, ours, duckdb, floor) = self.rows("en")
        self.assertEqual(ours[1:6], ["0.500", "0.250", "500 000", "2 000", ""])
        self.assertEqual((duckdb[5], duckdb[9]), ("10.0", "40 features, 11 columns"))
        self.assertEqual((floor[5], floor[9]), ("0.50", "floor"))
        self.assertTrue(all(len(r) == len(head) for r in (ours, duckdb, floor)))
        self.assertIn("there is no Java", text)
        self.assertIn("25.0 %", text)

    def test_both_languages_have_the_same_words(self):
        self.assertEqual(set(job_report.WORDS["en"]), set(job_report.WORDS["zh"]))
        self.assertEqual(len(self.rows("zh")[1]), 4)


if __name__ == "__main__":
    unittest.main()
