package explain

import (
	"fmt"
	"strings"

	"rescore/partition/schema"
	"rescore/worker/formula"
)

// Lang is a language an answer can be in.
type Lang int

// Languages.
const (
	English Lang = 0
	Chinese Lang = 1
)

// LangOf reads en and zh, and what LANG may hold, such as zh_CN.UTF-8.
func LangOf(text string) (Lang, bool) {
	switch text = strings.ToLower(text); {
	case strings.HasPrefix(text, "zh"):
		return Chinese, true
	case strings.HasPrefix(text, "en"):
		return English, true
	}
	return English, false
}

// words writes in one language.
type words struct{ lang Lang }

// say fills an entry of the table. Keys stand in the code or are made of a closed
// list (decisions, reasons, units, conditions), all of which
// TestEveryRuleOptionAndDecisionHasItsWords asks for; no row leads to another.
func (w words) say(key string, args ...any) string {
	both, ok := table[key]
	if !ok {
		panic("explain: no words for " + key)
	}
	return fmt.Sprintf(both[w.lang], args...)
}

// title names a column.
func (w words) title(column string) string {
	if both, ok := titles[column]; ok {
		return both[w.lang]
	}
	if challenger, ok := strings.CutPrefix(column, schema.ChallengerColumn("")); ok {
		return w.say("challenger", challenger)
	}
	return column
}

// code names a code.
func (w words) code(c schema.Code) string {
	if w.lang == Chinese {
		return c.Chinese
	}
	return strings.ReplaceAll(c.Name, "_", " ")
}

// text writes a value of a column for people.
func (w words) text(column schema.Column, c cell) string {
	switch {
	case !c.known:
		return w.say("null")
	case len(column.Flags) > 0:
		var names []string
		for _, f := range column.Flags {
			if c.whole>>f.Value&1 == 1 {
				names = append(names, w.code(f))
			}
		}
		if len(names) == 0 {
			return w.say("none")
		}
		return strings.Join(names, w.say("comma"))
	case len(column.Codes) > 0:
		if code, ok := column.Label(uint8(c.whole)); ok {
			return w.code(code)
		}
	case column.Type != nil && column.Type.Name() == "date32":
		return date(c.whole)
	case column.Name == "trg_fired" || column.Name == "trg_unknown" || column.Name == formula.Fired || column.Name == formula.Unknown:
		prefix := "T"
		if strings.HasPrefix(column.Name, "rule_") {
			prefix = "#" // of the users' own rules, from 1
		}
		var names []string
		for t := range 64 {
			if uint64(c.whole)>>t&1 == 1 {
				names = append(names, fmt.Sprintf("%s%d", prefix, t+1))
			}
		}
		if len(names) == 0 {
			return w.say("none")
		}
		return strings.Join(names, " ")
	case column.Unit == schema.Fen && c.whole == -1 && strings.HasPrefix(column.Null, "-1"),
		column.Name == "silent_run" && c.whole == -1, column.Name == "last_active_month" && c.whole == 0, column.Name == "value_tier" && c.whole == 255,
		column.Name == "action_priority_score" && c.whole == 65535:
		return w.say("null")
	}
	return w.amount(column.Unit, c)
}

// amount writes a value in its unit.
func (w words) amount(unit schema.Unit, c cell) string {
	if !c.known {
		return w.say("null")
	}
	if unit == schema.Fen {
		fen := c.real
		if !c.float {
			fen = float64(c.whole)
		}
		return w.say("yuan", yuan(fen))
	}
	text := w.plain(c)
	if unit == schema.None || unit == schema.Ratio || unit == schema.Count {
		return text
	}
	if one := "one." + string(unit); text == "1" && table[one][0] != "" {
		return text + " " + w.say(one)
	}
	return text + " " + w.say("unit."+string(unit))
}

func (w words) plain(c cell) string {
	switch {
	case !c.known:
		return w.say("null")
	case c.float:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", c.real), "0"), ".")
	}
	return fmt.Sprint(c.whole)
}

