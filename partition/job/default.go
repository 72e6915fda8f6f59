package job

// Default returns the job file with nothing in it: every key that has a default
// has it here, and only name, month, input.path, model.path and output.path are
// still to be given. Callers own the result.
func Default() Spec {
	return Spec{
		Version: 1,
		Input: Input{
			Layout:        "wide",
			MissingMonths: "refuse",
			Digest:        "full",
			CSV:           CSV{Delimiter: ",", Header: true, Null: []string{"", `\N`, "NULL"}},
			Exclude:       Exclude{IoT: true},
		},
		Model:  Model{UndersamplingBeta: 1},
		Output: Output{Compression: "zstd"},
		Gates:  Gates{RejectShareMax: 0.01, DuplicateShareMax: 0.01},
		Run:    Run{PartitionRows: 250_000, BatchRows: 2048, MaxAttempts: 3},
		Rules: Rules{
			T1ThresholdFen:           [4]int64{170_000, 70_000, 30_000, 10_000},
			T2Mode:                   "four_point",
			T2BaseFen:                3500,
			T2DropPct:                40,
			T2BaseMonths:             "base_month",
			T3BalanceFen:             500,
			T3Activity:               "voice",
			T3PayModes:               "prepaid",
			T4ArrearsFen:             0,
			T6RequireStopped:         true,
			T7Seconds:                2400,
			T8Faults:                 2,
			T9Days:                   90,
			T11Mode:                  "within",
			T11Months:                2,
			HoldSuppresses:           true,
			ExcludePartialFirstMonth: true,
			FeeNormaliseDays:         false,
			BillShockPct:             150,
			BillShockFen:             2000,
			NewSubMonths:             3,
		},
		Policy: Policy{
			ValueCutFen:     [5]int64{3500, 12_000, 30_000, 70_000, 170_000},
			RiskBandCut:     [4]float64{0.02, 0.05, 0.15, 0.40},
			SaveRate:        0.20,
			Margin:          0.50,
			HorizonMonths:   12,
			ContactCostFen:  200,
			OfferCostFen:    1000,
			AcceptRate:      0.30,
			BadDebtFen:      10_000,
			BadDebtSuspends: 2,
			HoldoutPct:      5,
			GroupHandled:    true,
		},
	}
}
