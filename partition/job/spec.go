// Package job is what a user asks for and what comes back: the job file, its
// validation, its canonical form and digest, the public states of a job, and
// the results and counts that workers report and the ledger keeps.
package job

import (
	"maps"
	"slices"

	"rescore/partition/schema"
)

// Spec is a job file. Defaults are what Default returns; Validate reports every
// problem at once. Paths are as written; relative ones are relative to the job
// file's folder. The yaml tags are the keys of the file, of --set, and, in
// capitals with RESCORE_ before and __ between levels, of the environment.
type Spec struct {
	Version int    `yaml:"version" json:"version" jsonschema:"enum=1"`                                              // format of this file: 1
	Name    string `yaml:"name" json:"name" jsonschema:"required,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9_-]*$"` // the dataset's name: letters, digits, - and _
	Month   int32  `yaml:"month" json:"month" jsonschema:"required,minimum=200001,maximum=209912"`                  // scoring month m, yyyymm; never "today"
	// Kind is score (default), or prepare: sort unsorted exports into a base, with one
	// row a number, which rescore prepare does. A preparation has no model, rules or policy.
	Kind string `yaml:"kind" json:"kind,omitempty" jsonschema:"enum=score,enum=prepare"`

	Input   Input   `yaml:"input" json:"input" jsonschema:"required"`
	Prepare Prepare `yaml:"prepare" json:"prepare,omitzero"` // of kind: prepare alone
	Model   Model   `yaml:"model" json:"model"`              // of kind: score
	Files   Files   `yaml:"files" json:"-"`                  // read into the other keys: outside the digest
	Rules   Rules   `yaml:"rules" json:"rules"`
	Policy  Policy  `yaml:"policy" json:"policy"`
	Output  Output  `yaml:"output" json:"output" jsonschema:"required"`
	Gates   Gates   `yaml:"gates" json:"gates"`
	Run     Run     `yaml:"run" json:"-"` // how, not what: outside the digest

	// Features are the users' own features, by name: a formula, or {formula, unit, doc}.
	Features []Formula `yaml:"features" json:"features,omitempty"`
	// Custom are the users' own rules, by name: a condition, or {when, doc}.
	Custom []Formula `yaml:"custom_rules" json:"custom_rules,omitempty"`
}

// Files are files of their own beside the job file, for teams that share rules
// and policies among jobs. Relative paths are relative to the job file's folder.
// What the job file itself says comes later and wins.
type Files struct {
	Rules    string `yaml:"rules" json:"rules,omitempty"`       // the users' own rules, by name; and under thresholds, the keys of rules
	Policy   string `yaml:"policy" json:"policy,omitempty"`     // the keys of policy
	Features string `yaml:"features" json:"features,omitempty"` // the users' own features, by name
}

// Formula is a feature or a rule that a user wrote, in the language of package
// formula. In a file it is its text under its name, or a table.
type Formula struct {
	Name string      `yaml:"-" json:"name"`
	Text string      `yaml:"formula" json:"text"`        // the expression; of a rule, under when
	Unit schema.Unit `yaml:"unit" json:"unit,omitempty"` // of a feature; worked out when empty
	Doc  string      `yaml:"doc" json:"doc,omitempty"`   // what it is for
	At   Place       `yaml:"-" json:"-"`                 // where Text stands
}

// Prepare says how exports in any order become a base in the order of its numbers.
// Every column is kept as it is, but the number's, which is written as an integer.
type Prepare struct {
	// Load is the column that says when a row was loaded: of the rows of a number the one
	// with the highest value is kept. Without one, and where it is the same, the row of the
	// last file by name is, and in a file the last row.
	Load string `yaml:"load" json:"load"`
	// LoadFormat of a load that is text: a Go layout, such as 02/01/2006 15:04:05. Without
	// one, digits are a number, and other text is compared as it stands, which is right
	// when the year comes first.
	LoadFormat string `yaml:"load_format" json:"load_format"`
	// Keep is latest (default), or all: every row of every number, of a number the last
	// one first. It is for long tables, of which input.tables is made.
	Keep string `yaml:"keep" json:"keep,omitempty" jsonschema:"enum=latest,enum=all"`
	// Format of the base: parquet (default), or arrow: IPC files, which output.compression
	// leaves as they are or packs with zstd.
	Format string `yaml:"format" json:"format,omitempty" jsonschema:"enum=parquet,enum=arrow"`
	// Types of text columns that are to be written as numbers: int64 or float64, by
	// name. A row whose value is no such number is rejected. Other text stays text.
	Types map[string]string `yaml:"types" json:"types"`
	// MemoryMB is how much memory a task sorts or merges in, in MB: a worker takes it once
	// a slot. Default 256.
	MemoryMB int `yaml:"memory_mb" json:"memory_mb" jsonschema:"minimum=16,maximum=1048576"`
}

