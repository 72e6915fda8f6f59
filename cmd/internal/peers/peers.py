#!/usr/bin/env python3
"""Time other people's tree libraries and Rescore, on the same rows and one thread.

    make bench-peers                                   builds, measures, prints the table
    python3 cmd/internal/peers/peers.py --help

    install ─► base ─► train ─► compare ─► report
    (a venv)   (synth,  (in its   (one       (Markdown,
               export)  own       processor, JSON, docs)
                        process)  in turns)

This file needs Python 3.11 or later and its venv module, nothing else: it makes
a virtual environment in the work folder, installs the versions in versions.txt
one peer at a time, and goes on inside. A peer that cannot be installed, or does
not take a model, is said by name, and the rest goes on.

The README beside it says what is measured and what is not.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

# What each peer needs. Without the first there is nothing to train with.
PACKAGES = {
    "LightGBM": ["lightgbm", "scikit-learn", "numpy", "pyarrow"],
    "XGBoost": ["xgboost"],
    "lleaves": ["lleaves"],
    "TL2cgen": ["tl2cgen", "treelite"],
    "ONNX Runtime": ["onnxruntime", "onnxmltools", "skl2onnx"],
    "CatBoost": ["catboost"],
}


def arguments():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--work", type=Path, default=cache / "rescore-peers", help="folder for the environment, the base and the models; default %(default)s")
    p.add_argument("--rescore", type=Path, default=ROOT / "bin" / "rescore", help="the binary to measure; default bin/rescore, as make build leaves it")
    p.add_argument("--subscribers", type=int, default=300_000, help="size of the synthetic base; default %(default)s")
    p.add_argument("--rounds", type=int, default=5, help="how often each scorer has its turn; default %(default)s")
    p.add_argument("--only", action="append", metavar="SIZE", help="measure this size only, as 100x31; repeatable")
    p.add_argument("--output", choices=["text", "json"], default="text", help="text is the Markdown table; default %(default)s")
    p.add_argument("--write-docs", action="store_true", help="write the table into docs/benchmarks.md and its Chinese twin too")
    a = p.parse_args()
    if a.rounds < 1 or a.subscribers < 100_000:
        p.error("--rounds is at least 1 and --subscribers at least 100000")
    if a.write_docs and a.only:
        p.error("the pages show every size: leave --only out of --write-docs")
    a.work, a.rescore = a.work.resolve(), a.rescore.resolve()
    return a


def say(message):
    print(f"peers: {message}", file=sys.stderr, flush=True)


def install(work, wanted=PACKAGES):
    """Make the environment; return its python and why each peer that is absent is."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        say(f"making {work / 'venv'}")
        venv.create(work / "venv", with_pip=True)
    absent = {}
    for peer, packages in wanted.items():
        say(f"installing {peer}")
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", HERE / "versions.txt", *packages],
            stdout=sys.stderr, stderr=subprocess.PIPE, text=True,
        )
        if done.returncode != 0:
            reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or [f"pip ended with {done.returncode}"]
            absent[peer] = reasons[0].removeprefix("ERROR: ")
            say(f"{peer} is left out: {absent[peer]}")
    return python, absent


def main():
    a = arguments()
    if not a.rescore.exists():
        sys.exit(f"peers: there is no {a.rescore}: run make build, or name another with --rescore")
    a.work.mkdir(parents=True, exist_ok=True)
    python, absent = install(a.work)
    if "LightGBM" in absent:
        sys.exit("peers: nothing can be trained without LightGBM, numpy and pyarrow")
    plan = {**{k: str(v) if isinstance(v, Path) else v for k, v in vars(a).items()}, "absent": absent, "docs": str(ROOT / "docs")}
    # One thread each, and none that spins while another has its turn. The
    # libraries read this when they are loaded.
    quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    sys.exit(subprocess.run([python, "-B", HERE / "compare.py", json.dumps(plan)], env={**os.environ, **quiet}).returncode)


if __name__ == "__main__":
    main()
