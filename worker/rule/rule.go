// Package rule judges: the fourteen early-warning triggers (domain C03), the kinds
// of churn (C04), status and silence (C05), who is a new subscriber, who of an
// earlier base has left (C07), the stage of the lifecycle (C18) and the change of
// traffic (C19).
//
//	canonical columns ─┐
//	history columns ───┼─► triggers ─► trg_fired, trg_unknown, trg_reason, warn …
//	                   ├─► status ───► silent, silent_run, account_state …
//	                   ├─► new_sub
//	                   ├─► label ────► churn_label
//	                   ├─► kinds ────► churn_kind, churn_primary, switch_state …
//	                   ├─► change ───► traffic_class, traffic_steps
//	triggers, status ──┴─► lifecycle ► lifecycle_stage
//
// # Three values
//
// A trigger is TRUE, FALSE or UNKNOWN. A value a trigger needs and does not have
// makes it UNKNOWN, never FALSE. Where the dossier says when that is, its words
// are followed: T1, T2 and T6 are UNKNOWN when any month they need is missing.
// Elsewhere a conjunction is FALSE as soon as one part is known to be FALSE:
// a month with traffic ends "three months without traffic" whatever the other
// two were, and no service type makes a campus phone of one that has traffic.
//
// A trigger that needs k months is UNKNOWN, for SHORT_HISTORY, where fewer than
// k full months are known to belong to the subscriber. A full month is a
// calendar month on the network from its first day to its last. An unknown
// tenure limits nothing: the bills then stand for themselves.
//
// Money and percentages are integers throughout, good up to kernel.MoneyMax.
package rule

// Reasons, the bits of trg_reason.
const (
	// Gone: the status at m is cancelled or ported out; no trigger is evaluated.
	Gone = 1 << 0
	// ShortHistory: a trigger is UNKNOWN for want of full months on network.
	ShortHistory = 1 << 1
	// MissingValue: a trigger is UNKNOWN for want of a value.
	MissingValue = 1 << 2
	// Hold: voluntary hold; T2 and the activity arm of T3 were not evaluated and
	// count as FALSE.
	Hold = 1 << 3
)

// Codes of the canonical record (schema.Subscriber) that rules look for.
const (
	mobile    = 1 // service_type
	broadband = 4

	prepaid  = 1 // pay_mode
	postpaid = 2

	normal    = 1 // status
	held      = 2
	cancelled = 6
	portedOut = 7

	inArrears = 8 // account_state: owing, not suspended

	stopped = 1 // bb_status

	reluctant    = 2 // complaint_result
	dissatisfied = 3

	demolition   = 0 // event_flags, bits
	otherNetwork = 1
	relocation   = 2
	demandNotMet = 3
)