// Input is where the base is and how its columns map to the canonical record.
type Input struct {
	// Format is parquet, arrow or csv. Defaults to the extension of the files found.
	Format string `yaml:"format" json:"format" jsonschema:"enum=parquet,enum=arrow,enum=csv"`
	// Path is a file, a folder or a glob. With layout months it holds {month}
	// (yyyymm), as in usage/month={month}.
	Path string `yaml:"path" json:"path" jsonschema:"required"`
	// Layout is wide (one row per subscriber, months are columns; the default)
	// or months (one folder or file per month, joined by number).
	Layout string `yaml:"layout" json:"layout" jsonschema:"enum=wide,enum=months"`
	// MissingMonths is refuse (default) or null: what a month without files means
	// under layout months. The scoring month itself is always required.
	MissingMonths string `yaml:"missing_months" json:"missing_months" jsonschema:"enum=refuse,enum=null"`
	// Digest is full (default: BLAKE3 of every input file), sha256 (SHA-256 of every
	// input file, which one core works out for each) or footer (names, sizes, last
	// 64 KiB and the key column only; faster on a very large base).
	Digest string `yaml:"digest" json:"digest" jsonschema:"enum=full,enum=sha256,enum=footer"`
	// MakeNumbers, when not 0, numbers the rows of an input that has no numbers:
	// row i becomes MakeNumbers+i. For data sets without MSISDNs only.
	MakeNumbers uint64 `yaml:"make_numbers" json:"make_numbers" jsonschema:"minimum=0,maximum=19999999999"`
	CSV         CSV    `yaml:"csv" json:"csv"`
	// Control is what each file is held to before anything is scored.
	Control Control `yaml:"control" json:"control,omitzero"`
	// Columns maps canonical names (schema.Subscriber) to the input's. A canonical
	// column that is not named here is looked up under its own canonical name.
	Columns map[string]Mapping `yaml:"columns" json:"columns"`
	// Extra columns pass straight through to the model under their own name.
	Extra []Extra `yaml:"extra" json:"extra"`
	// Tables of events, many of a number, that columns are aggregated from: at most 16.
	Tables []Table `yaml:"tables" json:"tables,omitempty" jsonschema:"maxItems=16"`
	// Exclude keeps rows out of the version by declared policy; they are counted.
	Exclude Exclude `yaml:"exclude" json:"exclude"`
}

// Table is a long table: events of subscribers, any number of each, such as complaints,
// payments or campaign contacts. Its rows are in the order of their numbers, as rescore
// prepare makes them with prepare.keep: all; in what order a number's events are does
// not matter.
type Table struct {
	Name   string `yaml:"name" json:"name" jsonschema:"required,maxLength=32,pattern=^[A-Za-z][A-Za-z0-9_]*$"` // it stands before its files' names: letters, digits and _
	Path   string `yaml:"path" json:"path" jsonschema:"required"`                                              // a file, a folder or a glob
	Format string `yaml:"format" json:"format,omitempty" jsonschema:"enum=parquet,enum=arrow,enum=csv"`        // as input.format
	CSV    CSV    `yaml:"csv" json:"csv"`                                                                      // as input.csv, and not the same unless it says so
	Number string `yaml:"number" json:"number"`                                                                // column of the subscriber's number; default msisdn
	Time   string `yaml:"time" json:"time" jsonschema:"required"`                                              // column that says when the event was
	// Control is what each of its files is held to, as input.control.
	Control Control `yaml:"control" json:"control,omitzero"`
	// TimeFormat of a time that is text: a Go layout; without one 2006-01-02, 20060102,
	// 2006/1/2 and 20060102150405 are read, the first with a time of day behind it. Of a
	// time that is a whole number: unix (seconds) or unix_ms; without one it is written
	// as 20060102 or 20060102150405.
	TimeFormat string `yaml:"time_format" json:"time_format,omitempty"`
	// Zone is what the calendar is read in, such as +08:00, where the time is an instant:
	// of type timestamp, unix, or text that names its own zone. Default: as it stands.
	Zone string `yaml:"zone" json:"zone,omitempty"`
	// Months that the table holds, the scoring month and those before it. In earlier
	// ones its monthly columns are null: a feed that is not there is no feed without
	// events. Default 6.
	Months int `yaml:"months" json:"months" jsonschema:"minimum=1,maximum=6"`
	// Columns that the table fills: canonical ones, or extra ones by a name of their own.
	Columns map[string]Aggregate `yaml:"columns" json:"columns" jsonschema:"required"`
}

