"""Train the models that are measured: python train.py MATRIX.npz WANTED.json

It runs in a process of its own, so that no thread of a trainer is left where
times are taken. WANTED maps a file to write to what it is to hold.
"""

import json
import os
import sys
import time

import numpy as np

RATE, SEED = 0.08, 20150715


def lightgbm(x, y, names, trees, leaves, path):
    import lightgbm as lgb

    params = {
        "objective": "binary", "num_leaves": leaves, "learning_rate": RATE, "min_data_in_leaf": 100, "max_bin": 255,
        "deterministic": True, "force_row_wise": True, "seed": SEED, "num_threads": os.cpu_count(), "verbosity": -1,
    }
    lgb.train(params, lgb.Dataset(x, label=y, feature_name=names), trees).save_model(path)


def xgboost(x, y, names, trees, leaves, path):
    import xgboost as xgb

    params = {
        "objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": leaves, "max_depth": 0,
        "eta": RATE, "min_child_weight": 5, "seed": SEED, "nthread": os.cpu_count(),
    }
    data = xgb.QuantileDMatrix(x.astype(np.float32), label=y, feature_names=names)
    xgb.train(params, data, trees).save_model(path)


def catboost(x, y, names, trees, leaves, path):
    import catboost

    model = catboost.CatBoostClassifier(
        iterations=trees, depth=leaves.bit_length() - 1, learning_rate=RATE, random_seed=SEED,
        thread_count=os.cpu_count(), verbose=False, allow_writing_files=False,
    )
    model.fit(x.astype(np.float32), y)
    model.save_model(path)


def main():
    data = np.load(sys.argv[1])
    for path, m in json.loads(sys.argv[2]).items():
        start = time.monotonic()
        scratch = os.path.join(os.path.dirname(path), "part-" + os.path.basename(path))  # XGBoost goes by the end of the name
        write = {"LightGBM": lightgbm, "XGBoost": xgboost, "CatBoost": catboost}[m["library"]]
        write(data["x"], data["y"], m["names"], m["trees"], m["leaves"], scratch)
        os.replace(scratch, path)
        print(f"peers: trained {m['library']} {m['trees']}x{m['leaves']} in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
