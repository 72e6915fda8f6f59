package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

const (
	// lookEvery is how often a watched job's state is looked at: a change is sent at once.
	lookEvery = 200 * time.Millisecond
	// sendEvery is how often its status is sent where the state stays.
	sendEvery = time.Second
)

// Over reports whether a job in that state is at its end, or waits for somebody.
func Over(state string) bool {
	return slices.Contains([]string{job.Published.String(), job.Failed.String(), job.Cancelled.String(), job.Held.String()}, state)
}

// events sends a job's status as server-sent events until it is over or held. Each is
// verified as any answer is; when the leadership ends, so does the stream, and the
// client asks again.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	id, err := jobIn(r)
	if err != nil {
		refuse(w, errorOf(err))
		return
	}
	control := http.NewResponseController(w)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for began := false; ; began = true {
		s, err := h.verified(r.Context(), id)
		if err != nil {
			if !began {
				refuse(w, errorOf(err))
			}
			return
		}
		data, err := json.Marshal(s)
		if err != nil {
			panic(fmt.Sprintf("api: encode a status: %v", err)) // plain structs of finite numbers: a bug
		}
		if !began {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		_ = control.SetWriteDeadline(time.Now().Add(bodyTime))
		if _, err := fmt.Fprintf(w, "event: status\ndata: %s\n\n", data); err != nil || control.Flush() != nil || Over(s.State) {
			return
		}
		for sent, state := time.Now(), s.State; state == s.State && time.Since(sent) < sendEvery; {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			state = ""
			_ = h.see(id, func(j *ledger.Job) { state = j.State.String() }) // gone: the next status says so
		}
	}
}

func (h *Handler) verified(ctx context.Context, id job.ID) (Status, error) {
	if err := h.cfg.Cluster.Verify(ctx); err != nil {
		return Status{}, err
	}
	return h.statusOf(id, nil)
}