// Aggregate is how events become one value: of a monthly column one of each month's, of
// another one of all within the last months or days. Nulls are left out, as in SQL.
type Aggregate struct {
	// Function is count (of events), count_distinct (of values), sum, avg, min, max, first
	// or last by time (of the same time, by the order of the rows), or bit_or.
	Function string           `yaml:"function" json:"function" jsonschema:"required,enum=count,enum=count_distinct,enum=sum,enum=avg,enum=min,enum=max,enum=first,enum=last,enum=bit_or"`
	Column   string           `yaml:"column" json:"column,omitempty"`     // of the table; count has none
	Unit     schema.Unit      `yaml:"unit" json:"unit,omitempty"`         // of the column's values, as in input.columns; each is converted before it is added up
	Values   map[string]int64 `yaml:"values" json:"values,omitempty"`     // text of the column to codes, as in input.columns
	Format   string           `yaml:"format" json:"format,omitempty"`     // of a column of dates, as in input.columns
	Keywords bool             `yaml:"keywords" json:"keywords,omitempty"` // as in input.columns, of complaint_tags
	// Where keeps the events whose columns hold one of the texts listed of each.
	Where map[string][]string `yaml:"where" json:"where,omitempty"`
	// Months up to the scoring month, of a column that is not monthly. Default: the table's.
	Months int `yaml:"months" json:"months,omitempty" jsonschema:"minimum=0,maximum=6"`
	// Days up to the last of the scoring month, instead of months.
	Days int `yaml:"days" json:"days,omitempty" jsonschema:"minimum=0,maximum=3660"`
	// Empty is the value where there is no event: 0 of counts, and null of others.
	Empty *int64 `yaml:"empty" json:"empty,omitempty"`
}

// The encodings of delimited text.
const (
	EncodingUTF8    = "utf-8" // with or without byte-order mark
	EncodingGBK     = "gbk"
	EncodingGB18030 = "gb18030"
)

// CSV says how to read delimited text. The canonical form leaves out the keys that
// have their default where it says omitempty.
type CSV struct {
	Delimiter string   `yaml:"delimiter" json:"delimiter" jsonschema:"minLength=1,maxLength=8"`                  // ASCII, default ","
	Header    bool     `yaml:"header" json:"header"`                                                             // default true; otherwise columns are c0, c1, …
	Null      []string `yaml:"null" json:"null"`                                                                 // default "", \N, NULL
	Encoding  string   `yaml:"encoding" json:"encoding,omitempty" jsonschema:"enum=utf-8,enum=gbk,enum=gb18030"` // default utf-8
	Quote     string   `yaml:"quote" json:"quote,omitempty" jsonschema:"enum=double,enum=none"`                  // double (default): as in RFC 4180; none: a quote is text
	Escape    string   `yaml:"escape" json:"escape,omitempty" jsonschema:"enum=none,enum=backslash"`             // none (default): a backslash is text
}

