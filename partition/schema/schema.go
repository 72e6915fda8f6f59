// Package schema is the dictionary of the records that flow through the house:
// the canonical subscriber record that every input is mapped to, and the score
// record that every version is made of. Names, types, units, enumerations and
// the meaning of null stand here once (domain dossier §3.2 and §4).
//
// # Months are columns
//
// A monthly metric is six flat columns, not a list: fee_m0 is the scoring
// month m, fee_m1 the month before it, fee_m5 the oldest. Kernels then read
// plain slices (docs/decisions/0003).
//
// # Null
//
// In the subscriber record null is an Arrow null and never zero. The score
// record has required columns only; where a value can be absent, the column's
// Null field names the sentinel.
package schema

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Months is the history window H: the scoring month and the five before it.
const Months = 6

// Unit is the unit of a column's values.
type Unit string

// Units. A job's mapping names the unit its columns are in; the canonical unit
// of each column is in its Column.
const (
	None   Unit = ""       // codes, identifiers, flags
	Fen    Unit = "fen"    // money, 1/100 yuan
	Yuan   Unit = "yuan"   // money
	Second Unit = "second" // voice
	Minute Unit = "minute" // voice
	Byte   Unit = "byte"   // data
	KB     Unit = "kb"     // data, 1024 bytes
	MB     Unit = "mb"     // data
	GB     Unit = "gb"     // data
	Count  Unit = "count"  // calls, messages, logins …
	Month  Unit = "month"  // tenure
	Day    Unit = "day"
	Ratio  Unit = "ratio" // a fraction, 1 = 100 %
)

// Column describes one column of a record.
type Column struct {
	Name    string
	Type    arrow.DataType
	Monthly bool   // six columns, Name_m0 … Name_m5
	Unit    Unit   // canonical unit
	Null    string // what null (subscriber) or the sentinel (score) means; "" = never null
	Doc     string // one line, with the enumeration where there is one
	Codes   []Code // what the values of a coded column are called
	Flags   []Code // what the bits of a column of flags are called
}

// At returns the flat name of the column k months before the scoring month:
// fee.At(0) is "fee_m0". It panics on a column that is not monthly or a k
// outside 0 to 5, which is a bug.
func (c Column) At(k int) string {
	if !c.Monthly || k < 0 || k >= Months {
		panic(fmt.Sprintf("schema: column %s has no month %d", c.Name, k))
	}
	return fmt.Sprintf("%s_m%d", c.Name, k)
}

// Names returns the flat names: the six months, newest first, or the name itself.
func (c Column) Names() []string {
	if !c.Monthly {
		return []string{c.Name}
	}
	names := make([]string, Months)
	for k := range names {
		names[k] = c.At(k)
	}
	return names
}

var (
	u8, u16, u32, u64 = arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64
	i8, i16, i32, i64 = arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64
	f32, date         = arrow.PrimitiveTypes.Float32, arrow.FixedWidthTypes.Date32
)

// Key is the name of the partition key.
const Key = "msisdn"

