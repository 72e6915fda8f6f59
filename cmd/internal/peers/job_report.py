"""The table of whole jobs, in two languages."""

import report

BEGIN, END = "<!-- written by make bench-job-peers -->", "<!-- end of what make bench-job-peers writes -->"

WORDS = {
    "en": {
        "head": ["done by", "seconds, median", "best", "ns a row", "rows a second", "× Rescore", "CPU s", "peak MB", "written MB", "equal to Rescore's"],
        "equal": "{features} features, {columns} columns", "floor": "floor", "itself": "",
        "DuckDB": "DuckDB + LightGBM", "Polars": "Polars + LightGBM", "DataFusion": "DataFusion + LightGBM", "ClickHouse": "ClickHouse (chDB) + LightGBM", "Spark": "Spark + LightGBM",
        "DuckDB copy": "floor: DuckDB copies the input columns", "bare read": "floor: the same bytes, read", "Rescore": "Rescore",
        "job": "{rows} rows of the full canonical record, {bytes} MB of Parquet (seed {seed}), the committed model of 100×31, {threads} threads. Rescore's time is that of a fresh process; "
               "the others' processes, sessions and models are ready before. {own} s of Rescore's are the job itself.",
        "machine": "Measured {date} on {cpu}, {cpus} processors{virtual}, {flags}. {rounds} rounds in turns after one that warmed up, {share}load average {before} at the start and {after} at the end.",
        "share": "{others} of the machine's time with other programs, {stolen} stolen by its host, ", "virtual": ", a virtual machine",
        "versions": "Rescore {rescore} ({go}), Python {python}, {system}: {packages}.", "comma": ", ", "absent": "Left out: {}.",
    },
    "zh": {
        "head": ["由谁完成", "秒，中位数", "最好", "纳秒每行", "行每秒", "× Rescore", "CPU 秒", "峰值 MB", "写出 MB", "与 Rescore 相等"],
        "equal": "{features} 个特征，{columns} 列", "floor": "下限", "itself": "",
        "DuckDB": "DuckDB + LightGBM", "Polars": "Polars + LightGBM", "DataFusion": "DataFusion + LightGBM", "ClickHouse": "ClickHouse（chDB）+ LightGBM", "Spark": "Spark + LightGBM",
        "DuckDB copy": "下限：DuckDB 复制输入列", "bare read": "下限：只读同样的字节", "Rescore": "Rescore",
        "job": "完整规范记录 {rows} 行，Parquet {bytes} MB（种子 {seed}），随附的 100×31 模型，{threads} 个线程。Rescore 的时间是一个全新进程的；其他各家的进程、会话和模型事先备好。Rescore 的时间中 {own} 秒是作业本身。",
        "machine": "测于 {date}，{cpu}，{cpus} 个处理器{virtual}，{flags}。热身一轮后轮流 {rounds} 轮，{share}平均负载开始 {before}、结束 {after}。",
        "share": "机器时间的 {others} 归其他程序、{stolen} 被宿主占去，", "virtual": "，虚拟机",
        "versions": "Rescore {rescore}（{go}），Python {python}，{system}：{packages}。", "comma": "，", "absent": "未测：{}。",
    },
}

NAMES = {"duckdb": "DuckDB", "polars": "Polars", "datafusion": "DataFusion", "chdb": "chDB", "pyspark": "PySpark", "lightgbm": "LightGBM", "pyarrow": "PyArrow", "numpy": "NumPy"}


def seconds(x):
    return f"{x:.3f}" if x < 9.9995 else f"{x:.1f}"


def markdown(result, language):
    w, m, rows = WORDS[language], result["machine"], result["rows"]
    ours = next(e for e in result["engines"] if e["engine"] == "Rescore")
    lines = ["| " + " | ".join(w["head"]) + " |", "|---|" + "---:|" * (len(w["head"]) - 2) + "---|"]
    for e in result["engines"]:
        own = e is ours
        equal = w["itself"] if own else w["equal"].format(**e["equal"]) if e["equal"] else w["floor"]
        lines.append("| " + " | ".join([
            w[e["engine"]], seconds(e["seconds"]), seconds(e["seconds_best"]), report.figure(1e9 * e["seconds"] / rows), report.count(round(rows / e["seconds"])),
            "" if own else report.ratio(e["seconds"] / ours["seconds"]), f"{e['cpu_seconds']:.1f}", report.count(round(e["peak_bytes"] / 1e6)), f"{e['bytes_written'] / 1e6:.1f}", equal]) + " |")
    lines += ["", w["job"].format(rows=report.count(rows), bytes=report.count(round(result["base_bytes"] / 1e6)), seed=result["seed"], threads=result["threads"], own=seconds(ours["job_seconds"]))]
    lines += ["", w["machine"].format(
        date=result["date"], cpu=m["cpu"], cpus=m["cpus"], virtual=w["virtual"] if m["virtual"] else "", flags=" ".join(m["flags"]), rounds=result["rounds"],
        share=w["share"].format(others=report.share(m["others"]), stolen=report.share(m["stolen"])), before=m["load_before"], after=m["load_after"])]
    packages = w["comma"].join(f"{NAMES.get(k, k)} {v}" for k, v in result["versions"].items())
    lines += ["", w["versions"].format(rescore=result["rescore"]["version"], go=result["rescore"]["go"], python=m["python"], system=m["system"], packages=packages)]
    if result["absent"]:
        lines += ["", w["absent"].format(w["comma"].join(f"{w[name]} (`{reason}`)" for name, reason in result["absent"].items()))]
    return "\n".join(lines)
