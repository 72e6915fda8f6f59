#!/usr/bin/env python3
"""Train the baseline churn model that the binary carries.

    rescore synth ...                      two provinces of different seeds
    rescore features export ...            features of each, Parquet
    python3 train.py --train-features A/features --train-labels A/labels \\
                     --test-features B/features --test-labels B/labels \\
                     --model baseline.txt

Features: Parquet (a file, a folder or a glob) with the column msisdn, then one
float64 column a feature, NaN (or null) for missing. Labels: Parquet or CSV with
msisdn and churned (0 or 1). They are joined by msisdn; subscribers without a
label (already gone at the end of the month) are left out, and of rows with the
same number the first is kept.

The model is 100 trees of 31 leaves. The same inputs and versions give the same
text on the same machine whatever its load: one thread, fixed seeds, the
deterministic mode. What describes the machine or the run is left out of the
text. Figures go to standard output as JSON, evaluated on the other seed.

Needs lightgbm, numpy and pyarrow.
"""

import argparse
import glob
import hashlib
import json
import os
import sys

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

PARAMS = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.08,
    "min_data_in_leaf": 200,
    "max_bin": 255,
    "lambda_l2": 1.0,
    "feature_pre_filter": False,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 20150715,
    "verbosity": -1,
}
TREES = 100

# Lines of the parameters section that speak of the machine or the run rather
# than of the model.
MACHINE = {
    "num_threads", "machines", "num_machines", "local_listen_port", "machine_list_filename", "time_out",
    "gpu_platform_id", "gpu_device_id", "gpu_use_dp", "num_gpu", "device_type", "data", "valid", "input_model",
    "output_model", "output_result", "saved_feature_importance_type", "snapshot_freq", "convert_model",
    "convert_model_language", "save_binary", "verbosity", "histogram_pool_size", "force_col_wise",
    "force_row_wise", "pre_partition", "two_round", "forcedsplits_filename", "forcedbins_filename",
    "parser_config_file", "initscore_filename", "valid_data_initscores",
}


def die(message):
    print(f"train.py: {message}", file=sys.stderr)
    sys.exit(1)


def files(path):
    """The files a path stands for, sorted by name."""
    if os.path.isdir(path):
        found = [os.path.join(path, n) for n in os.listdir(path) if n.endswith((".parquet", ".csv"))]
    else:
        found = glob.glob(path)
    if not found:
        die(f"{path}: no Parquet or CSV file there")
    return sorted(found)


def read(path):
    tables = [pa.csv.read_csv(f) if f.endswith(".csv") else pq.read_table(f) for f in files(path)]
    return pa.concat_tables(tables)


def column(table, name, path):
    if name not in table.column_names:
        die(f"{path}: no column {name}; it has {', '.join(table.column_names[:8])} ...")
    return table.column(name)


def load(features, labels):
    """The feature matrix, its names and the labels, joined and in order of number."""
    x, y = read(features), read(labels)
    names = [n for n in x.column_names if n != "msisdn"]
    key = pc.cast(column(x, "msisdn", features), pa.uint64()).fill_null(0).to_numpy()
    known = pc.cast(column(y, "msisdn", labels), pa.uint64()).to_numpy()
    churned = column(y, "churned", labels).to_numpy()
    if len(np.unique(known)) != len(known):
        die(f"{labels}: a number has two labels")
    if not np.isin(churned, (0, 1)).all():
        die(f"{labels}: churned holds something other than 0 and 1")

    order = np.argsort(known)
    known, churned = known[order], churned[order]
    key, first = np.unique(key, return_index=True)  # sorted; the first of equal numbers
    at = np.minimum(np.searchsorted(known, key), len(known) - 1)
    labelled = known[at] == key
    if not labelled.any():
        die(f"no number of {features} has a label in {labels}")
    rows = first[labelled]
    matrix = np.empty((len(rows), len(names)), dtype=np.float64)
    for i, name in enumerate(names):
        values = pc.cast(x.column(name), pa.float64()).fill_null(float("nan")).to_numpy()
        matrix[:, i] = values[rows]
    return matrix, names, churned[at[labelled]].astype(np.int8)


def auc(y, p):
    """Area under the ROC curve, ties counted half."""
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    positive = int(y.sum())
    negative = len(y) - positive
    return float((rank[y == 1].sum() - positive * (positive + 1) / 2.0) / (positive * negative))


def evaluate(y, p):
    """AUC, the lift of the top tenth and how honest the probabilities are."""
    top = np.argsort(-p, kind="stable")[: max(1, len(p) // 10)]
    deciles = np.array_split(np.argsort(-p, kind="stable"), 10)
    return {
        "rows": int(len(y)),
        "churn_rate": float(y.mean()),
        "mean_propensity": float(p.mean()),
        "auc": round(auc(y, p), 5),
        "top_decile_lift": round(float(y[top].mean() / y.mean()), 3),
        "top_decile_recall": round(float(y[top].sum() / y.sum()), 4),
        "calibration": [[round(float(p[d].mean()), 5), round(float(y[d].mean()), 5)] for d in deciles],
    }


def strip(text):
    """The model text without the lines of its parameters that name the machine."""
    out, parameters = [], False
    for line in text.splitlines():
        if line == "parameters:":
            parameters = True
        elif line == "end of parameters":
            parameters = False
        if parameters and line.startswith("[") and line[1:].split(":")[0] in MACHINE:
            continue
        out.append(line)
    return "\n".join(out) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--train-features", required=True, help="features to learn from")
    p.add_argument("--train-labels", required=True)
    p.add_argument("--test-features", required=True, help="features of another seed")
    p.add_argument("--test-labels", required=True)
    p.add_argument("--model", required=True, help="model text to write")
    p.add_argument("--trees", type=int, default=TREES)
    p.add_argument("--auc-min", type=float, default=0.85, help="fail below this AUC on the other seed")
    p.add_argument("--lift-min", type=float, default=3.0, help="fail below this top-decile lift on the other seed")
    a = p.parse_args()

    x, names, y = load(a.train_features, a.train_labels)
    booster = lgb.train(PARAMS, lgb.Dataset(x, label=y, feature_name=names), num_boost_round=a.trees)
    text = strip(booster.model_to_string(num_iteration=-1))
    reread = lgb.Booster(model_str=text)

    other_x, other_names, other_y = load(a.test_features, a.test_labels)
    if other_names != names:
        die("the two exports do not have the same features in the same order")
    train_p = booster.predict(x, num_threads=1)
    if not np.array_equal(train_p, reread.predict(x, num_threads=1)):
        die("the stripped model does not predict what the trained one does")
    test = evaluate(other_y, reread.predict(other_x, num_threads=1))

    with open(a.model, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)
    gain = reread.feature_importance("gain")
    json.dump(
        {
            "model_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "lightgbm": lgb.__version__,
            "trees": reread.num_trees(),
            "features": len(names),
            "train": evaluate(y, train_p),
            "test": test,
            "gain": {names[i]: round(float(gain[i]), 1) for i in np.argsort(-gain, kind="stable")[:20]},
        },
        sys.stdout, indent=2,
    )
    print()
    if test["auc"] < a.auc_min or test["top_decile_lift"] < a.lift_min:
        die(f"not good enough: AUC {test['auc']} (at least {a.auc_min}), lift {test['top_decile_lift']} (at least {a.lift_min})")


if __name__ == "__main__":
    main()
