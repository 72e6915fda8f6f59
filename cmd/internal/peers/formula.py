"""The rules as expressions, once, for engines of two kinds: SQL and Polars.

A layer gives names to expressions over the names before it; an engine reads the
record, then evaluates the layers. The features and rules are written from
docs/kernels.md. NULL is unknown, and AND, OR and NOT are Kleene's in both kinds,
so that a rule reads as it is spoken.
"""

import calendar
import datetime

MONTH = 202610
MONTHS = 6


def shifted(month, back):
    index = month // 100 * 12 + month % 100 - 1 - back
    return index // 12 * 100 + index % 12 + 1


def days(month):
    return calendar.monthrange(month // 100, month % 100)[1]


def end(month):
    return datetime.date(month // 100, month % 100, days(month))


INDEX = MONTH // 100 * 12 + MONTH % 100 - 1
ASOF = end(MONTH)
# Two calendar months on, and not past the month's end.
AGREEMENT = datetime.date(shifted(MONTH, -2) // 100, shifted(MONTH, -2) % 100, min(ASOF.day, days(shifted(MONTH, -2))))


def lcm(numbers):
    n = 1
    while any(n % m for m in numbers):
        n += 1
    return n


LENGTHS = [days(shifted(MONTH, k)) for k in range(MONTHS)]
PER_DAY = [lcm(LENGTHS) // n for n in LENGTHS]
AS_IT_IS = [1] * MONTHS


class E:
    """An expression: an operator and what it is applied to."""

    def __init__(self, op, *args):
        self.op, self.args = op, args

    def __add__(self, o): return E("+", self, lift(o))
    def __radd__(self, o): return E("+", lift(o), self)
    def __sub__(self, o): return E("-", self, lift(o))
    def __rsub__(self, o): return E("-", lift(o), self)
    def __mul__(self, o): return E("*", self, lift(o))
    def __rmul__(self, o): return E("*", lift(o), self)
    def __truediv__(self, o): return E("/", self, lift(o))
    def __floordiv__(self, o): return E("//", self, lift(o))
    def __lt__(self, o): return E("<", self, lift(o))
    def __le__(self, o): return E("<=", self, lift(o))
    def __gt__(self, o): return E(">", self, lift(o))
    def __ge__(self, o): return E(">=", self, lift(o))
    def __eq__(self, o): return E("=", self, lift(o))
    def __ne__(self, o): return E("<>", self, lift(o))
    def __and__(self, o): return E("and", self, lift(o))
    def __or__(self, o): return E("or", self, lift(o))
    def __invert__(self): return E("not", self)
    __hash__ = None


def lift(v):
    return v if isinstance(v, E) else E("lit", v)


def col(name): return E("col", name)
def when(condition, then, otherwise=None): return E("if", lift(condition), lift(then), lift(otherwise))
def missing(x): return E("null?", x)
def known(x): return ~missing(x)
def either(x, other): return E("coalesce", x, lift(other))
def double(x): return E("double", x)
def integer(x): return E("bigint", x)
def root(x): return E("sqrt", x)
def bit(flags, n): return E("bit", flags, n)


def total(list_):
    out = list_[0]
    for x in list_[1:]:
        out = out + x
    return out


def count(list_):
    return total([when(known(x), 1, 0) for x in list_])


def month_of(date):
    return E("year", date) * 12 + E("month", date) - 1


# What may be believed: full months on the network, and which months are the
# subscriber's own, or wholly so.
def person():
    date, told = col("activation_date"), col("tenure_months")
    since = INDEX - month_of(date)
    begun = since + when(E("day", date) == 1, 1, 0)
    return {
        "own": either(integer(since + 1), MONTHS),
        "whole": either(integer(begun), MONTHS),
        "tenure": when(known(told), when(told > 0, integer(told), 0), when(known(date), when(begun > 0, integer(begun), 0))),
        "flags": integer(either(col("event_flags"), 0)),
        "class": integer(either(col("vip_class"), 0)),
        "pay": when(col("pay_mode") != 0, integer(col("pay_mode"))),
        "service": when(col("service_type") != 0, integer(col("service_type"))),
        "state": integer(either(col("status_m0"), 0)),
        "grouped": either(col("group_id"), 0) != 0,
    }


METRICS = {"fee": AS_IT_IS, "out_sec": PER_DAY, "in_sec": PER_DAY, "data_kb": PER_DAY, "sms_cnt": PER_DAY, "recharge_fen": AS_IT_IS, "recharge_cnt": AS_IT_IS, "elogin_cnt": PER_DAY}
LEVELS = {"fee": 4, "out_sec": 6, "in_sec": 3, "data_kb": 1, "recharge_cnt": 3}  # months as they are
COMPARED = {"fee": 6, "out_sec": 6, "in_sec": 6, "data_kb": 6, "sms_cnt": 6, "recharge_fen": 6, "elogin_cnt": 6}
SUMS = {"suspend_cnt": 6, "complaint_cnt": 3, "fault_cnt": 3}


def mine(column, k):
    return when(col("own") > k, col(f"{column}_m{k}"))


def history():
    out = {}
    own, tenure = col("own"), col("tenure")
    begun = when(known(col("activation_date")), when(own > 0, own, 0))
    out["depth"] = when(missing(tenure), begun, when(missing(begun), tenure, when(tenure < begun, tenure, begun)))
    for name, months in LEVELS.items():
        for k in range(months):
            out[f"{name}{k}"] = integer(mine(name, k))
    for name, months in COMPARED.items():
        for k in range(months):
            out[f"{name}_c{k}"] = when(col("whole") > k, double(col(f"{name}_m{k}")) * float(METRICS[name][k]))
    for k in range(3):
        out[f"talk{k}"] = when(own > k, (col(f"out_sec_m{k}") > 0) | (col(f"in_sec_m{k}") > 0))
    for k in range(2):
        out[f"dry{k}"] = when(own > k, col(f"bb_flow_kb_m{k}") == 0)
    out["far"] = mine("other_ld_sec", 0)
    return out


def sums():
    """What several features of a metric share."""
    out = {}
    for name in COMPARED:
        y = [col(f"{name}_c{k}") for k in range(MONTHS)]
        out[f"{name}_n"], out[f"{name}_b"] = count(y[:3]), count(y[3:])
        out[f"{name}_recent"] = total([either(x, 0.0) for x in y[:3]])
        out[f"{name}_earlier"] = total([either(x, 0.0) for x in y[3:]])
        if name in ("fee", "out_sec", "in_sec", "data_kb"):
            out[f"{name}_places"] = total([when(known(x), 5.0 - k, 0.0) for k, x in enumerate(y)])
            out[f"{name}_squares"] = total([when(known(x), (5.0 - k) ** 2, 0.0) for k, x in enumerate(y)])
            out[f"{name}_weighted"] = total([either(x, 0.0) * (5.0 - k) for k, x in enumerate(y)])
    for name in ("fee", "out_sec", "in_sec", "recharge_cnt"):
        x = [col(f"{name}{k}") for k in range(3)]
        out[f"{name}_avg3"] = when(count(x) >= 2, double(total([either(v, 0) for v in x])) / double(count(x)))
    f = [col(f"fee{k}") for k in range(4)]
    out["bills"] = count(f[:3])
    out["billed"] = total([either(x, 0) for x in f[:3]])
    return out


# The fourteen triggers, as deploy/reference/reference.sql has them: true, false or
# NULL. Defaults of the job file.
def triggers():
    depth, state, pay, service, group = col("depth"), col("state"), col("pay"), col("service"), col("class")
    f = [col(f"fee{k}") for k in range(4)]
    talk = [col(f"talk{k}") for k in range(3)]
    limit = when(group == 1, 170_000, when(group == 2, 70_000, when(group == 3, 30_000, 10_000)))
    short = lambda months: when(depth < months, True, False)
    flag = lambda n: bit(col("flags"), n)
    fixed = either(service, 0) != 1
    t = {}
    t[1] = when((group < 1) | (group > 4), False, when(short(2) | missing(f[0]) | missing(f[1]), None, (f[0] < limit) & (f[1] < limit)))
    t[2] = when(state == 2, False, when(short(4) | missing(f[0] + f[1] + f[2] + f[3]), None,
           (f[3] >= 3500) & (f[3] > f[2]) & (f[2] > f[1]) & (f[1] > f[0]) & ((f[3] - f[0]) * 100 >= f[3] * 40)))
    quiet = when(short(3), None, ~talk[0] & ~talk[1] & ~talk[2])
    t[3] = when(known(pay), ((pay == 1) & (col("balance_fen") < 500)) | ((pay == 1) & (state != 2) & quiet))
    t[4] = when(known(pay), (pay == 2) & (col("arrears_fen") > 0))
    t[5] = when((either(service, 3) == 3) & short(1), None, (service == 3) & when(short(1), None, ~talk[0]))
    t[6] = when((service != 4) | (col("bb_status") != 1), False, when(short(2) | missing(col("bb_flow_kb_m0")) | missing(col("bb_flow_kb_m1")), None,
           (service == 4) & (col("bb_status") == 1) & col("dry0") & col("dry1")))
    t[7] = when(short(1), None, col("far") > 2400)
    t[8] = col("fault_cnt_m0") >= 2
    result, date = either(col("complaint_result"), 0), col("complaint_date")
    t[9] = ((result == 2) | (result == 3)) & either((date >= ASOF - datetime.timedelta(days=90)) & (date <= ASOF), True)
    t[10] = flag(0) & fixed
    t[11] = either((col("contract_end") > ASOF) & (col("contract_end") <= AGREEMENT), False)
    t[12] = flag(1) & fixed
    t[13] = flag(2) & fixed
    t[14] = flag(3) & ((group > 0) | col("grouped"))
    gone = (state == 6) | (state == 7)
    return {**{f"t{i}": when(gone, False, e) for i, e in t.items()}}


# The forty features of the committed model, each a double, NULL for missing.
def features():
    out = {}

    def change1(name):
        a, b = col(f"{name}_c0"), col(f"{name}_c1")
        return when(a == b, 0.0, when(b != 0.0, (a - b) / b))

    def change3(name):
        n, b = double(col(f"{name}_n")), double(col(f"{name}_b"))
        base, now = col(f"{name}_earlier") * n, col(f"{name}_recent") * b
        return when((col(f"{name}_n") >= 2) & (col(f"{name}_b") >= 2), when(now == base, 0.0, when(base != 0.0, (now - base) / base)))

    def slope(name):
        n = double(col(f"{name}_n") + col(f"{name}_b"))
        sum_, places = col(f"{name}_recent") + col(f"{name}_earlier"), col(f"{name}_places")
        rise = (col(f"{name}_weighted") * n - places * sum_) * n
        spread = n * col(f"{name}_squares") - places * places
        return when((n >= 3.0) & (sum_ != 0.0), rise / (spread * sum_))

    def variation(name):
        n = double(col(f"{name}_n") + col(f"{name}_b"))
        sum_ = col(f"{name}_recent") + col(f"{name}_earlier")
        parts = []
        for k in range(MONTHS):
            d = col(f"{name}_c{k}") * n - sum_
            parts.append(either(d * d, 0.0))
        return when(sum_ != 0.0, root(total(parts) / n) / sum_)

    for name in ("arrears_fen", "balance_fen", "brand_m0", "complaint_result", "pay_mode", "status_m0", "tenure"):
        out[name] = double(col(name))
    for name in ("data_kb", "fee", "in_sec", "out_sec", "recharge_cnt"):
        out[f"{name}_last"] = double(col(f"{name}0"))
    for name in ("fee", "out_sec", "recharge_cnt"):
        out[f"{name}_avg3"] = col(f"{name}_avg3")
    for name in ("data_kb", "fee", "in_sec", "out_sec"):
        out[f"{name}_chg1"], out[f"{name}_slope"] = change1(name), slope(name)
    for name in COMPARED:
        out[f"{name}_chg3"] = change3(name)
    out["fee_cv"] = variation("fee")
    run = 6.0
    for k in reversed(range(MONTHS)):
        x = col(f"out_sec{k}")
        run = when(missing(x), None, when(x != 0, float(k), run))
    out["out_sec_zero_run"] = run
    both = col("out_sec_avg3") + col("in_sec_avg3")
    out["out_in_ratio"] = when(both != 0.0, col("out_sec_avg3") / both)
    bills, bill = [col(f"fee_c{k}") for k in (1, 2, 3)], col("fee_c0")
    n, base = double(count(bills)), total([either(x, 0.0) for x in bills])
    out["bill_shock"] = when(known(bill) & (count(bills) >= 2), when((bill * n * 100.0 >= base * 150.0) & (bill * n - base >= n * 2000.0), 1.0, 0.0))
    for name, months in SUMS.items():
        x = [mine(name, k) for k in range(months)]
        out[f"{name}{months}"] = when(count(x) > 0, double(total([either(integer(v), 0) for v in x])))
    out["days_to_contract_end"] = double(E("days", col("contract_end"), ASOF))
    out["has_contract"] = when(known(col("contract_end")), 1.0, 0.0)
    out["trg_3"] = when(missing(col("t3")), None, when(col("t3"), 1.0, 0.0))
    return out


# What is published beside the model's answer.
def published():
    fired = total([when(col(f"t{i}"), 1 << (i - 1), 0) for i in range(1, 15)])
    unknown = total([when(missing(col(f"t{i}")), 1 << (i - 1), 0) for i in range(1, 15)])
    number = total([when(col(f"t{i}"), 1, 0) for i in range(1, 15)])
    first = 0
    for i in reversed(range(1, 15)):
        first = when(col(f"t{i}"), i, first)
    billed = when(col("billed") > 0, col("billed"), 0)
    half = billed // 2
    # To the nearest fen, halves to even.
    arpu = when(col("bills") == 0, -1, when(col("bills") == 1, billed, when(col("bills") == 3, (billed + 1) // 3,
           half + when((billed - half * 2 == 1) & (half - half // 2 * 2 == 1), 1, 0))))
    return {"trg_fired": fired, "trg_unknown": unknown, "trg_count": number, "trg_first": lift(first), "arpu3_fen": arpu}


def layers(features_named):
    """The layers, and the names that the last one has: the number, what is published,
    then the features in the model's order."""
    made = features()
    lacking = [f for f in features_named if f not in made]
    if lacking:
        raise ValueError(f"no expressions for the model's features {', '.join(lacking)}")
    last = {"msisdn": col("msisdn"), **published(), **{f"x_{f}": made[f] for f in features_named}}
    return [person(), history(), sums(), triggers(), last]


def columns(list_):
    """The columns of the record that the layers read."""
    made, read = set(), set()

    def walk(e):
        if e.op == "col":
            if e.args[0] not in made:
                read.add(e.args[0])
        else:
            for a in e.args:
                if isinstance(a, E):
                    walk(a)

    for layer in list_:
        for e in layer.values():
            walk(e)
        made |= set(layer)
    return sorted(read)


# A dialect is a function of operator and operands that differs from the usual.
def sql(e, dialect):
    if e.op in dialect:
        return dialect[e.op](*[sql(a, dialect) if isinstance(a, E) else a for a in e.args])
    a = [sql(x, dialect) if isinstance(x, E) else x for x in e.args]
    match e.op:
        case "col": return '"' + a[0] + '"'
        case "lit":
            v = a[0]
            if v is None: return "NULL"
            if isinstance(v, bool): return "TRUE" if v else "FALSE"
            if isinstance(v, datetime.date): return f"DATE '{v}'"
            if isinstance(v, float): return f"CAST({v!r} AS DOUBLE)"
            return str(v)
        case "+" | "-" | "*" | "/" | "<" | "<=" | ">" | ">=" | "=" | "<>": return f"({a[0]} {e.op} {a[1]})"
        case "//": return f"({a[0]} // {a[1]})"
        case "and" | "or": return f"({a[0]} {e.op.upper()} {a[1]})"
        case "not": return f"(NOT {a[0]})"
        case "if": return f"CASE WHEN {a[0]} THEN {a[1]} ELSE {a[2]} END" if a[2] != "NULL" else f"CASE WHEN {a[0]} THEN {a[1]} END"
        case "null?": return f"({a[0]} IS NULL)"
        case "coalesce": return f"coalesce({a[0]}, {a[1]})"
        case "double": return f"CAST({a[0]} AS DOUBLE)"
        case "bigint": return f"CAST({a[0]} AS BIGINT)"
        case "sqrt": return f"sqrt({a[0]})"
        case "bit": return f"(({a[0]} & {1 << a[1]}) <> 0)"
        case "year" | "month" | "day": return f"{e.op}({a[0]})"
        case "days": return f"({a[0]} - DATE '{a[1]}')"
    raise ValueError(e.op)


def query(list_, source, dialect):
    """One SELECT over the source, a layer inside the next."""
    quote = lambda name: sql(col(name), dialect)
    inner = f"SELECT {', '.join(quote(c) for c in columns(list_))} FROM {source}"
    for layer in list_[:-1]:
        inner = "SELECT *, " + ", ".join(f"{sql(e, dialect)} AS {quote(name)}" for name, e in layer.items()) + f" FROM ({inner}) AS t"
    return "SELECT " + ", ".join(f"{sql(e, dialect)} AS {quote(name)}" for name, e in list_[-1].items()) + f" FROM ({inner}) AS t"


DUCKDB = {}
SPARK = {
    "col": lambda n: f"`{n}`",
    "//": lambda a, b: f"({a} div {b})",
    "days": lambda a, d: f"datediff({a}, DATE '{d}')",
}
DATAFUSION = {
    "//": lambda a, b: f"({a} / {b})",  # of whole numbers
    "year": lambda a: f"CAST(date_part('year', {a}) AS BIGINT)",
    "month": lambda a: f"CAST(date_part('month', {a}) AS BIGINT)",
    "day": lambda a: f"CAST(date_part('day', {a}) AS BIGINT)",
    "days": lambda a, d: f"(CAST({a} AS INT) - CAST(DATE '{d}' AS INT))",
}
CLICKHOUSE = {
    "//": lambda a, b: f"intDiv({a}, {b})",
    "double": lambda a: f"CAST({a} AS Nullable(Float64))",
    "bigint": lambda a: f"CAST({a} AS Nullable(Int64))",
    "bit": lambda a, n: f"(bitAnd({a}, {1 << n}) <> 0)",
    "year": lambda a: f"toYear({a})", "month": lambda a: f"toMonth({a})", "day": lambda a: f"toDayOfMonth({a})",
    "days": lambda a, d: f"dateDiff('day', toDate32('{d}'), {a})",
    "lit": lambda v: "NULL" if v is None else ("true" if v else "false") if isinstance(v, bool) else f"toDate32('{v}')" if isinstance(v, datetime.date) else f"toFloat64({v!r})" if isinstance(v, float) else f"toInt64({v})",
}


def polars(e):
    """The expression as one of Polars'."""
    import polars as pl

    a = [polars(x) if isinstance(x, E) else x for x in e.args]
    match e.op:
        case "col": return pl.col(a[0])
        case "lit": return pl.lit(a[0], dtype=pl.Int64) if isinstance(a[0], int) and not isinstance(a[0], bool) else pl.lit(a[0])
        case "+": return a[0] + a[1]
        case "-": return a[0] - a[1]
        case "*": return a[0] * a[1]
        case "/": return a[0] / a[1]
        case "//": return a[0] // a[1]
        case "<": return a[0] < a[1]
        case "<=": return a[0] <= a[1]
        case ">": return a[0] > a[1]
        case ">=": return a[0] >= a[1]
        case "=": return a[0] == a[1]
        case "<>": return a[0] != a[1]
        case "and": return a[0] & a[1]
        case "or": return a[0] | a[1]
        case "not": return ~a[0]
        case "if": return pl.when(a[0]).then(a[1]).otherwise(a[2])
        case "null?": return a[0].is_null()
        case "coalesce": return a[0].fill_null(a[1])
        case "double": return a[0].cast(pl.Float64)
        case "bigint": return a[0].cast(pl.Int64)
        case "sqrt": return a[0].sqrt()
        case "bit": return (a[0] & (1 << a[1])) != 0
        case "year": return a[0].dt.year().cast(pl.Int64)
        case "month": return a[0].dt.month().cast(pl.Int64)
        case "day": return a[0].dt.day().cast(pl.Int64)
        case "days": return (a[0] - pl.lit(a[1])).dt.total_days()
    raise ValueError(e.op)
