package explain

import "strings"

// titles name the columns of both records. A column that is not here is called
// by its own name until somebody adds it; the test says so.
var titles = map[string][2]string{
	"service_type": {"service", "业务类型"}, "pay_mode": {"pay mode", "付费方式"}, "brand": {"brand", "品牌"}, "status": {"status", "状态"},
	"activation_date": {"joined", "入网日期"}, "tenure_months": {"tenure", "在网时长"}, "fee": {"bill", "出账金额"}, "recharge_cnt": {"top-ups", "缴费次数"},
	"recharge_fen": {"topped up", "缴费金额"}, "balance_fen": {"balance", "余额"}, "arrears_fen": {"arrears", "欠费"}, "out_sec": {"outgoing voice", "主叫时长"},
	"in_sec": {"incoming voice", "被叫时长"}, "out_cnt": {"outgoing calls", "主叫次数"}, "in_cnt": {"incoming calls", "被叫次数"}, "sms_cnt": {"messages", "短信条数"},
	"data_kb": {"data", "数据流量"}, "roam_sec": {"roaming voice", "漫游时长"}, "ld_sec": {"long distance", "长途时长"}, "other_ld_sec": {"long distance by others", "他网长途时长"},
	"fault_cnt": {"faults", "故障申告"}, "complaint_cnt": {"complaints", "投诉次数"}, "complaint_result": {"last complaint", "最近投诉结果"}, "complaint_date": {"complaint closed", "投诉办结日"},
	"suspend_cnt": {"suspensions", "停机次数"}, "contract_end": {"agreement ends", "协议到期"}, "vip_class": {"customer class", "大客户类别"}, "vip_grade": {"VIP grade", "VIP 级别"},
	"event_flags": {"events", "事件"}, "bb_status": {"broadband", "宽带状态"}, "bb_flow_kb": {"broadband volume", "宽带流量"}, "imei": {"handset", "终端 IMEI"},
	"elogin_cnt": {"e-channel logins", "电子渠道登录"}, "sex": {"sex", "性别"}, "birth_year": {"born in", "出生年份"}, "city_code": {"home city", "归属城市"},
	"cell_city_code": {"city of main cell", "常用小区城市"}, "group_id": {"group customer", "集团客户"}, "fault_cnt_30d": {"faults in 30 days", "近 30 天故障"},
	"complaint_tags": {"complaints about", "投诉主题"}, "complaint_justified": {"justified complaint", "有理投诉"}, "silent_class": {"silent class", "静默分类"},
	"city_cnt": {"cities used in", "使用城市数"}, "lifecycle_prev": {"stage before", "上期生命周期"}, "cause_confirmed": {"confirmed cause", "核实原因"},

	"trg_fired": {"triggers fired", "触发规则"}, "trg_unknown": {"triggers unknown", "未知规则"}, "trg_count": {"how many fired", "触发数"}, "trg_first": {"first fired", "首个触发"},
	"trg_reason": {"why unknown", "未知原因"}, "warn": {"warned", "预警"}, "dunning": {"dunning", "催缴"}, "silent": {"silent", "无通话"}, "silent_any": {"no use at all", "无任何使用"},
	"recent_silent": {"newly silent", "新近静默"}, "silent_run": {"silent for", "静默月数"}, "last_active_month": {"last month with calls", "最近通话月"}, "account_state": {"account", "账户状态"},
	"arpu3_fen": {"ARPU of 3 months", "近三月 ARPU"}, "value_tier": {"value tier", "价值层级"}, "propensity": {"churn propensity", "流失倾向"}, "propensity_score": {"propensity score", "流失倾向评分"},
	"risk_band": {"risk band", "风险等级"}, "new_sub": {"new subscriber", "新入网"}, "tenure_class": {"class of tenure", "网龄段"}, "dq_bad_values": {"bad values", "坏值数"}, "expected_loss_fen": {"expected loss", "预期损失"},
	"retain_decision": {"decision", "挽留决策"}, "churn_label": {"churn label", "流失标签"}, "churn_kind": {"kinds of churn", "流失类型"}, "churn_kind_unknown": {"kinds not known", "未知流失类型"},
	"churn_primary": {"first kind", "主要流失类型"}, "switch_state": {"to another operator", "转网状态"}, "lifecycle_stage": {"lifecycle stage", "生命周期"}, "churn_stage": {"churn stage", "流失阶段"},
	"traffic_class": {"traffic change", "话务变化"}, "traffic_steps": {"traffic steps", "话务变化档数"}, "grade": {"VIP grade", "VIP 级别"}, "product_band": {"services used", "所用业务"},
	"cause": {"cause", "流失原因"}, "cause_evidence": {"evidence", "原因证据"}, "offer": {"offer", "挽留措施"}, "offer_line": {"line of the matrix", "措施表行"},
	"reason1": {"first reason", "首要原因"}, "reason2": {"second reason", "第二原因"}, "reason3": {"third reason", "第三原因"}, "reason_method": {"reasons by", "归因方法"},
	"rule_fired": {"own rules fired", "触发的用户规则"}, "rule_unknown": {"own rules unknown", "未知的用户规则"},
	"complaint_topic": {"complaint topic", "投诉主题"}, "justified": {"justified complaint", "有理投诉"}, "action_priority_score": {"priority score", "行动优先级评分"}, "action_priority": {"priority", "行动优先级"},
}