// table is everything an answer can say, in English and in Chinese. A test holds
// both to the same arguments.
var table = map[string][2]string{
	"null": {"–", "–"}, "none": {"none", "无"}, "comma": {", ", "、"}, "yuan": {"%s yuan", "%s 元"}, "days": {"%d days", "%d 天"},
	"unit.second": {"s", "秒"}, "unit.minute": {"min", "分钟"}, "unit.kb": {"KB", "KB"}, "unit.mb": {"MB", "MB"}, "unit.gb": {"GB", "GB"}, "unit.byte": {"B", "字节"},
	"unit.month": {"months", "个月"}, "unit.day": {"days", "天"}, "unit.yuan": {"yuan", "元"},
	"one.month": {"month", "个月"}, "one.day": {"day", "天"},

	"head":    {"%s   month %d, version %s, job %s", "%s   评分月 %d，版本 %s，作业 %s"},
	"scored":  {"scored", "已评分"},
	"outcome": {"%s: %s", "%s：%s"},
	"rows":    {"%d rows of this number; the others are duplicates", "该号码有 %d 行，其余为重复行"},
	"events":  {"%d events of the job's tables", "作业长表中的 %d 条事件"},
	"where":   {"read from", "取自"}, "record": {"record used", "所用记录"}, "features": {"features  (* the model reads it)", "特征（* 为模型所用）"}, "triggers": {"triggers", "预警规则"},
	"challenger":   {"churn propensity by %s", "流失倾向（挑战模型 %s）"},
	"reasons":      {"why the score is high  (contribution, its share of all that raises the score, value)", "评分偏高的原因（贡献、占全部正贡献的比例、取值）"},
	"reasons.path": {"by path attribution: raw score %.4f, expected %.4f", "路径归因：原始分 %.4f，期望 %.4f"}, "reasons.exact": {"by exact Shapley values: raw score %.4f, expected %.4f", "精确沙普利值：原始分 %.4f，期望 %.4f"},
	"user rules": {"users' own rules", "用户规则"}, "decision": {"decision", "挽留决策"}, "offer": {"offer", "挽留措施"}, "scores": {"published", "已发布结果"},
	"excluded": {"excluded", "已排除"}, "rejected": {"rejected", "已拒绝"}, "absent column": {"the input has no such column", "输入中无此列"},
	"absent columns": {"not in the input: %s", "输入中没有：%s"},
	"NULL_KEY":       {"no number", "无号码"}, "BAD_NUMBER": {"not an 11-digit number", "不是 11 位号码"}, "BAD_VALUE": {"a value that cannot be read", "有无法读取的值"},
	"REPEATED_NUMBER": {"duplicate", "重复"}, "IOT_NUMBER": {"IoT number", "物联网号码"}, "EXCLUDED_SEGMENT": {"its segment is excluded by the job", "号段被作业排除"},
	"EXCLUDED_SERVICE": {"its service type is excluded by the job", "业务类型被作业排除"}, "BAD_WIDTH": {"too few or too many fields", "字段数不符"},

	"TRUE": {"TRUE", "是"}, "FALSE": {"FALSE", "否"}, "UNKNOWN": {"UNKNOWN", "未知"},
	"compared": {"compared", "比较值"}, "thresholds": {"thresholds", "阈值"},
	"gone":    {"not evaluated: cancelled or ported out", "未评估：已销号或携出"},
	"hold.t2": {"not evaluated: voluntary hold", "未评估：停机保号"}, "hold.t3": {"the silence of a voluntary hold is not counted", "停机保号期间的静默不计"},
	"short":   {"short history: %d full months on network, %d are needed", "在网时间短：满 %d 个月，需 %d 个月"},
	"missing": {"missing: %s", "缺值：%s"},

	"T1": {"large customer below its class", "大客户消费未达级别"}, "T2": {"fee falling three months", "话费连续三个月下降"}, "T3": {"no balance, or silent three months", "余额不足或三个月无话务"},
	"T4": {"postpaid in arrears", "后付费欠费"}, "T5": {"campus phone unused", "校园电话当月无话务"}, "T6": {"stopped broadband unused", "宽带停用且无流量"},
	"T7": {"long distance by another operator", "使用其它运营商长途"}, "T8": {"repeated faults", "多次故障申告"}, "T9": {"complaint not settled", "对投诉处理不满意"},
	"T10": {"demolition due", "即将拆迁"}, "T11": {"agreement ending", "协议即将到期"}, "T12": {"signs of another network", "它网接入迹象"},
	"T13": {"move cannot be served", "移机不能提供"}, "T14": {"large customer's demand not met", "大客户需求不能满足"},

	"t1":              {"class A to D, and the bills of m and m-1 both below the class's: A %s, B %s, C %s, D %s yuan", "A 至 D 类大客户，m 与 m-1 账单均低于级别门槛：A %s、B %s、C %s、D %s 元"},
	"t2.four_point":   {"bill of m-3 at least %s yuan, then three falls in a row, by %d %% or more in all", "m-3 账单不低于 %s 元，随后连续三个月下降，累计下降 %d %% 以上"},
	"t2.three_point":  {"bill of m-2 at least %s yuan, then two falls in a row, by %d %% or more in all", "m-2 账单不低于 %s 元，随后连续两个月下降，累计下降 %d %% 以上"},
	"t2.sum_of_mom":   {"bill of m-3 at least %s yuan, then three falls in a row whose percentages add up to %d or more", "m-3 账单不低于 %s 元，随后连续三个月下降，各月降幅之和达 %d 个百分点以上"},
	"t2.non_monotone": {"bill of m-3 at least %s yuan, and the bill of m lower by %d %% or more", "m-3 账单不低于 %s 元，m 账单低 %d %% 以上"},
	"t3.prepaid":      {"prepaid, and a balance below %s yuan or three months without %s", "预付费，且余额低于 %s 元或连续三个月无%s"},
	"t3.all":          {"prepaid with a balance below %s yuan, or anybody with three months without %s", "预付费且余额低于 %s 元，或任何用户连续三个月无%s"},
	"activity.voice":  {"voice", "话务"}, "activity.any": {"any use", "任何使用"},
	"t4": {"postpaid, and arrears above %s yuan", "后付费，欠费超过 %s 元"},
	"t5": {"a campus phone without voice in m", "校园电话，m 月无话务"},
	"t6": {"broadband without flow in m and m-1", "宽带，m 与 m-1 均无流量"}, "t6.stopped": {"stopped broadband without flow in m and m-1", "停用的宽带，m 与 m-1 均无流量"},
	"t7": {"more than %d s of long distance through another operator in m", "m 月使用其它运营商长途超过 %d 秒"},
	"t8": {"%d or more faults reported in m", "m 月故障申告 %d 次以上"}, "t8.rolling": {"%d or more faults reported in the last 30 days", "最近 30 天故障申告 %d 次以上"},
	"t9":  {"the last complaint ended dissatisfied or reluctantly, at most %d days ago", "最近一次投诉处理后仍不满意或勉强同意，距今不超过 %d 天"},
	"t10": {"demolition due, and not a mobile number", "即将拆迁，且非移动号码"}, "t12": {"signs of another network, and not a mobile number", "有它网接入迹象，且非移动号码"}, "t13": {"a move that cannot be served, and not a mobile number", "移机不能提供，且非移动号码"},
	"t11.within": {"the agreement ends within %d months from the end of m", "协议在 m 月末之后 %d 个月内到期"}, "t11.exact_month": {"the agreement ends in the month %d months after m", "协议在 m 之后第 %d 个月到期"},
	"t14": {"a demand that cannot be met, of a large customer or a group member", "大客户或集团成员的业务需求不能满足"},

	"decision.10": {"cancelled or ported out", "已销号或携出"},
	"decision.8":  {"asked not to be contacted", "要求免打扰"},
	"decision.3":  {"malicious arrears; or arrears of %s yuan and more while suspended, after %d earlier suspensions", "恶意欠费；或停机且欠费达 %s 元，此前停机 %d 次以上"},
	"decision.5":  {"suspended for arrears by the operator", "因欠费被停机"},
	"decision.6":  {"member of a group whose company pays", "企业付费的集团成员"},
	"decision.7":  {"used in another city than home in m and m-1", "m 与 m-1 均在归属地以外使用"},
	"decision.4":  {"contact data incomplete", "联系资料不全"},
	"decision.11": {"no bill in three months", "三个月无账单"},
	"decision.2":  {"p·s·ARPU·g·T = %s yuan less contact and offer %s = %s yuan, below zero", "p·s·ARPU·g·T = %s 元，减去接触与优惠成本 %s = %s 元，小于零"},
	"decision.9":  {"drawn for the control group, %d %% of those left", "抽入对照组（其余用户的 %d %%）"},
	"decision.1":  {"nothing above applies", "以上均不适用"},
	"applies":     {"applies", "适用"}, "applies not": {"no", "否"}, "taken": {"taken", "采用"},
	"when.not_retained": {"not to be retained", "不予挽留"}, "when.vip": {"VIP grade or large customer", "VIP 或大客户"}, "when.network_cause": {"the cause is the network", "原因为网络"},
	"when.price_cause": {"the cause is the price", "原因为资费"}, "when.student": {"student", "学生"}, "when.traveller": {"traveller", "商旅用户"}, "when.employer_pays": {"the employer pays", "企业报销"},
	"when.bill_shock": {"the bill jumped", "账单突增"}, "when.low_balance": {"prepaid with a low balance", "预付费余额低"}, "when.stage_early": {"early churn stage", "流失前期"},
	"when.stage_middle": {"middle churn stage", "流失中期"}, "when.stage_late": {"late churn stage", "流失后期"}, "when.stage_complete": {"complete churn", "完全流失"}, "when.always": {"everybody else", "其余用户"},
	"offer line": {"line %d of the matrix, %s: %s", "措施表第 %d 行，%s：%s"}, "offer none": {"no line of the matrix holds", "措施表无匹配行"},
}
