package kernel

import "github.com/apache/arrow/go/v15/arrow"

// The history columns say how far back a row's months may be believed. The
// program makes them once a batch (feature.NewHistory) and kernels read them as
// inputs: a number can have belonged to somebody else before its activation
// date, so months before it are null whatever the input says.
//
// In all of them month k is the month k before the scoring month.
var (
	// History: bit k is set when month k is not before the activation month.
	// All six bits are set when the activation date is unknown.
	History = Field{"history", arrow.PrimitiveTypes.Uint8}
	// HistoryCompare is History for comparisons between months: without the
	// activation month where it is partial and the rules exclude it.
	HistoryCompare = Field{"history_compare", arrow.PrimitiveTypes.Uint8}
	// HistoryDepth: how many full months rules may rely on, 254 at most; 255
	// when nothing is known that limits them.
	HistoryDepth = Field{"history_depth", arrow.PrimitiveTypes.Uint8}
	// HistoryTenure: full months on network, -1 unknown.
	HistoryTenure = Field{"history_tenure", arrow.PrimitiveTypes.Int16}
)

// NoLimit is the HistoryDepth of a row about which nothing is known.
const NoLimit = 255
