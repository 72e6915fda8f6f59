"""Writes the files beside it with pyarrow: another writer than the one of our tests.

    python3 write.py        # pyarrow 15 or later; made with 26.0.1
"""

import datetime
import decimal
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

HERE = pathlib.Path(__file__).parent
ROWS = 20


def nullable(value):
    """Every fifth row is null."""
    return [None if i % 5 == 3 else value(i) for i in range(ROWS)]


TABLE = pa.table({
    "list": pa.array([[i] for i in range(ROWS)], pa.list_(pa.int8())),
    "view": pa.array(nullable(lambda i: f"text of more than twelve bytes {i}"), pa.string_view()),
    "list_view": pa.array([[i] for i in range(ROWS)], pa.list_view(pa.int8())),
    "dense": pa.UnionArray.from_dense(pa.array([0] * ROWS, pa.int8()), pa.array(range(ROWS), pa.int32()), [pa.array(range(ROWS), pa.int16())]),
    "sparse": pa.UnionArray.from_sparse(pa.array([0] * ROWS, pa.int8()), [pa.array(range(ROWS), pa.int16())]),
    "map": pa.array([[("a", i)] for i in range(ROWS)], pa.map_(pa.string(), pa.int32())),
    "fixed_list": pa.array([[i, i] for i in range(ROWS)], pa.list_(pa.int8(), 2)),
    "group": pa.array([{"a": i, "b": str(i)} for i in range(ROWS)]),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([7, ROWS], pa.int32()), pa.array([1, 2], pa.int8())),
    "msisdn": pa.array([13800000001 + 7 * i for i in range(ROWS)], pa.int64()),
    "small": pa.array(nullable(lambda i: i - 10), pa.int8()),
    "city": pa.array(nullable(lambda i: ["北京", "上海", "广州"][i % 3]), pa.string()),
    "brand": pa.array(nullable(lambda i: ["北京", "上海"][i % 2]), pa.string()).dictionary_encode(),
    "fee": pa.array(nullable(lambda i: decimal.Decimal(i) / 4 - 2), pa.decimal128(12, 2)),
    "wide": pa.array(nullable(lambda i: decimal.Decimal(i) / 4 - 2), pa.decimal256(40, 2)),
    "day": pa.array(nullable(lambda i: datetime.date(2020, 1, 1) + datetime.timedelta(i)), pa.date32()),
    "stamp": pa.array(nullable(lambda i: datetime.datetime(2020, 1, 1, 23) + datetime.timedelta(i)), pa.timestamp("s")),
    "truth": pa.array(nullable(lambda i: i % 2 == 0), pa.bool_()),
    "score": pa.array(nullable(lambda i: i / 8), pa.float64()),
    "half": pa.array(nullable(lambda i: np.float16(i / 8)), pa.float16()),
    "null": pa.nulls(ROWS),
    "large": pa.array(range(ROWS), pa.uint64()),
})


def write(name, table, new=ipc.new_file, cuts=(0, 7, 8, 19, ROWS), **options):
    """Batches are slices of longer arrays, so that bits and texts begin anywhere."""
    with ipc_writer(name, table.schema, new, **options) as w:
        for a, b in zip(cuts, cuts[1:]):
            for batch in table.slice(a, b - a).to_batches():
                w.write_batch(batch)


def ipc_writer(name, schema, new, **options):
    return new(HERE / name, schema, options=ipc.IpcWriteOptions(**options))


def grown(name, new):
    """Each batch adds one value to the dictionary."""
    batches = []
    for k in range(4):
        texts = pa.array(["a"] + [f"v{i}" for i in range(k + 1)])
        batches.append(pa.record_batch({
            "msisdn": pa.array([13800000001 + 5 * k + i for i in range(5)], pa.int64()),
            "brand": pa.DictionaryArray.from_arrays(pa.array([i % len(texts) for i in range(5)], pa.int16()), texts),
        }))
    with ipc_writer(name, batches[0].schema, new, emit_dictionary_deltas=True) as w:
        for batch in batches:
            w.write_batch(batch)


write("file.arrow", TABLE)
write("file-lz4.arrow", TABLE, compression="lz4")
write("stream-zstd.arrow", TABLE, ipc.new_stream, compression="zstd")
write("legacy.arrow", TABLE, ipc.new_stream, use_legacy_format=True)
grown("grown-file.arrow", ipc.new_file)
grown("grown-stream.arrow", ipc.new_stream)