// Control says that a small file beside each file of the input states what that one
// holds, as the systems that export it write when they are done. Without a suffix there
// is none.
type Control struct {
	Suffix    string   `yaml:"suffix" json:"suffix,omitempty"`                                                                                      // of its name, in place of the file's own or behind it
	Delimiter string   `yaml:"delimiter" json:"delimiter,omitempty" jsonschema:"minLength=1,maxLength=8"`                                           // between its fields; without it blanks
	Fields    []string `yaml:"fields" json:"fields,omitempty" jsonschema:"enum=file,enum=rows,enum=bytes,enum=md5,enum=sha1,enum=sha256,enum=skip"` // in order; rows without the header
}

// Mapping says where a canonical column comes from.
type Mapping struct {
	// Column is the input's name. For a monthly column under layout wide it holds
	// {month} (yyyymm), or {k} (months back, 0 = scoring month).
	Column string `yaml:"column" json:"column,omitempty"`
	// Months lists a monthly column's six or fewer input names, newest first; ""
	// is a month the input lacks. Instead of Column.
	Months []string `yaml:"months" json:"months,omitempty" jsonschema:"minItems=1,maxItems=6"`
	// Unit of the input's values; the canonical unit when empty.
	Unit schema.Unit `yaml:"unit" json:"unit,omitempty"`
	// Values maps text to codes, as in {"男": 1, "女": 2}. Text not listed is a
	// bad value: read as missing and counted.
	Values map[string]int64 `yaml:"values" json:"values,omitempty"`
	// Format of a date: a Go layout; default 2006-01-02, 20060102 and 2006/1/2 are tried.
	Format string `yaml:"format" json:"format,omitempty"`
	// Keywords tags a text column by policy.complaint_keywords: for complaint_tags.
	Keywords bool `yaml:"keywords" json:"keywords,omitempty"`
	// Constant gives every row this value and reads no column.
	Constant *int64 `yaml:"constant" json:"constant,omitempty"`
}

// Extra is a passed-through column: a number as float64, or text by code.
type Extra struct {
	Name   string   `yaml:"name" json:"name" jsonschema:"required"` // the name features are bound to
	Column string   `yaml:"column" json:"column,omitempty"`         // the input's name; Name when empty
	Values []string `yaml:"values" json:"values,omitempty"`         // text categories: value i becomes code i
}

// Exclude lists the declared reasons to keep a row out.
type Exclude struct {
	// IoT excludes 13-digit IoT numbers (default true) instead of rejecting them.
	IoT bool `yaml:"iot" json:"iot"`
	// Segments excludes 7-digit prefixes, such as test numbers.
	Segments []uint32 `yaml:"segments" json:"segments" jsonschema:"minimum=1300000,maximum=1999999"`
	// ServiceTypes excludes rows of these service types.
	ServiceTypes []uint32 `yaml:"service_types" json:"service_types" jsonschema:"minimum=1,maximum=5"`
}

// Model names the propensity model.
type Model struct {
	Path string `yaml:"path" json:"path" jsonschema:"required"` // a model file (LightGBM text, XGBoost .json or .ubj, PMML, YAML scorecard), or the folder of a model package; builtin:baseline and builtin:triggers are in the binary
	// Features binds the model's feature names to features, canonical columns or
	// extra columns, over what a package says; a name not listed is bound as the
	// package says, or to the column of the same name.
	Features map[string]string `yaml:"features" json:"features"`
	// UndersamplingBeta is the fraction of non-churners kept in training: p is
	// corrected to β·p/(β·p − p + 1). Default 1: the package's own, or none.
	UndersamplingBeta float64     `yaml:"undersampling_beta" json:"undersampling_beta" jsonschema:"exclusiveMinimum=0,maximum=1"`
	Reasons           Explanation `yaml:"reasons" json:"reasons"` // how reason1 to reason3 are found
	// Challengers are models that score every row beside this one, the champion, in
	// the same read: at most 8. Decisions are the champion's; propensity_<name> is
	// published of each, and how far it agrees with the champion.
	Challengers []Challenger `yaml:"challengers" json:"challengers,omitempty" jsonschema:"maxItems=8"`
}