// Subscriber is the canonical input record, domain dossier §3.2.
var Subscriber = []Column{
	{Name: Key, Type: u64, Doc: "11-digit number, the partition key"},
	{Name: "service_type", Type: u8, Null: "unknown", Doc: "1 mobile, 2 fixed line, 3 campus card phone 197201, 4 broadband, 5 group line", Codes: serviceTypes},
	{Name: "pay_mode", Type: u8, Null: "unknown, as 0", Doc: "1 prepaid 预付费, 2 postpaid 后付费, 0 unknown", Codes: payModes},
	{Name: "brand", Type: u8, Monthly: true, Null: "unknown", Doc: "3 全球通 GoTone, 2 动感地带 M-Zone, 1 神州行 Easyown, 0 other", Codes: brands},
	{Name: "status", Type: u8, Monthly: true, Null: "not on network that month", Doc: "1 normal, 2 voluntary hold 停机保号, 3 one-way suspended 单停, 4 arrears suspended 欠费停机, 5 pre-cancelled 预销号, 6 cancelled 销号, 7 ported out 携出", Codes: statuses},
	{Name: "activation_date", Type: date, Null: "unknown, then tenure is unknown", Doc: "day of joining 入网"},
	{Name: "tenure_months", Type: i16, Unit: Month, Null: "unknown; worked out from activation_date when that is known", Doc: "full calendar months on network 在网时长"},
	{Name: "fee", Type: i64, Monthly: true, Unit: Fen, Null: "bill missing; zero is billed zero", Doc: "billed amount of the month 出账金额"},
	{Name: "recharge_cnt", Type: i32, Monthly: true, Unit: Count, Null: "feed missing", Doc: "top-ups 缴费次数"},
	{Name: "recharge_fen", Type: i64, Monthly: true, Unit: Fen, Null: "feed missing", Doc: "top-up amount 缴费金额"},
	{Name: "balance_fen", Type: i64, Unit: Fen, Null: "unknown", Doc: "prepaid balance at as-of, may be negative"},
	{Name: "arrears_fen", Type: i64, Unit: Fen, Null: "unknown", Doc: "overdue unpaid amount at as-of 欠费"},
	{Name: "out_sec", Type: i64, Monthly: true, Unit: Second, Null: "CDR month missing", Doc: "outgoing voice 主叫时长"},
	{Name: "in_sec", Type: i64, Monthly: true, Unit: Second, Null: "CDR month missing", Doc: "incoming voice 被叫时长"},
	{Name: "out_cnt", Type: i32, Monthly: true, Unit: Count, Null: "CDR month missing", Doc: "outgoing calls"},
	{Name: "in_cnt", Type: i32, Monthly: true, Unit: Count, Null: "CDR month missing", Doc: "incoming calls"},
	{Name: "sms_cnt", Type: i32, Monthly: true, Unit: Count, Null: "CDR month missing", Doc: "messages sent"},
	{Name: "data_kb", Type: i64, Monthly: true, Unit: KB, Null: "CDR month missing", Doc: "data volume"},
	{Name: "roam_sec", Type: i64, Monthly: true, Unit: Second, Null: "CDR month missing", Doc: "roaming voice"},
	{Name: "ld_sec", Type: i64, Monthly: true, Unit: Second, Null: "CDR month missing", Doc: "long-distance voice"},
	{Name: "other_ld_sec", Type: i64, Monthly: true, Unit: Second, Null: "CDR month missing", Doc: "long distance via another operator 使用其它运营商长途"},
	{Name: "fault_cnt", Type: i16, Monthly: true, Unit: Count, Null: "feed missing", Doc: "fault reports 故障申告"},
	{Name: "complaint_cnt", Type: i16, Monthly: true, Unit: Count, Null: "feed missing", Doc: "complaints 投诉"},
	{Name: "complaint_result", Type: u8, Null: "no complaint in the window", Doc: "last handled complaint: 0 none, 1 satisfied, 2 reluctantly agrees 勉强同意, 3 still dissatisfied 不满意, 4 open", Codes: results},
	{Name: "complaint_date", Type: date, Null: "unknown; the result then counts as within t9_days", Doc: "day the last complaint was closed"},
	{Name: "suspend_cnt", Type: i16, Monthly: true, Unit: Count, Null: "feed missing", Doc: "suspensions 停机次数"},
	{Name: "contract_end", Type: date, Null: "no agreement", Doc: "agreement end 协议到期"},
	{Name: "vip_class", Type: u8, Null: "none, as 0", Doc: "large-customer class 1 A, 2 B, 3 C, 4 D, 0 none", Codes: vipClasses},
	{Name: "vip_grade", Type: u8, Null: "none, as 0", Doc: "1 silver 银卡, 2 gold 金卡, 3 diamond 钻石卡, 0 none", Codes: vipGrades},
	{Name: "event_flags", Type: u32, Null: "none, as 0", Doc: "bit 0 demolition due 即将拆迁, 1 other-network access sign 它网接入迹象, 2 relocation not serviceable 移机不能提供, 3 large-customer demand not met 业务需求不能满足, 4 employer reimburses, 5 contact data incomplete, 6 malicious arrears, 7 do-not-contact, 8 student, or lives in a campus cell 学生/校园", Flags: events},
	{Name: "bb_status", Type: u8, Null: "no broadband", Doc: "1 broadband stopped 停用, 0 in use", Codes: broadband},
	{Name: "bb_flow_kb", Type: i64, Monthly: true, Unit: KB, Null: "feed missing", Doc: "broadband volume"},
	{Name: "imei", Type: u64, Monthly: true, Null: "unknown", Doc: "14-digit IMEI (TAC 8 + SNR 6) of the month's main handset"},
	{Name: "elogin_cnt", Type: i16, Monthly: true, Unit: Count, Null: "not in scope of the e-channel", Doc: "e-channel logins"},
	{Name: "sex", Type: u8, Null: "unknown, as 0", Doc: "1 male, 2 female, 0 unknown", Codes: sexes},
	{Name: "birth_year", Type: i16, Null: "unknown", Doc: "year of birth"},
	{Name: "city_code", Type: u32, Null: "unknown", Doc: "home city"},
	{Name: "cell_city_code", Type: u32, Monthly: true, Null: "unknown", Doc: "city of the month's main cell"},
	{Name: "group_id", Type: u64, Null: "not a group member, as 0", Doc: "group customer 集团客户"},
	{Name: "fault_cnt_30d", Type: i16, Unit: Count, Null: "feed missing", Doc: "fault reports in the 30 days up to as-of, for t8_window rolling_30d"},
	{Name: "complaint_tags", Type: u8, Null: "no complaint text", Doc: "topics of the complaints in the window: bit 0 tariff 资费, 1 network 网络, 2 service 服务, 3 billing 计费, 4 SP or value-added 增值业务, 5 other; a text column becomes tags with keywords: true", Flags: topics},
	{Name: "complaint_justified", Type: u8, Null: "not decided", Doc: "justified complaint 有理投诉, by the work-order system: 1 yes, 0 no", Codes: yesNo},
	{Name: "silent_class", Type: u8, Null: "not classified", Doc: "silent users by IMEI: 0 not silent, 1 MULTI_SIM 一机多卡, 2 INTERNAL_TRANSFER 内部转网, 3 ARREARS_SUSPENDED, 4 ARREARS, 5 CANCELLED, 6 UNEXPLAINED, 7 IMEI_UNKNOWN, 8 IMEI_SHARED", Codes: silents},
	{Name: "city_cnt", Type: u8, Unit: Count, Null: "unknown", Doc: "cities the handset was used in during m"},
	{Name: "lifecycle_prev", Type: u8, Null: "first run", Doc: "lifecycle_stage of the version before: 1 trial 考察期, 2 forming 形成期, 3 stable 稳定期, 4 decline 衰退期", Codes: stages},
	{Name: "cause_confirmed", Type: u8, Null: "not asked", Doc: "churn cause a person confirmed, as cause", Codes: causes},
}

