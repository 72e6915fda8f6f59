"""Compares a published version with a second reference, in another style.

    rescore synth --out province --subscribers 1000000
    rescore run province/job.yaml
    python3 deploy/reference/reference.py province/base province/out/month=202610/version=...

The rules stand in reference.sql, written from the rules' text and run by
DuckDB; their thresholds come from the version's own manifest. All fourteen
triggers (fired and unknown), the three kinds of churn and the decision must
agree for every subscriber; the exit status is 1 if one does not. Differences
are counted by column; no number is printed.

The propensity is the published one: models are compared elsewhere, with the
libraries that trained them. Needs Python 3 with duckdb.

Synthetic subscribers are tidy. A base with one value in twelve missing and one
in twelve somebody else's asks more:

    python3 deploy/reference/reference.py --punch province/base punched/base
"""

import calendar
import json
import pathlib
import re
import sys

import duckdb

HOLDOUT_SALT = 0x686F6C646F757431  # "holdout1": keeps this draw apart from others
HERE = pathlib.Path(__file__).parent


def literal(value):
    """Writes a job file's value as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def compare(base, version):
    manifest = json.loads((version / "_MANIFEST.json").read_text())
    spec = manifest["spec"]
    month = spec["month"]
    last = calendar.monthrange(month // 100, month % 100)[1]
    named = {**spec["rules"], **spec["policy"]}
    named["holdout_key"] = (spec["policy"]["holdout_seed"] + HOLDOUT_SALT) % 2**64
    constants = {k: literal(v) for k, v in named.items() if not isinstance(v, dict)}
    constants["asof"] = f"DATE '{month // 100}-{month % 100:02}-{last}'"
    constants["holdout_key"] += "::UBIGINT"

    db = duckdb.connect()
    db.execute(f"CREATE VIEW published AS FROM read_parquet('{version}/*.parquet')")
    # Each number once: copies of a row are duplicates, other numbers are not scored.
    db.execute(f"""CREATE TABLE base AS
        SELECT * EXCLUDE n FROM (SELECT *, row_number() OVER (PARTITION BY msisdn) AS n FROM read_parquet('{base}/*.parquet'))
        WHERE n = 1 AND msisdn BETWEEN 13000000000 AND 19999999999""")
    text = (HERE / "reference.sql").read_text()
    text = re.sub(r"\$(\w+)", lambda name: constants[name[1]], re.sub(r"--.*", "", text))
    db.execute(text)

    gone = "state IN (6, 7)"
    triggers = ", ".join(f"t{t}" for t in range(1, 15))
    unknown = ", ".join(f"t{t} IS NULL" for t in range(1, 15))
    db.execute(f"""CREATE TABLE answer AS SELECT msisdn, decision,
        CASE WHEN {gone} THEN 0 ELSE bits([{triggers}]) END AS fired,
        CASE WHEN {gone} THEN 0 ELSE bits([{unknown}]) END AS unknown,
        kind, kind_unknown
        FROM decided JOIN kinds USING (msisdn)""")

    ours = db.execute("SELECT count(*) FROM published").fetchone()[0]
    both = db.execute("SELECT count(*) FROM published JOIN answer USING (msisdn)").fetchone()[0]
    theirs = db.execute("SELECT count(*) FROM answer").fetchone()[0]
    print(f"{ours} published, {theirs} in the reference, {both} in both")
    differ = ours != both or theirs != both or both == 0

    columns = [("decision", "decision", "retain_decision", None)]
    for t in range(1, 15):
        columns.append((f"T{t} fired", "fired", "trg_fired", t - 1))
        columns.append((f"T{t} unknown", "unknown", "trg_unknown", t - 1))
    for k, name in enumerate(("switch", "brand down", "arpu down")):
        columns.append((name, "kind", "churn_kind", k))
        columns.append((name + " unknown", "kind_unknown", "churn_kind_unknown", k))
    for name, mine, published, bit in columns:
        a, b = f"a.{mine}", f"p.{published}"
        if bit is not None:
            a, b = f"({a} >> {bit}) & 1", f"({b}::BIGINT >> {bit}) & 1"
        wrong, holds = db.execute(f"""SELECT count(*) FILTER ({a} IS DISTINCT FROM {b}), count(*) FILTER ({b} <> 0)
            FROM published p JOIN answer a USING (msisdn)""").fetchone()
        differ |= wrong > 0
        print(f"{name:22} {holds:9} published, {wrong:7} differ")
    return differ


def punch(base, out):
    out.mkdir(parents=True)
    db = duckdb.connect()
    rows = f"read_parquet('{base}/*.parquet')"
    columns = ["msisdn"]
    for (name, *_) in db.execute(f"DESCRIBE FROM {rows}").fetchall():
        if name != "msisdn":
            dice = f"hash(msisdn, '{name}') % 12"
            columns.append(f"CASE {dice} WHEN 0 THEN NULL WHEN 1 THEN lag({name}, 7) OVER w ELSE {name} END AS {name}")
    db.execute(f"""COPY (SELECT {', '.join(columns)}
        FROM (SELECT *, row_number() OVER (PARTITION BY msisdn) AS n FROM {rows})
        WHERE n = 1 AND msisdn BETWEEN 13000000000 AND 19999999999
        WINDOW w AS (ORDER BY msisdn) ORDER BY msisdn) TO '{out}/part-00000.parquet' (ROW_GROUP_SIZE 100000)""")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--punch":
        sys.exit(punch(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])))
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(compare(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