// Explanation says how the features that raise a subscriber's score most are found.
type Explanation struct {
	// Method is path (default), which follows each row through the trees and costs
	// about as much as scoring it again, or none.
	Method string `yaml:"method" json:"method" jsonschema:"enum=path,enum=none"`
	// Exact is whose reasons are found by exact Shapley values instead, once the
	// whole base is ranked: none (default), contact (whom the decision is to retain),
	// or top (the base that is ranked). Within exact_pct.
	Exact string `yaml:"exact" json:"exact" jsonschema:"enum=none,enum=contact,enum=top"`
	// ExactPct is the budget of exact: at most this share of the ranked base, in
	// percent, the highest action priorities. Default 1.
	ExactPct float64 `yaml:"exact_pct" json:"exact_pct" jsonschema:"minimum=0,maximum=100"`
}

// Exactly reports whether anybody's reasons are to be exact.
func (e Explanation) Exactly() bool { return e.Exact == "contact" || e.Exact == "top" }

// Challenger is a model beside the champion.
type Challenger struct {
	Name string `yaml:"name" json:"name" jsonschema:"required,maxLength=32,pattern=^[A-Za-z][A-Za-z0-9_]*$"` // names its column, propensity_<name>: letters, digits and _
	Path string `yaml:"path" json:"path" jsonschema:"required"`                                              // as model.path
	// Features binds the challenger's own feature names, as model.features does.
	Features map[string]string `yaml:"features" json:"features,omitempty"`
	// UndersamplingBeta is the challenger's own, as model.undersampling_beta. Default 1.
	UndersamplingBeta float64 `yaml:"undersampling_beta" json:"undersampling_beta" jsonschema:"exclusiveMinimum=0,maximum=1"`
}

// Output is where versions are published.
type Output struct {
	Path string `yaml:"path" json:"path" jsonschema:"required"` // folder of the dataset
	// Compression of score files: none (default), zstd or snappy.
	Compression string `yaml:"compression" json:"compression" jsonschema:"enum=none,enum=zstd,enum=snappy"`
}

// Gates are the limits a version must keep to be published.
type Gates struct {
	// RejectShareMax is the largest share of rejected rows. Default 0.01.
	RejectShareMax float64 `yaml:"reject_share_max" json:"reject_share_max" jsonschema:"minimum=0,maximum=1"`
	// DuplicateShareMax is the largest share of duplicate rows. Default 0.01; in a
	// preparation 1, for duplicates are what it is for.
	DuplicateShareMax float64 `yaml:"duplicate_share_max" json:"duplicate_share_max" jsonschema:"minimum=0,maximum=1"`
	// PSIMax is the largest population stability index of the propensity against the
	// bins of the model's package, such as 0.25. Default 0: none is asked for.
	PSIMax float64 `yaml:"psi_max" json:"psi_max,omitempty" jsonschema:"minimum=0"`
	// ScoredShareMin is the smallest share of the rows that are not excluded that must be
	// scored: the coverage. Default 0: none is asked for.
	ScoredShareMin float64 `yaml:"scored_share_min" json:"scored_share_min,omitempty" jsonschema:"minimum=0,maximum=1"`
	// NullShareMax is, by canonical column that the job reads (fee_m0), the largest share
	// of the scored rows whose value may be missing. Columns that are not listed may be
	// missing everywhere.
	NullShareMax map[string]float64 `yaml:"null_share_max" json:"null_share_max,omitempty"`
}

// Nulls returns the columns whose missing values are counted, in the order of
// Result.Nulls.
func (g Gates) Nulls() []string { return slices.Sorted(maps.Keys(g.NullShareMax)) }

// Run says how to run: it changes neither rows nor the version's digest.
type Run struct {
	Workers       int    `yaml:"workers" jsonschema:"minimum=0,maximum=4096"`              // scoring goroutines; default one per core
	PartitionRows int64  `yaml:"partition_rows" jsonschema:"minimum=1,maximum=1000000000"` // rows per partition, default 524288; a segment (at most 10 000 numbers) is never split
	BatchRows     int    `yaml:"batch_rows" jsonschema:"minimum=1,maximum=65536"`          // rows per Arrow batch, default 2048
	Work          string `yaml:"work"`                                                     // folder of the raft log and the lock; default .rescore/<name> beside the job file
	MaxAttempts   int    `yaml:"max_attempts" jsonschema:"minimum=1,maximum=100"`          // attempts of a partition before the job stops, default 3
}

