package ledger

import (
	"fmt"

	"rescore/partition/job"
)

// generationBits is how many of a token's bits are the log index. The bits above count
// the names that the ledger had: a ledger restored from a backup goes on at an index
// below tokens that the one it was copied from gave, and none of them may be current.
// 44 bits are entries for decades, and leave tokens that a float64 of JSON tells apart.
const generationBits = 44

// token is the fencing token of a grant at an index.
func (s *State) token(index uint64) job.Token { return job.Token(s.generation<<generationBits | index) }

func (c Found) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Cluster == "" {
		return nil, nil, fmt.Errorf("a ledger's name is needed: %w", ErrCommand)
	}
	if c.Cluster == s.cluster || c.After != s.cluster {
		return FoundReply{Cluster: s.cluster}, nil, nil
	}
	var events []Event
	if s.cluster != "" {
		s.generation++
		for _, j := range s.jobs {
			switch j.State {
			case job.Submitted, job.Running, job.Held:
				events = append(events, j.fail(index, fmt.Sprintf("the ledger was restored as %s; retry the job, and it goes on under an epoch of its own", c.Cluster))...)
			case job.Sealed, job.Published, job.Failed, job.Cancelled: // a sealed version has its name, whoever publishes it
			}
		}
	}
	s.cluster = c.Cluster
	return FoundReply{Cluster: s.cluster}, events, nil
}
