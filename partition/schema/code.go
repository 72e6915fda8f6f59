package schema

// Code is one value of a coded column, or one bit of a column of flags, and its
// names: in formulas, explanations and reports.
type Code struct {
	Value   uint8  // or the bit, from 0
	Name    string // English, one word: gotone
	Chinese string // 全球通
}

// Find returns the code called name in either language.
func (c Column) Find(name string) (Code, bool) {
	for _, code := range append(c.Codes[:len(c.Codes):len(c.Codes)], c.Flags...) {
		if code.Name == name || code.Chinese == name {
			return code, true
		}
	}
	return Code{}, false
}

// Label returns the code of a value, for a column whose values are codes.
func (c Column) Label(value uint8) (Code, bool) {
	for _, code := range c.Codes {
		if code.Value == value {
			return code, true
		}
	}
	return Code{}, false
}

// OtherTopic is the topic of a complaint that has no other.
const OtherTopic = "other"

// Code lists shared by columns of both records.
var (
	yesNo    = []Code{{0, "no", "否"}, {1, "yes", "是"}}
	yesNoMay = []Code{{0, "no", "否"}, {1, "yes", "是"}, {2, "unknown", "未知"}}

	serviceTypes = []Code{{1, "mobile", "移动电话"}, {2, "fixed_line", "固定电话"}, {3, "campus_phone", "校园电话"}, {4, "broadband", "宽带"}, {5, "group_line", "集团专线"}}
	payModes     = []Code{{0, "unknown", "未知"}, {1, "prepaid", "预付费"}, {2, "postpaid", "后付费"}}
	brands       = []Code{{0, "other", "其它"}, {1, "easyown", "神州行"}, {2, "mzone", "动感地带"}, {3, "gotone", "全球通"}}
	statuses     = []Code{{1, "normal", "正常"}, {2, "voluntary_hold", "停机保号"}, {3, "one_way_suspended", "单停"}, {4, "arrears_suspended", "欠费停机"}, {5, "pre_cancelled", "预销号"}, {6, "cancelled", "销号"}, {7, "ported_out", "携出"}}
	results      = []Code{{0, "none", "无"}, {1, "satisfied", "满意"}, {2, "reluctantly_agrees", "勉强同意"}, {3, "dissatisfied", "不满意"}, {4, "open", "处理中"}}
	vipClasses   = []Code{{0, "none", "无"}, {1, "a", "A类"}, {2, "b", "B类"}, {3, "c", "C类"}, {4, "d", "D类"}}
	vipGrades    = []Code{{0, "none", "无"}, {1, "silver", "银卡"}, {2, "gold", "金卡"}, {3, "diamond", "钻石卡"}}
	broadband    = []Code{{0, "in_use", "使用中"}, {1, "stopped", "停用"}}
	sexes        = []Code{{0, "unknown", "未知"}, {1, "male", "男"}, {2, "female", "女"}}
	silents      = []Code{{0, "not_silent", "有通话"}, {1, "multi_sim", "一机多卡"}, {2, "internal_transfer", "内部转网"}, {3, "arrears_suspended", "欠费停机"}, {4, "arrears", "欠费"}, {5, "cancelled", "销号"}, {6, "unexplained", "原因不明"}, {7, "imei_unknown", "终端不明"}, {8, "imei_shared", "终端共用"}}
	stages       = []Code{{0, "unknown", "未知"}, {1, "trial", "考察期"}, {2, "forming", "形成期"}, {3, "stable", "稳定期"}, {4, "decline", "衰退期"}}
	causes       = []Code{{1, "competitor", "竞争对手争夺"}, {2, "service", "店大欺客"}, {3, "natural", "自然流失"}, {4, "integrity", "诚信问题"}, {5, "price", "资费"}, {6, "network", "网络"}, {7, "product_lag", "业务落后"}, {8, "multi_sim", "一机多卡"}, {9, "internal_transfer", "内部转网"}, {10, "arrears", "欠费"}, {11, "contract_end", "协议到期"}, {12, "unknown", "未知"}}
	accounts     = []Code{{0, "unknown", "未知"}, {1, "active", "正常"}, {2, "voluntary_hold", "停机保号"}, {3, "one_way_suspended", "单停"}, {4, "arrears_suspended", "欠费停机"}, {5, "pre_cancelled", "预销号"}, {6, "cancelled", "销号"}, {7, "ported_out", "携出"}, {8, "arrears_not_suspended", "欠费未停机"}}
	decisions    = []Code{{1, "retain", "挽留"}, {2, "give_up_low_value", "放弃：低价值"}, {3, "give_up_bad_debt", "放弃：恶意欠费"}, {4, "no_contact_data", "资料不全"}, {5, "involuntary", "被动流失"}, {6, "group_handled", "集团负责"}, {7, "migrant", "异地用户"}, {8, "do_not_contact", "免打扰"}, {9, "holdout", "对照组"}, {10, "gone", "已离网"}, {11, "no_value", "无账单"}}
	labels       = []Code{{0, "stayed", "在网"}, {1, "churned", "流失"}, {2, "unknown", "未知"}, {3, "not_in_base", "不在期初用户内"}, {4, "involuntary", "欠费离网"}}
	primaries    = []Code{{0, "none", "无"}, {1, "switch", "转网"}, {2, "brand_down", "品牌降级"}, {3, "arpu_down", "价值下降"}}
	switches     = []Code{{0, "no", "否"}, {1, "suspected", "疑似转网"}, {2, "confirmed", "确认转网"}, {3, "unknown", "未知"}}
	churnStages  = []Code{{0, "none", "无"}, {1, "early", "前期"}, {2, "middle", "中期"}, {3, "late", "后期"}, {4, "complete", "完全流失"}}
	traffics     = []Code{{0, "unknown", "未知"}, {1, "up", "上升"}, {2, "down", "下降"}, {3, "flat", "持平"}, {4, "appeared", "出现"}, {5, "vanished", "消失"}}
	priorities   = []Code{{0, "no_value", "无账单"}, {1, "p1", "P1"}, {2, "p2", "P2"}, {3, "p3", "P3"}, {4, "p4", "P4"}, {5, "excluded", "排除"}}
	tenures      = []Code{{0, "unknown", "未知"}, {1, "below_3_months", "不足3个月"}, {2, "from_3_months", "3至5个月"}, {3, "from_6_months", "6至11个月"}, {4, "from_12_months", "12至23个月"}, {5, "from_24_months", "24至59个月"}, {6, "from_60_months", "60个月以上"}}
	methods      = []Code{{0, "none", "无"}, {1, "path", "路径归因"}, {2, "exact", "精确沙普利值"}}

	events   = []Code{{0, "demolition", "即将拆迁"}, {1, "other_network", "它网接入迹象"}, {2, "relocation_refused", "移机不能提供"}, {3, "demand_not_met", "业务需求不能满足"}, {4, "employer_pays", "企业报销"}, {5, "contact_incomplete", "资料不全"}, {6, "malicious_arrears", "恶意欠费"}, {7, "do_not_contact", "免打扰"}, {8, "student", "学生"}}
	topics   = []Code{{0, "tariff", "资费"}, {1, "network", "网络"}, {2, "service", "服务"}, {3, "billing", "计费"}, {4, "sp", "增值业务"}, {5, OtherTopic, "其它"}}
	kinds    = []Code{{0, "switch", "转网"}, {1, "brand_down", "品牌降级"}, {2, "arpu_down", "价值下降"}}
	services = []Code{{0, "voice", "语音"}, {1, "messages", "短信"}, {2, "data", "数据"}, {3, "broadband", "宽带"}, {4, "roaming", "漫游"}, {5, "e_channel", "电子渠道"}, {6, "group_member", "集团成员"}}
	reasons  = []Code{{0, "gone", "已离网"}, {1, "short_history", "在网时间短"}, {2, "missing_value", "缺值"}, {3, "hold", "停机保号"}}
)

// evidence are the bits of cause_evidence: every cause but unknown.
func evidence() []Code {
	var flags []Code
	for _, c := range causes {
		if c.Name != "unknown" {
			flags = append(flags, Code{c.Value - 1, c.Name, c.Chinese})
		}
	}
	return flags
}

// complaintTopics are the bits of complaint_tags counted from 1.
func complaintTopics() []Code {
	list := []Code{{0, "none", "无"}}
	for _, t := range topics {
		list = append(list, Code{t.Value + 1, t.Name, t.Chinese})
	}
	return list
}
