"""The table, in two languages, and where it stands on the pages of docs."""

import sys

BEGIN, END = "<!-- written by make bench-peers -->", "<!-- end of what make bench-peers writes -->"

WORDS = {
    "en": {
        "head": ["model", "scored by", "from", "median", "best", "× avx512", "× avx2", "× go", "rows unequal", "largest difference"],
        "float64 columns": "float64 columns", "float64 matrix": "float64 matrix", "float32 matrix": "float32 matrix",
        "DMatrix, made before": "DMatrix, made before", "DMatrix, made in the time": "DMatrix, made in the time", "Pool, made before": "Pool, made before",
        "probability": "{} (probability)", "comma": ", ", "stop": ".", "no": "not readable",
        "machine": "Measured {date} on one thread of {cpu} ({detail}), {flags}; frequency governor: {governor}. "
                   "{rounds} rounds in turns, {share}load average {before} at the start and {after} at the end.",
        "share": "{others} of the machine's time with other programs, {stolen} stolen by its host, ",
        "detail": "family {family} model {model} stepping {stepping}, {mhz} MHz, {cache} of cache, {cpus} processors{virtual}", "virtual": ", a virtual machine",
        "versions": "Rescore {rescore} ({go}), Python {python}, {gcc}, {system}: {packages}.",
        "base": "Trained on {trained} rows of {features} features of a synthetic base (seed {seed}); scored rows were held back: {rows}.",
        "rows": "{rows} for {size}", "absent": "Left out: {}.",
    },
    "zh": {
        "head": ["模型", "由谁评分", "输入", "中位数", "最好", "× avx512", "× avx2", "× go", "不相等的行", "最大差"],
        "float64 columns": "float64 列", "float64 matrix": "float64 矩阵", "float32 matrix": "float32 矩阵",
        "DMatrix, made before": "DMatrix，事先建好", "DMatrix, made in the time": "DMatrix，建造计入时间", "Pool, made before": "Pool，事先建好",
        "probability": "{}（概率）", "comma": "，", "stop": "。", "no": "读不到",
        "machine": "测于 {date}，单线程，{cpu}（{detail}），{flags}；频率调节器：{governor}。轮流 {rounds} 轮，{share}平均负载开始 {before}、结束 {after}。",
        "share": "机器时间的 {others} 归其他程序、{stolen} 被宿主占去，",
        "detail": "family {family} model {model} stepping {stepping}，{mhz} MHz，缓存 {cache}，{cpus} 个处理器{virtual}", "virtual": "，虚拟机",
        "versions": "Rescore {rescore}（{go}），Python {python}，{gcc}，{system}：{packages}。",
        "base": "在合成全量（种子 {seed}）的 {trained} 行、{features} 个特征上训练；评分的行未参加训练：{rows}。",
        "rows": "{size} 为 {rows} 行", "absent": "未测：{}。",
    },
}

NAMES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "onnxruntime": "ONNX Runtime", "tl2cgen": "TL2cgen", "treelite": "Treelite", "catboost": "CatBoost", "numpy": "NumPy"}


def count(n):
    return f"{n:,}".replace(",", " ")


def figure(ns):
    """Nanoseconds with three digits that mean something."""
    return f"{ns:.1f}" if ns < 99.95 else count(round(ns))


def ratio(x):
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:.0f}"


def difference(x):
    return "0" if x == 0 else f"{x:.1e}".replace("e-0", "e-")


def yardsticks(result, model):
    """Rescore's own medians by path. CatBoost's trees, which it does not read, are
    held against LightGBM's of as many trees and leaves."""
    for m in result["models"]:
        same = (m["trees"], m["leaves"]) == (model["trees"], model["leaves"])
        if same and m["library"] == (model["library"] if model["library"] != "CatBoost" else "LightGBM"):
            return {s["scorer"].removeprefix("Rescore "): s["ns_median"] for s in m["scorers"] if s["scorer"].startswith("Rescore ")}
    return {}


def table(result, words):
    lines = ["| " + " | ".join(words["head"]) + " |", "|---|---|---|" + "---:|" * (len(words["head"]) - 3)]
    for m in result["models"]:
        ours = yardsticks(result, m)
        title = f"{m['library']} {m['trees']}×{m['leaves']}"
        for s in sorted(m["scorers"], key=lambda s: not s["scorer"].startswith("Rescore")):
            apart = ["", ""]
            if s["rows_unequal"] is not None:
                apart[0] = count(s["rows_unequal"])
            if s["largest_difference"] is not None:
                largest = difference(s["largest_difference"])
                apart[1] = words["probability"].format(largest) if s["of_probabilities"] else largest
            ratios = [ratio(s["ns_median"] / ours[p]) if p in ours and not s["scorer"].startswith("Rescore") else "" for p in ("avx512", "avx2", "go")]
            cells = [title, s["scorer"], words[s["input"]], figure(s["ns_median"]), figure(s["ns_best"]), *ratios, *apart]
            lines.append("| " + " | ".join(cells) + " |")
            title = ""
    return lines


def share(x):
    return "?" if x is None else f"{100 * x:.1f} %"


def markdown(result, language):
    w, m = WORDS[language], result["machine"]
    sizes = {f"{x['trees']}×{x['leaves']}": x["rows"] for x in result["models"]}
    detail = w["detail"].format(**{**m, "mhz": round(float(m["mhz"] or 0)), "virtual": w["virtual"] if m["virtual"] else ""})
    lines = table(result, w) + ["", w["machine"].format(
        date=result["date"], cpu=m["cpu"], detail=detail, flags=" ".join(m["flags"]), governor=m["governor"] or w["no"], rounds=result["rounds"],
        share=w["share"].format(others=share(m["others"]), stolen=share(m["stolen"])), before=m["load_before"], after=m["load_after"])]
    packages = w["comma"].join(f"{NAMES.get(k, k)} {v}" for k, v in result["versions"].items())
    lines += ["", w["versions"].format(
        rescore=result["rescore"]["version"], go=result["rescore"]["go"], python=m["python"], gcc=result["gcc"] or "gcc: " + w["no"], system=m["system"], packages=packages)]
    lines += ["", w["base"].format(
        trained=count(result["base"]["trained_on"]), features=result["base"]["features"], seed=result["base"]["seed"],
        rows=w["comma"].join(w["rows"].format(rows=count(rows), size=size) for size, rows in sizes.items()))]
    if result["absent"]:
        lines += ["", w["absent"].format(w["comma"].join(f"{name} (`{reason}`)" for name, reason in result["absent"].items()))]
    return "\n".join(lines)


def write(page, text, begin=BEGIN, end=END):
    """Put text between the two marks of a page, and leave the rest alone."""
    old = page.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        sys.exit(f"peers: {page} does not have the line {begin} and after it {end}, once each")
    head, rest = old.split(begin)
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", encoding="utf-8", newline="\n")
