package local

import (
	"slices"
	"testing"
	"time"
)

func TestStagesAddUpToTheWhole(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	w := &stageWatch{last: start}
	for _, look := range []struct {
		stage  string
		second int
	}{{"survey", 0}, {"survey", 1}, {"score", 3}, {"score", 7}, {"publish", 15}, {"publish", 16}} {
		w.at(look.stage, start.Add(time.Duration(look.second)*time.Second))
	}
	want := []StageTime{{Stage: "survey", Seconds: 3}, {Stage: "score", Seconds: 12}, {Stage: "publish", Seconds: 1}}
	if !slices.Equal(w.stages, want) {
		t.Errorf("stages are %v, want %v", w.stages, want)
	}
}
