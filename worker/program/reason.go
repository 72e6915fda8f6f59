package program

import (
	"rescore/partition/job"
	"rescore/worker/attribution"
)

// explain prepares the model's path attribution, if it is asked for and there is
// one. A model that cannot be explained is scored all the same.
func (m *Model) explain(asked job.Explanation) {
	if asked.Method != "path" {
		return
	}
	var err error
	if m.path, err = attribution.NewPath(m.ensemble); err != nil {
		m.Unexplained = err.Error()
	}
}
