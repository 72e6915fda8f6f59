package replica

import (
	"fmt"

	"github.com/hashicorp/go-metrics"
	hashicorp "github.com/hashicorp/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// Measure has raft's own figures, of all replicas of this process from now on, shown by a
// registry: what an entry takes to commit and to apply, when the leader was last spoken
// to, the age of the oldest entry, what a snapshot took to read. Their names are
// hashicorp's, such as rescore_raft_fsm_apply. Call it once a process.
func Measure(to prometheus.Registerer) error {
	shown, err := hashicorp.NewPrometheusSinkFrom(hashicorp.PrometheusOpts{Registerer: to, Name: "rescore_raft_sink"})
	if err != nil {
		return fmt.Errorf("show raft's figures: %w", err)
	}
	cfg := metrics.DefaultConfig("rescore")
	cfg.EnableHostname, cfg.EnableRuntimeMetrics = false, false // Prometheus knows the one, and the registry's own collectors the other
	if _, err := metrics.NewGlobal(cfg, shown); err != nil {
		return fmt.Errorf("show raft's figures: %w", err)
	}
	return nil
}
