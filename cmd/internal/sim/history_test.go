package sim

import (
	"testing"

	"github.com/anishathalye/porcupine"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

func TestAHistoryThatNoSingleTaskHasIsFound(t *testing.T) {
	t.Parallel()
	op := func(call, returned int64, in touch, out answer) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Output: out, Return: returned}
	}
	grant := touch{kind: ledger.KindGrant}
	complete := func(token job.Token, result string) touch {
		return touch{kind: ledger.KindComplete, token: token, result: result}
	}
	for name, c := range map[string]struct {
		ops  []porcupine.Operation
		want bool
	}{
		"granted, completed, told again": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, complete(7, "a"), answer{ok: true}), op(5, 6, complete(7, "a"), answer{ok: true, repeat: true}),
		}, true},
		"completed before the grant was asked for": {[]porcupine.Operation{
			op(3, 4, grant, answer{token: 7}), op(1, 2, complete(7, "a"), answer{ok: true}),
		}, false},
		"completed while the grant was on its way": {[]porcupine.Operation{
			op(1, 9, grant, answer{token: 7}), op(2, 4, complete(7, "a"), answer{ok: true}),
		}, true},
		"completed twice": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, complete(7, "a"), answer{ok: true}), op(5, 6, complete(7, "a"), answer{ok: true}),
		}, false},
		"repeated with another result": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, complete(7, "a"), answer{ok: true}), op(5, 6, complete(7, "b"), answer{ok: true, repeat: true}),
		}, false},
		"granted to two": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, grant, answer{token: 9}),
		}, false},
		"granted again after it ran out": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, touch{kind: ledger.KindExpire, token: 7}, answer{ok: true}), op(5, 6, grant, answer{token: 9}),
		}, true},
		"its holder is refused when it gives back": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, touch{kind: ledger.KindFail, token: 7}, answer{}),
		}, false},
		"doubled, and the second first": {[]porcupine.Operation{
			op(1, 2, grant, answer{token: 7}), op(3, 4, touch{kind: ledger.KindDouble, token: 7}, answer{ok: true, token: 9}),
			op(5, 6, complete(9, "b"), answer{ok: true}), op(7, 8, complete(7, "a"), answer{ok: true, second: true}),
		}, true},
	} {
		if got := porcupine.CheckOperations(tasks, c.ops); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
