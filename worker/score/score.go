// Package score puts a number on every subscriber and decides what to do.
//
//	fees ──────────► value ────► arpu3_fen, value_tier          (domain C08)
//	features ──────► propensity ► propensity, score, risk band  (C09)
//	both ──────────► loss ─────► expected_loss_fen              (C10)
//	all and record ► decision ─► retain_decision                (C11)
//	bills, use ────► grade, product ► grade, product_band       (C08)
//	risk band ─────► churn_stage                                (C18)
//	complaints ────► complaint ► complaint_topic, justified     (C23)
//	triggers … ────► cause ────► cause, cause_evidence          (C24)
//	all of these ──► offer ────► offer, offer_line              (C12)
//
// What is published of a propensity is worked out from the published float32,
// so that whoever reads the file can work it out again.
package score