// Rules are the thresholds of the 14 triggers (dossier C03 and §11) and of the
// feature window. Money in fen.
type Rules struct {
	T1ThresholdFen           [4]int64 `yaml:"t1_threshold_fen" json:"t1_threshold_fen" jsonschema:"minimum=0,maximum=1000000000000"`                  // classes A, B, C, D: 170000, 70000, 30000, 10000
	T2Mode                   string   `yaml:"t2_mode" json:"t2_mode" jsonschema:"enum=four_point,enum=three_point,enum=sum_of_mom,enum=non_monotone"` // four_point (default), three_point, sum_of_mom, non_monotone
	T2BaseFen                int64    `yaml:"t2_base_fen" json:"t2_base_fen" jsonschema:"minimum=0,maximum=1000000000000"`                            // 3500, inclusive
	T2DropPct                int64    `yaml:"t2_drop_pct" json:"t2_drop_pct" jsonschema:"minimum=0,maximum=1000"`                                     // 40, inclusive
	T2BaseMonths             string   `yaml:"t2_base_months" json:"t2_base_months" jsonschema:"enum=base_month,enum=mean3"`                           // base_month (default) or mean3: the mean of m-5..m-3
	T3BalanceFen             int64    `yaml:"t3_balance_fen" json:"t3_balance_fen" jsonschema:"minimum=0,maximum=1000000000000"`                      // 500, exclusive
	T3Activity               string   `yaml:"t3_activity" json:"t3_activity" jsonschema:"enum=voice,enum=any"`                                        // voice (default) or any
	T3PayModes               string   `yaml:"t3_pay_modes" json:"t3_pay_modes" jsonschema:"enum=prepaid,enum=all"`                                    // prepaid (default) or all: for the activity arm
	T4ArrearsFen             int64    `yaml:"t4_arrears_fen" json:"t4_arrears_fen" jsonschema:"minimum=0,maximum=1000000000000"`                      // 0, exclusive
	T6RequireStopped         bool     `yaml:"t6_require_stopped" json:"t6_require_stopped"`                                                           // true
	T7Seconds                int64    `yaml:"t7_seconds" json:"t7_seconds" jsonschema:"minimum=0,maximum=1000000000"`                                 // 2400, exclusive
	T8Faults                 int64    `yaml:"t8_faults" json:"t8_faults" jsonschema:"minimum=0,maximum=32767"`                                        // 2, inclusive
	T9Days                   int64    `yaml:"t9_days" json:"t9_days" jsonschema:"minimum=0,maximum=36500"`                                            // 90
	T11Mode                  string   `yaml:"t11_mode" json:"t11_mode" jsonschema:"enum=within,enum=exact_month"`                                     // within (default) or exact_month
	T11Months                int      `yaml:"t11_months" json:"t11_months" jsonschema:"minimum=0,maximum=120"`                                        // 2
	HoldSuppresses           bool     `yaml:"hold_suppresses" json:"hold_suppresses"`                                                                 // true: voluntary hold suppresses T2 and T3's activity arm
	ExcludePartialFirstMonth bool     `yaml:"exclude_partial_first_month" json:"exclude_partial_first_month"`                                         // true
	FeeNormaliseDays         bool     `yaml:"fee_normalise_days" json:"fee_normalise_days"`                                                           // false: fees are compared raw, usage per 30 days
	BillShockPct             int64    `yaml:"bill_shock_pct" json:"bill_shock_pct" jsonschema:"minimum=0,maximum=100000"`                             // 150, inclusive
	BillShockFen             int64    `yaml:"bill_shock_fen" json:"bill_shock_fen" jsonschema:"minimum=0,maximum=1000000000000"`                      // 2000, inclusive
	NewSubMonths             int      `yaml:"new_sub_months" json:"new_sub_months" jsonschema:"minimum=0,maximum=120"`                                // 3
	T5ServiceTypes           []uint32 `yaml:"t5_service_types" json:"t5_service_types" jsonschema:"minimum=1,maximum=5"`                              // 3: service types that are campus phones
	T8Window                 string   `yaml:"t8_window" json:"t8_window" jsonschema:"enum=calendar_month,enum=rolling_30d"`                           // calendar_month (default) or rolling_30d, from fault_cnt_30d

	// Who is silent to the kinds of churn and to the lifecycle: whoever made no call,
	// or whoever did not use the network at all.
	SilentActivity string `yaml:"silent_activity" json:"silent_activity" jsonschema:"enum=calls,enum=any"` // calls (default) or any: silent or silent_any is read

	// The three kinds of churn (C04).
	ChurnTierFen [2]int64 `yaml:"churn_tier_fen" json:"churn_tier_fen" jsonschema:"minimum=0,maximum=1000000000000"` // 3500, 12000: from here middle, from here high
	ArpuDropPct  int64    `yaml:"arpu_drop_pct" json:"arpu_drop_pct" jsonschema:"minimum=0,maximum=100"`             // 20, inclusive
	// The churn label (C07): who of the base at m-h is gone at m.
	LabelRule          string `yaml:"label_rule" json:"label_rule" jsonschema:"enum=status_or_silent,enum=status,enum=no_usage,enum=no_recharge"` // status_or_silent (default), status, no_usage, no_recharge
	LabelMonths        int    `yaml:"label_months" json:"label_months" jsonschema:"minimum=1,maximum=5"`                                          // h = 1; 3 for final labels
	LabelExcludeJoined bool   `yaml:"label_exclude_joined" json:"label_exclude_joined"`                                                           // false: true leaves out those who joined in m-h
	// The lifecycle (C18).
	TrialMonths         int     `yaml:"trial_months" json:"trial_months" jsonschema:"minimum=0,maximum=120"`                 // 3: below, 考察期
	StableMonths        int     `yaml:"stable_months" json:"stable_months" jsonschema:"minimum=0,maximum=240"`               // 12: below, 形成期
	StableSlopePct      float64 `yaml:"stable_slope_pct" json:"stable_slope_pct" jsonschema:"minimum=0,maximum=100"`         // 5: a fee falling by at most this a month is stable
	DeclineSlopePct     float64 `yaml:"decline_slope_pct" json:"decline_slope_pct" jsonschema:"minimum=0,maximum=100"`       // 10: falling by more is decline
	DeclineTriggers     int     `yaml:"decline_triggers" json:"decline_triggers" jsonschema:"minimum=1,maximum=15"`          // 2 triggers fired are decline
	DeclineSilentMonths int     `yaml:"decline_silent_months" json:"decline_silent_months" jsonschema:"minimum=1,maximum=7"` // 1 silent month is decline; 7 never
	// Change of traffic (C19), rising.
	TrafficChangePct []int64 `yaml:"traffic_change_pct" json:"traffic_change_pct" jsonschema:"minItems=1,maxItems=4,minimum=1,maximum=10000"` // 30: the Ns of N %
}

