"""The whole job in other engines, each in a process of its own: run by job.py.

    python engines.py '{"engine": "DuckDB", "base": …, "model": …, "threads": 2}'

makes itself ready (imports, sessions and the model are not timed), says so with a
line of JSON, and then takes a turn for every line it reads: {"job": FILE} does the
job once into a Parquet file, {"features": FILE} writes the features alone, to be
compared. A turn is from the first look at the base to the file's end.

An engine hands over batches of 250 000 rows: the number, what is published, and the
model's features as doubles. LightGBM scores a batch, numpy derives score, band and
loss, and pyarrow writes it, compressed as Rescore compresses.
"""

import json
import os
import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import formula

BATCH = 250_000
CUTS = np.array([0.02, 0.05, 0.15, 0.40])
TIERS = np.array([3500, 12_000, 30_000, 70_000, 170_000])
TYPES = {"msisdn": pa.uint64(), "trg_fired": pa.uint16(), "trg_unknown": pa.uint16(), "trg_count": pa.uint8(), "trg_first": pa.uint8(), "arpu3_fen": pa.int64()}
OUTPUT = pa.schema([*TYPES.items(), ("warn", pa.uint8()), ("value_tier", pa.uint8()), ("propensity", pa.float32()), ("propensity_score", pa.uint16()), ("risk_band", pa.uint8()), ("expected_loss_fen", pa.int64())])
# An empty column's slot is a null; in the output there is none.
REQUIRED = pa.schema([f.with_nullable(False) for f in OUTPUT])


class Model:
    def __init__(self, path, threads):
        self.booster = lightgbm.Booster(model_file=path)
        self.names, self.threads = self.booster.feature_name(), threads

    def matrix(self, batch):
        """The features of a batch as LightGBM likes them: row by row, NaN for null."""
        x = np.empty((batch.num_rows, len(self.names)), dtype=np.float64)
        for i, name in enumerate(self.names):
            x[:, i] = batch.column(f"x_{name}").to_numpy(zero_copy_only=False)
        return x

    def publish(self, batch):
        """A batch as it is written."""
        p = np.clip(self.booster.predict(self.matrix(batch), num_threads=self.threads), 1e-6, 1 - 1e-6).astype(np.float32)
        columns = [batch.column(name).cast(type_) for name, type_ in TYPES.items()]
        fired, arpu, exact = columns[1].to_numpy(), columns[5].to_numpy(), p.astype(np.float64)
        columns += [
            pa.array((fired != 0).astype(np.uint8)),
            pa.array(np.where(arpu < 0, 255, np.searchsorted(TIERS, arpu, side="right")).astype(np.uint8)),
            pa.array(p),
            pa.array(np.rint(1000 * exact).astype(np.uint16)),
            pa.array((1 + np.searchsorted(CUTS.astype(np.float32), p, side="right")).astype(np.uint8)),
            pa.array(np.where(arpu < 0, -1, np.rint(exact * arpu)).astype(np.int64)),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=REQUIRED)


class Engine:
    """An engine that streams batches; write scores and writes them in this process."""

    def __init__(self, base, model, threads):
        self.base, self.threads = base, threads
        self.files = sorted(str(f) for f in Path(base).glob("*.parquet"))
        self.model = Model(model, threads)
        self.layers = formula.layers(self.model.names)

    def batches(self):
        raise NotImplementedError

    def job(self, out):
        with pq.ParquetWriter(out, REQUIRED, compression="zstd") as w:
            for batch in self.batches():
                w.write_batch(self.model.publish(batch))

    def features(self, out):
        names = ["msisdn", *(f"x_{n}" for n in self.model.names)]
        with pq.ParquetWriter(out, pa.schema([("msisdn", pa.uint64()), *((n, pa.float64()) for n in names[1:])])) as w:
            for batch in self.batches():
                w.write_batch(pa.RecordBatch.from_arrays([batch.column("msisdn").cast(pa.uint64()), *(batch.column(n) for n in names[1:])], names=names))

    def version(self):
        return ""


class DuckDB(Engine):
    def __init__(self, *args):
        super().__init__(*args)
        import duckdb
        self.db = duckdb.connect()
        self.db.execute(f"SET threads = {self.threads}")
        self.query = formula.query(self.layers, f"read_parquet({self.files})", formula.DUCKDB)

    def batches(self):
        return self.db.sql(self.query).to_arrow_reader(BATCH)


class Polars(Engine):
    def __init__(self, *args):
        super().__init__(*args)
        import polars as pl
        frame = pl.scan_parquet(self.files).select(formula.columns(self.layers))
        for layer in self.layers[:-1]:
            frame = frame.with_columns([formula.polars(e).alias(name) for name, e in layer.items()])
        self.frame = frame.select([formula.polars(e).alias(name) for name, e in self.layers[-1].items()])

    def batches(self):
        for frame in self.frame.collect_batches(chunk_size=BATCH, maintain_order=True, engine="streaming"):
            yield from frame.rechunk().to_arrow().combine_chunks().to_batches()


class DataFusion(Engine):
    def __init__(self, *args):
        super().__init__(*args)
        import datafusion
        config = datafusion.SessionConfig().with_target_partitions(self.threads).with_batch_size(8192)
        self.context = datafusion.SessionContext(config)
        self.context.register_parquet("base", self.base)
        self.query = formula.query(self.layers, "base", formula.DATAFUSION)

    def batches(self):
        pending, rows = [], 0
        for batch in self.context.sql(self.query).execute_stream():
            batch = batch.to_pyarrow()
            pending.append(batch)
            rows += batch.num_rows
            if rows >= BATCH:
                yield from pa.Table.from_batches(pending).combine_chunks().to_batches()
                pending, rows = [], 0
        if pending:
            yield from pa.Table.from_batches(pending).combine_chunks().to_batches()


