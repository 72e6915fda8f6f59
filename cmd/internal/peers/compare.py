"""Train, time in turns, and compare: run by peers.py, inside its environment."""

import datetime
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import base
import machine
import report
import scorers
from scorers import Model

HERE = Path(__file__).resolve().parent

# What is trained, and how many rows are scored: fewer where each takes long.
SIZES = {(100, 31): 65_536, (500, 31): 16_384, (500, 64): 16_384}
CATBOOST = (500, 64)  # depth 6
BUSY = 0.05  # share of the machine's time with other programs above which figures are doubtful
PACKAGES = ["lightgbm", "xgboost", "lleaves", "llvmlite", "tl2cgen", "treelite", "onnxruntime", "onnxmltools", "catboost", "numpy"]


def say(message):
    print(f"peers: {message}", file=sys.stderr, flush=True)


def last_line(error):
    """The end of an error, which is where libraries say what is wrong."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip()[:200]}" if lines else type(error).__name__


def train(work, x, y, wanted, absent):
    """The models there are; files of the same rows, versions and code are kept."""
    seen = hashlib.sha256(x.tobytes() + y.tobytes() + (HERE / "versions.txt").read_bytes() + (HERE / "train.py").read_bytes())
    folder = work / "models" / seen.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    ending = {"LightGBM": "txt", "XGBoost": "json", "CatBoost": "cbm"}
    models = [Model(library, trees, leaves, folder / f"{library.lower()}-{trees}x{leaves}.{ending[library]}") for library, trees, leaves in wanted]
    missing = [m for m in models if not m.path.exists()]
    if missing:
        matrix = work / "train.npz"
        np.savez(matrix, x=x, y=y)
        free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        for m in missing:  # one by one: a trainer that falls takes nobody with it
            job = {str(m.path): {"library": m.library, "trees": m.trees, "leaves": m.leaves, "names": base.names()}}
            if subprocess.run([sys.executable, "-B", HERE / "train.py", matrix, json.dumps(job)], env=free).returncode != 0:
                absent[f"{m.library} {m.size}"] = "it cannot be trained; what it says is above"
        matrix.unlink()
    return [m for m in models if m.path.exists()]


def reference(binary, model, rows):
    """Margins as rescore model score prints them."""
    return np.array(base.rescore(binary, "model", "score", model.path, rows.csv, "--raw").split(), dtype=np.float64)


def paths(binary, model):
    """The instructions that this processor has."""
    found = []
    for path in scorers.PATHS:
        done = subprocess.run([binary, "bench", "score", "--model", model.path, "--rows", "1", "--path", path], capture_output=True, text=True)
        if done.returncode == 0:
            found.append(path)
    if "go" not in found:  # which every processor has
        sys.exit(f"peers: rescore cannot time {model.path}: {done.stderr.strip()}")
    return found


def calls_of(plan, model, rows, absent):
    """Everybody who scores the model, Rescore last; whoever cannot is in absent."""
    binary, margins, calls = plan["rescore"], None, []
    if model.library != "CatBoost":  # which Rescore does not read
        margins = reference(binary, model, rows)
    for peer, make in scorers.PEERS[model.library].items():
        if peer in plan["absent"]:
            continue
        say(f"{model.library} {model.size}: {peer}")
        try:
            found = make(model, rows)
            for call in found:
                call.compare(margins)
            calls += found
        except Exception as error:  # a peer's error is a finding, not the end
            absent[f"{peer} on {model.library} {model.size}"] = last_line(error)
    wrong = [call for call in calls if call.exact and call.unequal]
    if wrong:
        sys.exit(f"peers: {wrong[0].unequal} scores of {model.path} are not those of {wrong[0].scorer}: times of different answers mean nothing")
    if margins is not None:
        calls += [scorers.Ours(binary, path, model, rows) for path in paths(binary, model)]
    return calls


def measure(plan, models, x, absent):
    """Each model's scorers, timed in turns on one processor."""
    rows_of, ready = {}, []
    for model in models:
        count = min(SIZES[model.trees, model.leaves], len(x))
        if count not in rows_of:
            csv = Path(plan["work"]) / f"rows-{count}.csv"
            base.write_csv(csv, x[:count])
            rows_of[count] = scorers.Rows(np.ascontiguousarray(x[:count]), csv)
        ready.append((model, rows_of[count], calls_of(plan, model, rows_of[count], absent)))

    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})  # rescore inherits it
    about, load = machine.describe(cpu), machine.Load()
    for model, rows, calls in ready:
        say(f"timing {model.library} {model.size}: {plan['rounds']} rounds of {len(calls)} turns")
        for _ in range(plan["rounds"]):
            for call in calls:
                call.turn(len(rows.f64))
    return [summary(model, len(rows.f64), calls) for model, rows, calls in ready], {**about, **load.done()}


def summary(model, rows, calls):
    found = []
    for call in calls:
        found.append({
            "scorer": call.scorer, "input": call.input, "ns_median": float(np.median(call.median)), "ns_best": min(call.best), "rounds": call.median,
            "largest_difference": call.largest, "rows_unequal": call.unequal, "of_probabilities": call.probability,
            **(call.stages if isinstance(call, scorers.Ours) else {}),
        })
    return {"library": model.library, "trees": model.trees, "leaves": model.leaves, "rows": rows, "scorers": found}


def main():
    plan = json.loads(sys.argv[1])
    # Some peers write to stdout from C, which belongs to the result.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    work, absent = Path(plan["work"]), dict(plan["absent"])
    wanted = [(library, *size) for library in ("LightGBM", "XGBoost") for size in SIZES if library not in absent]
    if "CatBoost" not in absent:
        wanted.append(("CatBoost", *CATBOOST))
    if plan["only"]:
        wanted = [w for w in wanted if f"{w[1]}x{w[2]}" in plan["only"]]
        if not wanted:
            sys.exit(f"peers: --only {', '.join(plan['only'])}: the sizes are {', '.join(f'{t}x{n}' for t, n in SIZES)}")
    say("making the synthetic base and its features")
    x, y, scored = base.make(plan["rescore"], work, plan["subscribers"])
    models = train(work, x, y, wanted, absent)
    measured, about = measure(plan, models, scored, absent)
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": about,
        "versions": machine.versions(PACKAGES), "gcc": machine.compiler(), "rescore": json.loads(base.rescore(plan["rescore"], "version", "--output", "json")),
        "base": {"subscribers": plan["subscribers"], "seed": base.SEED, "trained_on": len(x), "features": x.shape[1]},
        "rounds": plan["rounds"], "absent": absent, "models": measured,
    }
    print(json.dumps(result, indent=2) if plan["output"] == "json" else report.markdown(result, "en"), file=out, flush=True)
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    if (about["others"] or 0) + (about["stolen"] or 0) > BUSY:
        say(f"the machine was busy with other things for {report.share(about['others'])} of its time, {report.share(about['stolen'])} was stolen: measure again when it is quiet")
    if plan["write_docs"]:
        for page, language in (("benchmarks.md", "en"), ("benchmarks.zh.md", "zh")):
            report.write(Path(plan["docs"]) / page, report.markdown(result, language))


if __name__ == "__main__":
    main()
