package api

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// forward passes a request on to the coordinator that leads and reports whether it
// did; false means that it is this one.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request) bool {
	const again = "ask again, or another coordinator: a cluster chooses a leader within seconds"
	leader, ok := h.cfg.Cluster.Leader()
	switch {
	case ok && leader == h.cfg.Cluster.ID():
		return false
	case !ok, r.Header.Get(forwarded) != "": // whoever passed it on knows no better than we do
		refuse(w, Error{Code: Unavailable, Message: "no coordinator leads just now", Hint: again})
		return true
	}
	address, ok := h.cfg.Address(leader)
	if !ok {
		refuse(w, Error{Code: Unavailable, Message: "coordinator " + leader + " leads, and nobody knows its address here", Hint: "name every coordinator in --peers"})
		return true
	}
	scheme := "http"
	if h.cfg.TLS != nil {
		scheme = "https"
	}
	ctx, done := h.while(r.Context(), leader)
	defer done()
	proxy := httputil.ReverseProxy{
		Transport: h.leader, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), // it asks again, which is no news
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: scheme, Host: address})
			p.Out.Header.Set(forwarded, h.cfg.Cluster.ID())
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
				refuse(w, errorOf(err))
				return
			}
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			// It may have been carried out, which is why every change can be asked for again.
			refuse(w, Error{Code: Unavailable, Message: "coordinator " + leader + " does not answer: " + err.Error(), Hint: again})
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
	return true
}

var errDeposed = errors.New("it leads no more")

// while returns a context that ends when another coordinator leads, or none: one that
// died, or was stopped with its connections open, would let whoever asked wait.
func (h *Handler) while(ctx context.Context, leader string) (_ context.Context, done func()) {
	ctx, end := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now, ok := h.cfg.Cluster.Leader(); !ok || now != leader {
				end(errDeposed)
			}
		}
	})
	return ctx, func() {
		end(nil)
		watching.Wait()
	}
}
