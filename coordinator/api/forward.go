package api

import (
	"net/http"
	"net/http/httputil"
	"net/url"
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
	proxy := httputil.ReverseProxy{
		Transport: h.leader, FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: scheme, Host: address})
			p.Out.Header.Set(forwarded, h.cfg.Cluster.ID())
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			// It may have been carried out, which is why every change can be asked for again.
			refuse(w, Error{Code: Unavailable, Message: "coordinator " + leader + " leads and does not answer: " + err.Error(), Hint: again})
		},
	}
	proxy.ServeHTTP(w, r)
	return true
}
