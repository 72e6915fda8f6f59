// Package score puts a number on every subscriber and decides what to do.
//
//	fees ──────────► value ────► arpu3_fen, value_tier          (domain C08)
//	features ──────► propensity ► propensity, score, risk band  (C09)
//	both ──────────► loss ─────► expected_loss_fen              (C10)
//	all and record ► decision ─► retain_decision                (C11)
//
// What is published of a propensity is worked out from the published float32,
// so that whoever reads the file can work it out again.
package score
