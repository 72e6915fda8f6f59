#!/usr/bin/env python3
"""Time the whole job in other people's engines and in Rescore, on the same file.

    make bench-job-peers                                builds, measures, prints the table
    python3 cmd/internal/peers/job.py --help

    install ─► base ─► check ─► rounds ─► report
    (a venv)   (synth)  (equal    (in turns)  (Markdown, JSON, docs)
                        to ours)

Like peers.py it needs Python 3.11 or later with venv, and a package index; Spark
needs a Java of 17 or later too. What cannot be had is said by name.

What each is asked for, and leaves out, is in README.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import peers

HERE = peers.HERE

# What each engine needs; without the first there is nothing to compare.
PACKAGES = {
    "LightGBM": ["lightgbm", "numpy", "pyarrow", "scipy"],
    "DuckDB": ["duckdb"],
    "Polars": ["polars"],
    "DataFusion": ["datafusion"],
    "ClickHouse": ["chdb"],
    "Spark": ["pyspark", "pandas"],
}
FLOORS = ["DuckDB copy", "bare read"]


def arguments():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--work", type=Path, default=cache / "rescore-peers", help="folder for the environment, the base and what is written; default %(default)s")
    p.add_argument("--rescore", type=Path, default=peers.ROOT / "bin" / "rescore", help="the binary to measure; default bin/rescore, as make build leaves it")
    p.add_argument("--subscribers", type=int, default=2_000_000, help="size of the synthetic base; default %(default)s")
    p.add_argument("--threads", type=int, default=2, help="threads of every engine and workers of Rescore; default %(default)s")
    p.add_argument("--rounds", type=int, default=5, help="how often each has its turn, after one that warms up; default %(default)s")
    p.add_argument("--only", action="append", metavar="ENGINE", help=f"measure this beside Rescore: {', '.join([*list(PACKAGES)[1:], *FLOORS])}; repeatable")
    p.add_argument("--output", choices=["text", "json"], default="text", help="text is the Markdown table; default %(default)s")
    p.add_argument("--write-docs", action="store_true", help="write the table into docs/benchmarks.md and its Chinese twin too")
    a = p.parse_args()
    if a.rounds < 1 or a.subscribers < 1000 or a.threads < 1:
        p.error("--rounds and --threads are at least 1 and --subscribers at least 1000")
    known = {e.lower(): e for e in [*list(PACKAGES)[1:], *FLOORS]}
    if a.only and (unknown := [e for e in a.only if e.lower() not in known]):
        p.error(f"--only {unknown[0]}: the engines are {', '.join(known.values())}")
    a.only = [known[e.lower()] for e in a.only or known]
    if a.write_docs and len(a.only) < len(known):
        p.error("the pages show every engine: leave --only out of --write-docs")
    a.work, a.rescore = a.work.resolve(), a.rescore.resolve()
    return a


def main():
    a = arguments()
    if not a.rescore.exists():
        sys.exit(f"peers: there is no {a.rescore}: run make build, or name another with --rescore")
    a.work.mkdir(parents=True, exist_ok=True)
    wanted = {k: v for k, v in PACKAGES.items() if k == "LightGBM" or k in a.only or k == "DuckDB" and "DuckDB copy" in a.only}
    python, absent = peers.install(a.work, wanted)
    if "LightGBM" in absent:
        sys.exit("peers: nothing can be compared without LightGBM, numpy and pyarrow")
    if "Spark" in a.only and not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        absent["Spark"] = "there is no Java (apt-get install openjdk-17-jre-headless)"
    if "DuckDB" in absent:
        absent["DuckDB copy"] = absent["DuckDB"]
    plan = {**{k: str(v) if isinstance(v, Path) else v for k, v in vars(a).items()}, "absent": absent, "docs": str(peers.ROOT / "docs")}
    sys.exit(subprocess.run([python, "-B", HERE / "job_rounds.py", json.dumps(plan)]).returncode)


if __name__ == "__main__":
    main()