// formulas are the formulas of the features in Chinese, by the English ones;
// what stands before ": " names the metric and is kept.
var formulas = map[string]string{
	"x[m]": "x[m]",
	"mean of the months of m-2..m that are there":                                                                               "m-2..m 各有值月份的均值",
	"mean of the months of m-5..m that are there":                                                                               "m-5..m 各有值月份的均值",
	"(x[m] - x[m-1]) / x[m-1], 0 when both are 0; per day for usage":                                                            "(x[m] - x[m-1]) / x[m-1]，均为 0 时为 0；用量按日计",
	"mean(m-2..m) / mean(m-5..m-3) - 1, 0 when both are 0; per day for usage":                                                   "mean(m-2..m) / mean(m-5..m-3) - 1，均为 0 时为 0；用量按日计",
	"least-squares slope a month over the months that are there, divided by their mean; per day for usage":                      "有值月份的最小二乘月斜率除以均值；用量按日计",
	"population standard deviation / mean over the months that are there; per day for usage":                                    "有值月份的总体标准差 / 均值；用量按日计",
	"number of months up to m with x = 0, 0 to 6":                                                                               "截至 m 连续 x = 0 的月数，0 至 6",
	"1 when x[m-1] is 0, otherwise 0":                                                                                           "x[m-1] 为 0 时为 1，否则为 0",
	"1 when x[m-1] is 0 and x[m] is above 0, otherwise 0":                                                                       "x[m-1] 为 0 且 x[m] 大于 0 时为 1，否则为 0",
	"out_sec_avg3 / (out_sec_avg3 + in_sec_avg3)":                                                                               "out_sec_avg3 / (out_sec_avg3 + in_sec_avg3)",
	"sum of the months of suspend_cnt from m-5 to m that are there":                                                             "suspend_cnt 在 m-5 至 m 有值月份之和",
	"sum of the months of complaint_cnt from m-2 to m that are there":                                                           "complaint_cnt 在 m-2 至 m 有值月份之和",
	"sum of the months of fault_cnt from m-2 to m that are there":                                                               "fault_cnt 在 m-2 至 m 有值月份之和",
	"contract_end - last day of m; negative once it has ended":                                                                  "contract_end 减 m 月末；到期后为负",
	"1 when contract_end is known, otherwise 0":                                                                                 "contract_end 已知时为 1，否则为 0",
	"tenure_months, or the full calendar months since activation_date; at least 0":                                              "tenure_months，或自 activation_date 起的完整日历月数；至少为 0",
	"1: below 3 full months, 2: 3 to 5, 3: 6 to 11, 4: 12 to 23, 5: 24 to 59, 6: 60 and more":                                   "1：不满 3 个月，2：3 至 5，3：6 至 11，4：12 至 23，5：24 至 59，6：60 以上",
	"1 when fee[m] is at least bill_shock_pct % of the mean of fee[m-3..m-1] and at least bill_shock_fen above it, otherwise 0": "fee[m] 不低于 fee[m-3..m-1] 均值的 bill_shock_pct % 且至少高出 bill_shock_fen 时为 1，否则为 0",
}

// formula words a feature's formula.
func (w words) formula(text string) string {
	metric, rest, split := strings.Cut(text, ": ")
	if !split || !strings.HasPrefix(metric, "x = ") {
		metric, rest = "", text
	}
	if chinese, ok := formulas[rest]; ok && w.lang == Chinese {
		if metric != "" {
			return metric + "：" + chinese
		}
		return chinese
	}
	return text
}
