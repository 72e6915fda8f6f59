"""The rows: a synthetic base, and the features that rescore works out of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

# The committed baseline model names the 40 features of a usual churn model.
BASELINE = Path(__file__).resolve().parents[3] / "deploy" / "model" / "baseline" / "model.txt"
SEED = 1
TRAIN_MAX = 200_000
HELD_BACK = 4  # one row in so many is kept from the training, to be scored


def names():
    for line in BASELINE.read_text(encoding="utf-8").splitlines():
        if line.startswith("feature_names="):
            return line.split("=", 1)[1].split()
    sys.exit(f"peers: {BASELINE} does not name its features")


def rescore(binary, *args):
    done = subprocess.run([binary, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"peers: rescore {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def make(binary, work, subscribers):
    """The matrix to train on, its labels, and the matrix to score.

    Both are float64, row by row, NaN for missing, rows in the order of the base:
    how well a processor foresees the branches of a tree depends on what row
    comes next, so the order is the one that a job meets.
    """
    province, exported = work / "province", work / "features.parquet"
    exported.unlink(missing_ok=True)
    rescore(binary, "synth", "--out", province, "--subscribers", subscribers, "--seed", SEED, "--clean", "--files", 1, "--force", "--quiet")
    wanted = [w for name in names() for w in ("--feature", name)]
    rescore(binary, "features", "export", province / "job.yaml", "--out", exported, *wanted)

    table = pq.read_table(exported)
    x = np.column_stack([table.column(name).to_numpy() for name in names()]).astype(np.float64)
    label = pq.read_table(province / "labels")
    churned = dict(zip(label.column("msisdn").to_pylist(), label.column("churned").to_pylist()))
    y = np.array([churned.get(n, -1) for n in table.column("msisdn").to_pylist()])

    kept = np.arange(len(x)) % HELD_BACK == HELD_BACK - 1
    train = np.flatnonzero(~kept & (y >= 0))[:TRAIN_MAX]
    return np.ascontiguousarray(x[train]), y[train].astype(np.int8), np.ascontiguousarray(x[kept])


def write_csv(path, rows):
    """The rows as text that gives the same bits back, empty for missing."""
    with open(path, "w", encoding="ascii") as f:
        f.write(",".join(names()) + "\n")
        for row in rows.tolist():
            f.write(",".join("" if v != v else repr(v) for v in row) + "\n")