// Published is the record of a version, in file order: what the score stage makes
// of each subscriber alone, then what the select stage makes of the whole base.
// Every column is required.
var Published = slices.Concat(Score, Selected)

// ChallengerColumn is the column of a challenger's propensity.
func ChallengerColumn(name string) string { return "propensity_" + name }

// Reasons are the columns of Score that the select stage may write anew: for the rows
// whose reasons are worked out exactly, who they are being known by then.
var Reasons = Score[len(Score)-4:]

// ScoreWith is Score of a job with challengers of those names: behind the other
// columns, what each of them says of the subscriber.
func ScoreWith(challengers []string) []Column {
	record := slices.Clone(Score)
	for _, name := range challengers {
		record = append(record, Column{Name: ChallengerColumn(name), Type: f32, Doc: "churn propensity by challenger " + name + ", as propensity by the champion"})
	}
	return record
}

// PublishedWith is Published of a job with challengers of those names.
func PublishedWith(challengers []string) []Column {
	return slices.Concat(ScoreWith(challengers), Selected)
}

// Selected are the columns that say where a subscriber stands in the whole base
// (domain dossier C10). They are known only when every partition is scored.
var Selected = []Column{
	{Name: "action_priority_score", Type: u16, Null: "65535: NO_VALUE, no bill in three months", Doc: "行动优先级评分, 0 to 1000: 1000 × the share of the eligible base (RETAIN and HOLDOUT) with a lower expected_loss_fen, or what policy.priority names instead, equal ones counted half; 0 when nothing would be lost"},
	{Name: "action_priority", Type: u8, Doc: "0 NO_VALUE, 1 P1 the eligible base's top 1 %, 2 P2 the next 4 %, 3 P3 the next 15 %, 4 P4 the rest, 5 X excluded: neither RETAIN nor HOLDOUT", Codes: priorities},
}

