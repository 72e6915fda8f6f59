package schema

import "strings"

// Offers are the retention offers (domain C12). In job files they are written in
// capitals.
var Offers = []Code{
	{0, "none", "不挽留"}, {1, "personal_visit", "专人慰留"}, {2, "dunning_reminder", "催缴"}, {3, "fix_first", "先修复服务"},
	{4, "contract_renewal", "续签协议"}, {5, "long_distance_pack", "长途优惠包"}, {6, "mzone_student", "动感地带学生套餐"}, {7, "gotone_business", "全球通商旅套餐"},
	{8, "service_care", "服务关怀"}, {9, "tariff_fit", "资费适配"}, {10, "recharge_bonus", "充值赠送"}, {11, "guide_and_gift", "使用引导与赠礼"},
	{12, "experience", "业务体验"}, {13, "personal_service", "个性化服务"}, {14, "winback_sms", "短信赢回"}, {15, "points_or_discount", "积分或折扣"},
}

// FindOffer returns the offer of a name in a job file, in capitals.
func FindOffer(name string) (Code, bool) {
	for _, o := range Offers {
		if strings.ToUpper(o.Name) == name {
			return o, true
		}
	}
	return Code{}, false
}

// OfferConditions are what a line of the offer matrix can ask for (domain C12),
// a word each.
var OfferConditions = []string{
	"not_retained", // the decision is another than RETAIN
	"vip",          // a VIP grade, or a large-customer class
	"t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t13", "t14",
	"network_cause", "price_cause", // the cause
	"student",       // of student_age, and a campus phone or marked as a student
	"traveller",     // roams for roam_share_pct of the voice, or through roam_cities cities
	"employer_pays", // by event
	"bill_shock",
	"low_balance",                                                 // prepaid and below t3_balance_fen
	"stage_early", "stage_middle", "stage_late", "stage_complete", // churn_stage
	"always",
}
