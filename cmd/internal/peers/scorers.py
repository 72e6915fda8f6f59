"""The scorers: each peer's best way from a matrix in memory to raw scores.

A peer is a function that takes a model and the rows and returns its Calls. What
it does once for a model (load, convert, compile) is not timed; what it does for
each batch of rows is, and one call scores all rows, so that Python's share is
microseconds in many milliseconds. Errors are the caller's to name.
"""

import gc
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import numpy as np

import base

CALLS_MIN, SECONDS_MIN = 2, 0.25  # of one turn


@dataclass
class Model:
    library: str
    trees: int
    leaves: int
    path: Path

    @property
    def size(self):
        return f"{self.trees}x{self.leaves}"


class Rows:
    """The rows to score, in each form that a scorer likes best."""

    def __init__(self, f64, csv):
        self.f64, self.csv = f64, csv
        self.f32 = f64.astype(np.float32)


@dataclass
class Call:
    """A way to score the rows, and the times its turns took."""

    scorer: str
    input: str
    run: Callable
    before: Callable = lambda: None  # before each call, not timed
    probability: bool = False  # run gives no margin
    exact: bool = False  # the library that trained the model, on the very rows: Rescore must give its bits
    largest: float | None = None  # difference to Rescore's scores; None: not comparable
    unequal: int | None = None  # rows that have any
    best: list = field(default_factory=list)  # nanoseconds a row, by turn
    median: list = field(default_factory=list)

    def turn(self, rows):
        times = []
        gc.disable()
        end = time.perf_counter() + SECONDS_MIN
        while len(times) < CALLS_MIN or time.perf_counter() < end:
            self.before()
            start = time.perf_counter_ns()
            self.run()
            times.append((time.perf_counter_ns() - start) / rows)
        gc.enable()
        self.best.append(min(times))
        self.median.append(float(np.median(times)))

    def compare(self, margins):
        """Score once, which warms up too, and hold it against Rescore's margins."""
        self.before()
        scores = np.asarray(self.run(), dtype=np.float64).reshape(-1)
        if margins is None:
            return
        if self.probability:  # in float32, so that hardly any row is equal
            self.largest = float(np.abs(scores - 1 / (1 + np.exp(-margins))).max())
        else:
            self.largest, self.unequal = float(np.abs(scores - margins).max()), int((scores != margins).sum())


class Ours(Call):
    """rescore bench score, which times 15 runs of its own after warming up."""

    def __init__(self, binary, path, model, rows):
        super().__init__(f"Rescore {path}", "float64 columns", lambda: None)
        self.stages = {}  # the best of each, of all turns
        self.bench = lambda: json.loads(base.rescore(
            binary, "bench", "score", "--model", model.path, "--data", rows.csv, "--rows", len(rows.f64), "--path", path, "--output", "json"))

    def turn(self, rows):
        got = self.bench()
        if got["rows"] != rows:
            raise ValueError(f"rescore scored {got['rows']} rows of {rows}")
        for stage in ("quantise_ns", "trees_ns", "leaves_ns"):
            self.stages[stage] = min(got[stage], self.stages.get(stage, got[stage]))
        self.best.append(got["ns_per_row"])
        self.median.append(got["ns_per_row_median"])


def lightgbm(model, rows):
    import lightgbm as lgb

    booster = lgb.Booster(model_file=str(model.path))
    run = lambda x: lambda: booster.predict(x, raw_score=True, num_threads=1)
    return [
        Call("LightGBM predict", "float64 matrix", run(rows.f64), exact=True),
        Call("LightGBM predict", "float32 matrix", run(rows.f32)),
    ]


def xgboost(model, rows):
    import xgboost as xgb

    booster = xgb.Booster(model_file=str(model.path), params={"nthread": 1})
    booster.feature_names = None  # a matrix has none
    made = xgb.DMatrix(rows.f32, nthread=1)
    predict = lambda data: booster.predict(data, output_margin=True)
    return [
        Call("XGBoost inplace_predict", "float32 matrix", lambda: booster.inplace_predict(rows.f32, predict_type="margin", validate_features=False), exact=True),
        # XGBoost keeps the predictions of a DMatrix it has seen; reset forgets them.
        Call("XGBoost predict", "DMatrix, made before", lambda: predict(made), before=booster.reset, exact=True),
        Call("XGBoost predict", "DMatrix, made in the time", lambda: predict(xgb.DMatrix(rows.f32, nthread=1)), exact=True),
    ]


def lleaves(model, rows):
    import lleaves

    compiled = lleaves.Model(str(model.path))
    compiled.compile(cache=str(model.path) + ".lleaves", raw_score=True)
    return [Call("lleaves predict", "float64 matrix", lambda: compiled.predict(rows.f64, n_jobs=1))]


def tl2cgen(model, rows):
    import tl2cgen
    import treelite

    library = Path(str(model.path) + ".so")
    if not library.exists():
        load = {"LightGBM": treelite.frontend.load_lightgbm_model, "XGBoost": treelite.frontend.load_xgboost_model}[model.library]
        scratch = library.with_suffix(".part.so")
        tl2cgen.export_lib(load(str(model.path)), toolchain="gcc", libpath=str(scratch), params={"parallel_comp": 16})
        scratch.rename(library)
    predictor = tl2cgen.Predictor(str(library), nthread=1)
    double = model.library == "LightGBM"  # its thresholds are float64, XGBoost's float32
    made = tl2cgen.DMatrix(rows.f64 if double else rows.f32, dtype="float64" if double else "float32")
    return [Call("TL2cgen predict", "DMatrix, made before", lambda: predictor.predict(made, pred_margin=True))]


def onnxruntime(model, rows):
    import onnxruntime as ort

    from onnxmltools.convert.common.data_types import FloatTensorType

    shape = [("x", FloatTensorType([None, rows.f32.shape[1]]))]
    if model.library == "LightGBM":
        import lightgbm as lgb
        from onnxmltools import convert_lightgbm
        graph = convert_lightgbm(lgb.Booster(model_file=str(model.path)), initial_types=shape, zipmap=False)
    else:
        import xgboost as xgb
        from onnxmltools import convert_xgboost
        booster = xgb.Booster(model_file=str(model.path))
        booster.feature_names = None
        graph = convert_xgboost(booster, initial_types=shape)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [Call("ONNX Runtime run", "float32 matrix", lambda: session.run(["probabilities"], {"x": rows.f32})[0][:, 1], probability=True)]


def catboost(model, rows):
    from catboost import CatBoostClassifier, Pool

    trees = CatBoostClassifier()
    trees.load_model(str(model.path))
    run = lambda x: lambda: trees.predict(x, prediction_type="RawFormulaVal", thread_count=1)
    return [
        Call("CatBoost predict", "Pool, made before", run(Pool(rows.f32))),
        Call("CatBoost predict", "float32 matrix", run(rows.f32)),
    ]


# Who scores whose models; the library's own predict comes first.
PEERS = {
    "LightGBM": {"LightGBM": lightgbm, "lleaves": lleaves, "TL2cgen": tl2cgen, "ONNX Runtime": onnxruntime},
    "XGBoost": {"XGBoost": xgboost, "TL2cgen": tl2cgen, "ONNX Runtime": onnxruntime},
    "CatBoost": {"CatBoost": catboost},
}
PATHS = ["avx512", "avx2", "go"]