// Policy is the retention policy (dossier C08, C10, C11).
type Policy struct {
	ValueCutFen     [5]int64   `yaml:"value_cut_fen" json:"value_cut_fen" jsonschema:"minimum=0,maximum=1000000000000"`       // 3500, 12000, 30000, 70000, 170000
	RiskBandCut     [4]float64 `yaml:"risk_band_cut" json:"risk_band_cut" jsonschema:"minimum=0,maximum=1"`                   // 0.02, 0.05, 0.15, 0.40
	SaveRate        float64    `yaml:"save_rate" json:"save_rate" jsonschema:"minimum=0,maximum=1"`                           // s = 0.20
	Margin          float64    `yaml:"margin" json:"margin" jsonschema:"minimum=0,maximum=1"`                                 // g = 0.50
	HorizonMonths   float64    `yaml:"horizon_months" json:"horizon_months" jsonschema:"minimum=0,maximum=120"`               // T = 12
	ContactCostFen  int64      `yaml:"contact_cost_fen" json:"contact_cost_fen" jsonschema:"minimum=0,maximum=1000000000000"` // 200
	OfferCostFen    int64      `yaml:"offer_cost_fen" json:"offer_cost_fen" jsonschema:"minimum=0,maximum=1000000000000"`     // 1000
	AcceptRate      float64    `yaml:"accept_rate" json:"accept_rate" jsonschema:"minimum=0,maximum=1"`                       // a = 0.30
	BadDebtFen      int64      `yaml:"bad_debt_fen" json:"bad_debt_fen" jsonschema:"minimum=0,maximum=1000000000000"`         // 10000
	BadDebtSuspends int64      `yaml:"bad_debt_suspends" json:"bad_debt_suspends" jsonschema:"minimum=0,maximum=32767"`       // 2 earlier suspensions in the window
	HoldoutPct      int        `yaml:"holdout_pct" json:"holdout_pct" jsonschema:"minimum=0,maximum=100"`                     // 5
	HoldoutSeed     uint64     `yaml:"holdout_seed" json:"holdout_seed"`                                                      // 0: the campaign's key
	HoldoutVIP      bool       `yaml:"holdout_vip" json:"holdout_vip"`                                                        // false: VIP and classes A to D are never held out
	GroupHandled    bool       `yaml:"group_handled" json:"group_handled"`                                                    // true: group members on a company-paid plan are GROUP_HANDLED
	VIPGradeFen     [3]int64   `yaml:"vip_grade_fen" json:"vip_grade_fen" jsonschema:"minimum=0,maximum=1000000000000"`       // 30000, 70000, 170000: silver, gold, diamond, where the record has no grade
	PriorityCutPct  [3]float64 `yaml:"priority_cut_pct" json:"priority_cut_pct" jsonschema:"minimum=0,maximum=100"`           // 1, 5, 20: P1 is the top 1 %, P2 to 5 %, P3 to 20 %
	// Priority is what subscribers are ranked by (C10): expected_loss (default), the
	// loss p·ARPU of a month; clv, the margin lost over the months the subscriber
	// would else stay; uplift, what retaining brings beyond its cost; or weighted, the
	// ranks of p and of ARPU, weighed.
	Priority       string     `yaml:"priority" json:"priority" jsonschema:"enum=expected_loss,enum=weighted,enum=clv,enum=uplift"`
	PriorityWeight float64    `yaml:"priority_weight" json:"priority_weight" jsonschema:"minimum=0,maximum=1"`   // weighted: w = 0.5, the weight of p's rank; the ARPU's has 1 - w
	ClvChurn       [7]float64 `yaml:"clv_churn" json:"clv_churn" jsonschema:"exclusiveMinimum=0,maximum=1"`      // clv: monthly churn of those on network for up to 3, 6, 12, 24, 60 full months, for longer, and for unknown time
	UpliftSaveRate [5]float64 `yaml:"uplift_save_rate" json:"uplift_save_rate" jsonschema:"minimum=0,maximum=1"` // uplift: save rate by risk_band, lowest first: 0.20, 0.25, 0.25, 0.20, 0.10; assumptions, to be measured against the holdout
	// Offers is the retention offer matrix (C12): the first line whose condition holds.
	Offers       []Offer  `yaml:"offers" json:"offers" jsonschema:"minItems=1,maxItems=28"`
	StudentAge   [2]int64 `yaml:"student_age" json:"student_age" jsonschema:"minimum=0,maximum=150"`       // 18, 24
	RoamSharePct int64    `yaml:"roam_share_pct" json:"roam_share_pct" jsonschema:"minimum=0,maximum=100"` // 30, inclusive: roaming part of voice in m
	RoamCities   int64    `yaml:"roam_cities" json:"roam_cities" jsonschema:"minimum=1,maximum=255"`       // 3, inclusive
	// ComplaintKeywords are the words that tag a complaint's text (C23), by topic:
	// tariff, network, service, billing, sp.
	ComplaintKeywords map[string][]string `yaml:"complaint_keywords" json:"complaint_keywords"`
}

// Offer is a line of the offer matrix.
type Offer struct {
	// When is the condition: not_retained, vip, t1 … t14, network_cause, student,
	// traveller, employer_pays, bill_shock, price_cause, low_balance, stage_early,
	// stage_middle, stage_late, stage_complete, or always. Several are one line
	// each.
	When string `yaml:"when" json:"when" jsonschema:"required"`
	// Offer is the name of the offer: NONE, PERSONAL_VISIT, DUNNING_REMINDER …
	Offer string `yaml:"offer" json:"offer" jsonschema:"required"`
}
