"""Check that everybody says the same, and time them in turns: run by job.py, inside
its environment."""

import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import base
import job_report
import machine
import report

HERE = Path(__file__).resolve().parent
BUSY = 0.05  # share of the machine's time with other programs above which figures are doubtful
PACKAGES = ["duckdb", "polars", "datafusion", "chdb", "pyspark", "lightgbm", "pyarrow", "numpy"]
FLOORS = {"DuckDB copy", "bare read"}


def say(message):
    print(f"peers: {message}", file=sys.stderr, flush=True)


class Gone(Exception):
    """An engine that ended, or took a turn it could not finish."""


class Peer:
    """An engine in a process of its own, which it stays in for all its turns."""

    def __init__(self, name, plan, folder):
        self.name, self.folder, self.turns = name, folder, []
        self.log = open(folder / f"{name.replace(' ', '-')}.log", "w+", encoding="utf-8", errors="replace")
        # Threads are counted; one that waits for the next turn does not spin.
        env = {**os.environ, "POLARS_MAX_THREADS": str(plan["threads"]), "OMP_NUM_THREADS": str(plan["threads"]), "OMP_WAIT_POLICY": "PASSIVE",
               "RAYON_NUM_THREADS": str(plan["threads"]), "TOKIO_WORKER_THREADS": str(plan["threads"]), "TMPDIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"}
        ask = {"engine": name, "base": str(plan["base"]), "model": str(base.BASELINE), "threads": plan["threads"], "columns": plan["columns"]}
        self.process = subprocess.Popen([sys.executable, "-B", HERE / "engines.py", json.dumps(ask)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=env)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            lines = [l.strip() for l in self.log.read().splitlines() if l.strip()]
            errors = [l for l in lines if "Error" in l or "Exception" in l] or lines or ["it said nothing"]
            raise Gone(errors[-1][:200])
        return json.loads(line)

    def ask(self, what, path):
        try:
            self.process.stdin.write(json.dumps({what: str(path)}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why, is in its log
        return self.answer()

    def turn(self, keep=None):
        out = keep or self.folder / f"{self.name.replace(' ', '-')}.parquet"
        answer = self.ask("job", out)
        answer["bytes"] = size(out)
        if not keep:
            remove(out)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class Ours:
    """Rescore: a fresh process for each turn, its start and its end in the time."""

    name = "Rescore"

    def __init__(self, plan, folder):
        self.plan, self.folder, self.turns = plan, folder, []

    def turn(self, keep=None):
        out = Path(tempfile.mkdtemp(dir=self.folder))
        start = time.perf_counter()
        said = base.rescore(self.plan["rescore"], "run", self.plan["job"], "--output", "json", "--quiet", "--workers", self.plan["threads"],
                            "--work", out / "work", "--set", f"output.path={out / 'out'}")
        seconds = time.perf_counter() - start
        answer = json.loads(said.splitlines()[-1])
        used = answer["summary"]["used"]
        found = {"seconds": seconds, "cpu": used["cpu_seconds"], "peak": used["max_rss_bytes"], "bytes": size(Path(answer["path"])), "job_seconds": used["seconds"]}
        if keep:
            shutil.move(answer["path"], keep)
        shutil.rmtree(out)
        return found


def size(path):
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size if path.exists() else 0


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def table(path):
    return pq.read_table(path).sort_by("msisdn")


def differences(theirs, ours, rename=lambda n: n):
    """Columns that are not equal, and in how many rows; a NaN equals a missing value."""
    if theirs.num_rows != ours.num_rows:
        return {"rows": abs(theirs.num_rows - ours.num_rows)}
    found = {}
    for name in theirs.column_names:
        a, b = (t.column(n).to_numpy() for t, n in ((theirs, name), (ours, rename(name))))
        if a.dtype.kind == "f" or b.dtype.kind == "f":
            a, b = a.astype(np.float64), b.astype(np.float64)
            unequal = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        else:
            unequal = a.astype(np.int64) != b.astype(np.int64)
        if unequal.any():
            found[name] = int(unequal.sum())
    return found


def check(plan, folder, everybody, ours, absent):
    """Each engine's features and output against Rescore's; who differs ends the run."""
    say("checking that all say the same")
    exported, kept = folder / "features.parquet", folder / "ours"
    ours.turn(keep=kept)
    wanted = [w for name in base.names() for w in ("--feature", name)]
    base.rescore(plan["rescore"], "features", "export", plan["job"], "--out", exported, *wanted)
    features, published = table(exported), table(kept)
    left, equal = [], {}
    for peer in everybody:
        if peer.name in FLOORS:
            left.append(peer)
            continue
        say(f"{peer.name}: features, then the job")
        out, done = folder / "theirs-features", folder / "theirs"
        try:
            peer.ask("features", out)
            peer.turn(keep=done)
            mine, theirs = table(out), table(done)
        except Gone as error:
            absent[peer.name] = str(error)
            continue
        finally:
            remove(out)
        wrong = {**differences(mine, features, lambda n: n.removeprefix("x_")), **differences(theirs, published)}
        remove(done)
        if wrong:
            sys.exit(f"peers: {peer.name} is not equal to Rescore: {', '.join(f'{n} in {c} rows' for n, c in wrong.items())}: times of different answers mean nothing")
        equal[peer.name] = {"features": mine.num_columns - 1, "columns": theirs.num_columns - 1, "rows": theirs.num_rows}
        left.append(peer)
    shutil.rmtree(kept)
    remove(exported)
    return left, equal


def make_base(plan):
    folder = Path(plan["work"]) / f"job-base-{plan['subscribers']}"
    if not (folder / "job.yaml").exists():
        say(f"making a base of {plan['subscribers']} subscribers")
        base.rescore(plan["rescore"], "synth", "--out", folder, "--subscribers", plan["subscribers"], "--seed", base.SEED, "--clean", "--force", "--quiet")
    plan["base"], plan["job"] = folder / "base", folder / "job.yaml"
    plan["columns"] = ["msisdn", *json.loads(base.rescore(plan["rescore"], "plan", plan["job"], "--output", "json"))["columns"]]


def measure(plan, folder, absent):
    ours = Ours(plan, folder)
    everybody = []
    for name in plan["only"]:
        if name in absent:
            continue
        say(f"starting {name}")
        try:
            everybody.append(Peer(name, plan, folder))
        except Gone as error:
            absent[name] = str(error)
    everybody, equal = check(plan, folder, everybody, ours, absent)
    about, load, own = machine.describe(0), machine.Load(), 0.0
    for turn in range(1 + plan["rounds"]):  # the first warms up
        say(f"round {turn} of {plan['rounds']}" if turn else "warming up")
        for peer in [ours, *everybody]:
            try:
                found = peer.turn()
            except Gone as error:
                absent[peer.name] = str(error)
                continue
            own += found["cpu"]  # Spark's virtual machine is no child that anybody waits for
            if turn:
                peer.turns.append(found)
    about.update(load.done(own))
    everybody = [p for p in everybody if p.name not in absent]
    for p in everybody:
        p.close()
    return [summary(p, equal.get(p.name)) for p in [ours, *everybody]], about


def summary(peer, equal):
    middle = lambda key: statistics.median(t[key] for t in peer.turns)
    found = {"engine": peer.name, "seconds": middle("seconds"), "seconds_best": min(t["seconds"] for t in peer.turns), "cpu_seconds": middle("cpu"),
             "peak_bytes": max(t["peak"] for t in peer.turns), "bytes_written": int(middle("bytes")), "rounds": [t["seconds"] for t in peer.turns],
             "floor": peer.name in FLOORS, "equal": equal}
    if peer.name == "Rescore":
        found["job_seconds"] = middle("job_seconds")
    return found


def main():
    plan = json.loads(sys.argv[1])
    absent = {k: v for k, v in plan["absent"].items() if k in plan["only"]}
    make_base(plan)
    rows = pq.ParquetDataset(plan["base"]).read(columns=["msisdn"]).num_rows
    with tempfile.TemporaryDirectory(dir=plan["work"], prefix="job-") as folder:
        measured, about = measure(plan, Path(folder), absent)
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "machine": about, "threads": plan["threads"], "rounds": plan["rounds"],
        "versions": machine.versions(PACKAGES), "rescore": json.loads(base.rescore(plan["rescore"], "version", "--output", "json")),
        "subscribers": plan["subscribers"], "rows": rows, "base_bytes": size(plan["base"]), "seed": base.SEED, "engines": measured, "absent": absent,
    }
    print(json.dumps(result, indent=2) if plan["output"] == "json" else job_report.markdown(result, "en"), flush=True)
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    if (about["others"] or 0) + (about["stolen"] or 0) > BUSY:
        say(f"the machine was busy with other things for {report.share(about['others'])} of its time, {report.share(about['stolen'])} was stolen: measure again when it is quiet")
    if plan["write_docs"]:
        for page, language in (("benchmarks.md", "en"), ("benchmarks.zh.md", "zh")):
            report.write(Path(plan["docs"]) / page, job_report.markdown(result, language), job_report.BEGIN, job_report.END)


if __name__ == "__main__":
    main()