// Score is what the score stage makes of each subscriber. Names and
// enumerations: domain dossier C03, C05, C08 to C11.
var Score = []Column{
	{Name: Key, Type: u64, Doc: "11-digit number"},
	{Name: "trg_fired", Type: u16, Doc: "bit i-1 = trigger i fired"},
	{Name: "trg_unknown", Type: u16, Doc: "bit i-1 = trigger i not evaluable; never set together with fired"},
	{Name: "trg_count", Type: u8, Unit: Count, Doc: "triggers fired"},
	{Name: "trg_first", Type: u8, Doc: "lowest trigger fired, 0 none"},
	{Name: "trg_reason", Type: u8, Doc: "why triggers are unknown or withheld: bit 0 GONE, 1 SHORT_HISTORY, 2 MISSING_VALUE, 3 HOLD", Flags: reasons},
	{Name: "warn", Type: u8, Doc: "1 = at least one trigger fired", Codes: yesNo},
	{Name: "dunning", Type: u8, Doc: "1 = T4 fired, start dunning 催缴", Codes: yesNo},
	{Name: "silent", Type: u8, Doc: "no call in m: 0 no, 1 yes, 2 unknown", Codes: yesNoMay},
	{Name: "silent_any", Type: u8, Doc: "no call, message or data in m: 0 no, 1 yes, 2 unknown", Codes: yesNoMay},
	{Name: "recent_silent", Type: u8, Doc: "silent in m, active in m-1: 0 no, 1 yes, 2 unknown", Codes: yesNoMay},
	{Name: "silent_run", Type: i8, Unit: Month, Null: "-1: unknown", Doc: "months since the last month with calls; 6 = none in the window"},
	{Name: "last_active_month", Type: i32, Null: "0: none in the window, or unknown", Doc: "yyyymm of the newest month with calls"},
	{Name: "account_state", Type: u8, Null: "0: unknown", Doc: "1 active, 2 voluntary hold, 3 one-way suspended, 4 arrears suspended 欠费停机, 5 pre-cancelled 预销号, 6 cancelled 销号, 7 ported out 携出, 8 in arrears, not suspended 欠费未停机", Codes: accounts},
	{Name: "arpu3_fen", Type: i64, Unit: Fen, Null: "-1: no bill in three months", Doc: "mean of the non-null fees of m-2..m, rounded half to even"},
	{Name: "value_tier", Type: u8, Null: "255: no bill in three months", Doc: "0 below the first cut point, 1 … 5 the cut point reached"},
	{Name: "propensity", Type: f32, Doc: "churn propensity 流失倾向, probability in [1e-6, 1-1e-6]"},
	{Name: "propensity_score", Type: u16, Doc: "流失倾向评分, round(1000·p)"},
	{Name: "risk_band", Type: u8, Doc: "1 lowest … 5 highest, by the policy's cut points"},
	{Name: "new_sub", Type: u8, Doc: "1 = fewer than three full months on network, 2 = tenure unknown", Codes: yesNoMay},
	{Name: "dq_bad_values", Type: u8, Unit: Count, Doc: "NaN, infinite or out-of-range input values read as missing, at most 255"},
	{Name: "expected_loss_fen", Type: i64, Unit: Fen, Null: "-1: NO_VALUE, no bill in three months", Doc: "round(p × max(arpu3, 0))"},
	{Name: "retain_decision", Type: u8, Doc: "1 RETAIN, 2 GIVE_UP_LOW_VALUE, 3 GIVE_UP_BAD_DEBT, 4 NO_CONTACT_DATA, 5 INVOLUNTARY, 6 GROUP_HANDLED, 7 MIGRANT, 8 DO_NOT_CONTACT, 9 HOLDOUT, 10 GONE, 11 NO_VALUE", Codes: decisions},
	{Name: "churn_label", Type: u8, Doc: "what became by m of the base at m - label_months: 0 stayed, 1 churned, 2 unknown, 3 not in the base then, 4 churned involuntarily 欠费离网", Codes: labels},
	{Name: "churn_kind", Type: u8, Doc: "kinds of churn: bit 0 SWITCH 转网, 1 BRAND_DOWN 品牌降级, 2 ARPU_DOWN 价值下降", Flags: kinds},
	{Name: "churn_kind_unknown", Type: u8, Doc: "the same bits: kinds that cannot be told; never set together with churn_kind", Flags: kinds},
	{Name: "churn_primary", Type: u8, Doc: "first kind of churn: 0 none, 1 SWITCH 转网, 2 BRAND_DOWN 品牌降级, 3 ARPU_DOWN 价值下降", Codes: primaries},
	{Name: "switch_state", Type: u8, Doc: "to another operator: 0 no, 1 suspected 疑似转网, 2 confirmed 确认转网, 3 unknown", Codes: switches},
	{Name: "lifecycle_stage", Type: u8, Null: "0: unknown", Doc: "1 trial 考察期, 2 forming 形成期, 3 stable 稳定期, 4 decline 衰退期", Codes: stages},
	{Name: "churn_stage", Type: u8, Doc: "how far leaving has come: 0 none, 1 early 前期 (risk band 2), 2 middle 中期 (3), 3 late 后期 (4, 5), 4 complete 完全流失", Codes: churnStages},
	{Name: "traffic_class", Type: u8, Null: "0: unknown", Doc: "voice a day in m against m-1, by the least of traffic_change_pct: 1 UP 上升, 2 DOWN 下降, 3 FLAT 持平, 4 APPEARED 出现, 5 VANISHED 消失", Codes: traffics},
	{Name: "traffic_steps", Type: u8, Unit: Count, Doc: "how many of traffic_change_pct the change reaches"},
	{Name: "grade", Type: u8, Doc: "VIP grade, the record's vip_grade or by the mean bill: 0 none, 1 silver 银卡, 2 gold 金卡, 3 diamond 钻石卡", Codes: vipGrades},
	{Name: "product_band", Type: u8, Doc: "services used in m: bit 0 voice 语音, 1 messages 短信, 2 data 数据, 3 broadband 宽带, 4 roaming 漫游, 5 e-channel 电子渠道, 6 group member 集团成员", Flags: services},
	{Name: "cause", Type: u8, Doc: "cause of churn: 0 not asked, 1 COMPETITOR 竞争对手争夺, 2 SERVICE 店大欺客, 3 NATURAL 自然流失, 4 INTEGRITY 诚信问题, 5 PRICE 资费, 6 NETWORK 网络, 7 PRODUCT_LAG 业务落后, 8 MULTI_SIM 一机多卡, 9 INTERNAL_TRANSFER 内部转网, 10 ARREARS 欠费, 11 CONTRACT_END 协议到期, 12 UNKNOWN 未知", Codes: append([]Code{{0, "not_asked", "未归因"}}, causes...)},
	{Name: "cause_evidence", Type: u16, Doc: "bit c-1 = evidence of cause c; a cause without its bit was confirmed by a person", Flags: evidence()},
	{Name: "offer", Type: u8, Doc: "retention offer: 0 NONE, 1 PERSONAL_VISIT 专人慰留, 2 DUNNING_REMINDER 催缴, 3 FIX_FIRST 先修复服务, 4 CONTRACT_RENEWAL 续签协议, 5 LONG_DISTANCE_PACK 长途优惠包, 6 MZONE_STUDENT 动感地带学生套餐, 7 GOTONE_BUSINESS 全球通商旅套餐, 8 SERVICE_CARE 服务关怀, 9 TARIFF_FIT 资费适配, 10 RECHARGE_BONUS 充值赠送, 11 GUIDE_AND_GIFT 使用引导与赠礼, 12 EXPERIENCE 业务体验, 13 PERSONAL_SERVICE 个性化服务, 14 WINBACK_SMS 短信赢回, 15 POINTS_OR_DISCOUNT 积分或折扣", Codes: Offers},
	{Name: "offer_line", Type: u8, Null: "0: no line holds", Doc: "line of policy.offers that gave the offer, from 1"},
	{Name: "complaint_topic", Type: u8, Doc: "lowest of complaint_tags: 0 none, 1 tariff 资费, 2 network 网络, 3 service 服务, 4 billing 计费, 5 SP or value-added 增值业务, 6 other 其它", Codes: complaintTopics()},
	{Name: "justified", Type: u8, Doc: "complaint_justified, justified complaint 有理投诉: 0 no, 1 yes, 2 not decided", Codes: yesNoMay},
	{Name: "rule_fired", Type: u64, Doc: "bit i-1 = the job's own rule i fired; the manifest's spec lists them"},
	{Name: "rule_unknown", Type: u64, Doc: "bit i-1 = the job's own rule i not evaluable; never set together with fired"},
	{Name: "tenure_class", Type: u8, Null: "0: tenure unknown", Doc: "full months on the network: 1 below 3, 2 from 3, 3 from 6, 4 from 12, 5 from 24, 6 from 60", Codes: tenures},
	{Name: "reason1", Type: u16, Null: "0: none", Doc: "why the propensity is high: 1 + the place, in the manifest's list of the model's features, of the one with the largest contribution above 0 to the raw score"},
	{Name: "reason2", Type: u16, Null: "0: none", Doc: "the same of the second largest contribution"},
	{Name: "reason3", Type: u16, Null: "0: none", Doc: "the same of the third largest contribution"},
	{Name: "reason_method", Type: u8, Doc: "how the reasons were found: 0 not at all, 1 path attribution 路径归因, 2 exact Shapley values 精确沙普利值", Codes: methods},
}

// Between returns the flat names of the months from to to, both included and
// counted back from the scoring month; of a column that is not monthly, its name
// for 0 to 0. It panics on months the column does not have, which is a bug.
func (c Column) Between(from, to int) []string { return c.Names()[from : to+1 : to+1] }

// Find returns the column of a record by its base name.
func Find(record []Column, name string) (Column, bool) {
	for _, c := range record {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// Must is Find for names that stand in the code. It panics when the record has no
// such column, because then the code is wrong and no input can make it right.
func Must(record []Column, name string) Column {
	c, ok := Find(record, name)
	if !ok {
		panic("schema: no column " + name)
	}
	return c
}
