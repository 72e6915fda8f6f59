#!/usr/bin/env python3
"""Trains and judges the models of the two real data sets beside this script.

    make build
    python3 deploy/example/train.py train smobile    # writes smobile/model.txt
    python3 deploy/example/train.py judge smobile    # runs the job, prints AUC and lift

Training reads what `rescore features export` writes, so a model sees exactly the
values it will be scored on. Judging runs the job and looks at the published
propensity of rows that training never saw. Needs lightgbm, pandas and pyarrow.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import lightgbm as lgb
import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = ROOT.parent / "shared" / "data" / "churn"
BINARY = ROOT / "bin" / "rescore"


def smobile():
    """Labels, rows to train on, and the held-back rows by name."""
    d = pd.read_parquet(DATA / "smobile_69000" / "s_mobile.parquet", columns=["churn", "training"])
    label = (d.churn == "yes").to_numpy()
    return label, (d.training == 1).to_numpy(), {
        "test sample, 11700 rows, half churners": (d.training == 0).to_numpy(),
        "representative sample, 30000 rows at the true base rate": d.training.isna().to_numpy(),
    }


def prepaid():
    """Churn: no calls in or out and no data in month 9."""
    d = pd.read_csv(DATA / "prepaid_4months_1000" / "telecom_churn_data.csv")
    month9 = d[["total_ic_mou_9", "total_og_mou_9", "vol_2g_mb_9", "vol_3g_mb_9"]].fillna(0)
    label = (month9.sum(axis=1) == 0).to_numpy()
    held = np.arange(len(d)) % 10 < 3
    recharge = d[["total_rech_amt_6", "total_rech_amt_7"]].mean(axis=1)
    high = (recharge >= recharge.quantile(0.7)).to_numpy()
    return label, ~held, {"held back, 300 rows": held, "of them high value": held & high}


# name: data, first made-up number, model features (None: every one), LightGBM
JOBS = {
    "smobile": (smobile, 17600000000, [
        "changer", "changem", "revenue", "mou", "overage", "roam", "conference", "months", "uniqsubs", "custcare", "retcalls",
        "dropvce", "eqpdays", "refurb", "smartphone", "highcreditr", "mcycle", "car", "travel", "region", "occupation",
    ], dict(num_leaves=15, learning_rate=0.08, min_data_in_leaf=50), 150, ["region", "occupation"]),
    "prepaid": (prepaid, 17700000000, None, dict(
        num_leaves=7, learning_rate=0.05, min_data_in_leaf=15, feature_fraction=0.3, bagging_fraction=0.8, bagging_freq=1, lambda_l2=5.0,
    ), 120, []),
}


def auc(label, score):
    rank = pd.Series(score).rank().to_numpy()
    positives = label.sum()
    return (rank[label].sum() - positives * (positives + 1) / 2) / (positives * (len(label) - positives))


def lift(label, score):
    """Churn rate among the tenth with the highest scores, over that of all."""
    top = np.argsort(-score, kind="stable")[: max(1, round(len(score) / 10))]
    return label[top].mean() / label.mean()


def train(name):
    data, first, features, params, rounds, categorical = JOBS[name]
    label, fit, _ = data()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "features.parquet"
        command = [BINARY, "features", "export", HERE / name / "job.yaml", "--out", out]
        for feature in features or []:
            command += ["--feature", feature]
        subprocess.run(command, check=True)
        x = pd.read_parquet(out)
    row = x.pop("msisdn").to_numpy() - first
    if features:
        x = x[features]
    keep = fit[row]
    x = x.loc[:, x[keep].nunique(dropna=False) > 1]  # what the data lacks is no feature
    base = dict(objective="binary", deterministic=True, force_row_wise=True, num_threads=1, seed=1, verbose=-1)
    dataset = lgb.Dataset(x[keep], label[row][keep], categorical_feature=categorical or "auto")
    text = lgb.train(base | params, dataset, rounds).model_to_string()
    # The parameter block names threads and paths of this machine; scoring reads none of it.
    head, tail = text.split("\nparameters:\n")
    (HERE / name / "model.txt").write_text(head + "\n" + tail.split("end of parameters\n")[1])


def judge(name):
    data, first, _, _, _, _ = JOBS[name]
    label, _, parts = data()
    run = subprocess.run([BINARY, "run", HERE / name / "job.yaml", "--output", "json", "--quiet"], check=True, capture_output=True, text=True)
    version = json.loads(run.stdout.splitlines()[-1])
    files = sorted(pathlib.Path(version["path"]).glob("part-*.parquet"))
    scores = pd.concat(pd.read_parquet(f, columns=["msisdn", "propensity"]) for f in files)
    score = np.full(len(label), np.nan)
    score[scores.msisdn.to_numpy() - first] = scores.propensity.to_numpy()
    result = {"digest": version["digest"], "rows": version["rows"]}
    for part, keep in parts.items():
        keep = keep & ~np.isnan(score)
        result[part] = {
            "rows": int(keep.sum()), "churners": int(label[keep].sum()), "auc": round(auc(label[keep], score[keep]), 4),
            "top_decile_lift": round(lift(label[keep], score[keep]), 2), "mean_propensity": round(float(score[keep].mean()), 4),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("train", "judge") or sys.argv[2] not in JOBS:
        sys.exit(__doc__)
    {"train": train, "judge": judge}[sys.argv[1]](sys.argv[2])