class ClickHouse(Engine):
    def __init__(self, *args):
        super().__init__(*args)
        import chdb.session
        self.session = chdb.session.Session()
        self.query = formula.query(self.layers, f"file('{self.base}/*.parquet', Parquet)", formula.CLICKHOUSE) + f" SETTINGS max_threads = {self.threads}, max_block_size = {BATCH}, cast_keep_nullable = 1"

    def batches(self):
        result = self.session.send_query(self.query, "ArrowStream")
        for chunk in result:
            yield from pa.ipc.open_stream(chunk.bytes())


class Spark(Engine):
    """Spark's own workers score and write: two of them, one thread each."""

    def __init__(self, *args):
        super().__init__(*args)
        # Spark's workers are started anew, import this file, and leave no bytecode beside it.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["PYSPARK_PYTHON"], os.environ["PYTHONPATH"] = sys.executable, str(Path(__file__).resolve().parent)
        from pyspark.sql import SparkSession
        self.spark = (SparkSession.builder.master(f"local[{self.threads}]").appName("rescore-peers")
            .config("spark.ui.enabled", "false").config("spark.driver.memory", "3g").config("spark.sql.shuffle.partitions", self.threads)
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", 50_000)
            .config("spark.sql.files.maxPartitionBytes", "32m").config("spark.sql.parquet.compression.codec", "zstd")
            # Merged into one, the layers repeat themselves until nothing compiles them.
            .config("spark.sql.optimizer.excludedRules", "org.apache.spark.sql.catalyst.optimizer.CollapseProject")
            .config("spark.sql.ansi.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
            .config("spark.local.dir", os.environ.get("TMPDIR", "/tmp")).getOrCreate())
        self.spark.sparkContext.setLogLevel("ERROR")

    def selected(self):
        frame = self.spark.read.parquet(*self.files).selectExpr(*[f"`{c}`" for c in formula.columns(self.layers)])
        for layer in self.layers[:-1]:
            frame = frame.selectExpr("*", *[f"{formula.sql(e, formula.SPARK)} AS `{n}`" for n, e in layer.items()])
        return frame.selectExpr(*[f"{formula.sql(e, formula.SPARK)} AS `{n}`" for n, e in self.layers[-1].items()])

    def job(self, out):
        text = Path(self.plan["model"]).read_text(encoding="utf-8")
        publish = spark_publish(text)
        types = {"uint64": "bigint", "uint16": "int", "uint8": "int", "int64": "bigint", "float": "float"}
        schema = ", ".join(f"{f.name} {types[str(f.type)]}" for f in OUTPUT)
        self.selected().mapInArrow(publish, schema).write.mode("overwrite").parquet(out)

    def features(self, out):
        self.selected().selectExpr("msisdn", *[f"`x_{n}`" for n in self.model.names]).write.mode("overwrite").parquet(out)


def spark_publish(text):
    """What a Spark worker does to its batches; each makes its model once."""

    def publish(batches):
        import lightgbm as lgb
        import engines
        model = engines.Model.__new__(engines.Model)
        model.booster = lgb.Booster(model_str=text)
        model.names, model.threads = model.booster.feature_name(), 1
        types = {"uint64": pa.int64(), "uint16": pa.int32(), "uint8": pa.int32()}
        for batch in batches:
            done = model.publish(batch)
            yield pa.RecordBatch.from_arrays([c.cast(types.get(str(c.type), c.type)) for c in done.columns], names=done.schema.names)

    return publish


class Copy(Engine):
    """A floor: DuckDB writes the columns that Rescore's job reads to Parquet, and nothing else."""

    def __init__(self, *args):
        super().__init__(*args)
        import duckdb
        self.db = duckdb.connect()
        self.db.execute(f"SET threads = {self.threads}")

    def job(self, out):
        wanted = ", ".join(f'"{c}"' for c in self.plan["columns"])
        self.db.execute(f"COPY (SELECT {wanted} FROM read_parquet({self.files})) TO '{out}' (FORMAT parquet)")


class Read(Engine):
    """A floor: the same files' bytes, into one buffer that is used again."""

    def job(self, out):
        buffer = bytearray(8 << 20)
        for name in self.files:
            with open(name, "rb", buffering=0) as f:
                while f.readinto(buffer):
                    pass


ENGINES = {"DuckDB": DuckDB, "Polars": Polars, "DataFusion": DataFusion, "ClickHouse": ClickHouse, "Spark": Spark, "DuckDB copy": Copy, "bare read": Read}


def family():
    """This process and those below it: Spark's Java and its workers are."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            parents[int(folder.name)] = (int(fields[1]), sum(int(t) for t in fields[11:15]))
    found = {os.getpid()}
    while more := {p for p, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {p: parents[p][1] for p in found if p in parents}


def cpu():
    """Seconds of processor time of the family and of those it waited for."""
    return sum(family().values()) / os.sysconf("SC_CLK_TCK")


def peak():
    """The most that was resident, in bytes, of each of the family, added up."""
    total = 0
    for process in family():
        try:
            lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    return total


def main():
    plan = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print belongs to nobody
    say = lambda **what: print(json.dumps(what), file=out, flush=True)
    engine = ENGINES[plan["engine"]](plan["base"], plan["model"], plan["threads"])
    engine.plan = plan
    say(ready=True)
    for line in sys.stdin:
        (what, path), = json.loads(line).items()
        start, before = time.perf_counter(), cpu()
        {"job": engine.job, "features": engine.features}[what](path)
        say(seconds=time.perf_counter() - start, cpu=cpu() - before, peak=peak())


if __name__ == "__main__":
    main()
