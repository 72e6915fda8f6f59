package main

import (
	"crypto/tls"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/cluster"
	"rescore/cmd/internal/machine"
)

func (a *app) workerCommand() *cobra.Command {
	var w cluster.Worker
	var coordinators, tokenFile, memory string
	var t tlsFlags
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run a worker of a cluster",
		Long: `Worker asks the coordinators for partitions, scores them and reports, until it
is stopped. Start as many as there are machines; they need not be named
anywhere. A worker whose coordinator dies finds another one within a second.

On SIGTERM, or after rescore drain, it takes nothing more, finishes what it has
within --drain, gives back the rest, and ends with code 0. Given back is no
failed attempt. A second signal ends it at once; its partitions are then given
away when the coordinators miss it.

Memory is about that of --slots partitions; --memory makes the runtime collect
garbage harder before it is over that many bytes.`,
		Example: `  rescore worker --coordinators h1:7300,h2:7300,h3:7300 --token-file token --tls-ca ca.pem --tls-cert w1.pem --tls-key w1.key
  rescore worker --coordinators 127.0.0.1:7300 --token-file token --slots 2 --memory 4GiB`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.StringVar(&coordinators, "coordinators", "", "the coordinators' `addresses`, h1:7300,h2:7300,h3:7300 (RESCORE_COORDINATORS)")
	flags.StringVar(&tokenFile, "token-file", "", "`file` of the cluster's token (RESCORE_TOKEN_FILE)")
	flags.StringVar(&w.ID, "id", "", "the worker's `name`, unique in the cluster; made of host and process by default")
	flags.IntVar(&w.Slots, "slots", 0, "partitions scored at once; 0 is one per core")
	flags.IntVar(&w.BatchRows, "batch-rows", 0, "rows of a batch; 0 is the default, which fits the cache")
	flags.StringVar(&memory, "memory", "", "soft limit of the memory used, such as `4GiB`; as GOMEMLIMIT, which it goes before")
	flags.DurationVar(&w.Drain, "drain", time.Minute, "`time` to finish partitions in flight once told to leave")
	flags.StringSliceVar(&w.NATS, "nats", nil, "`URLs` of nats-servers, where the coordinators use such")
	flags.BoolVar(&w.Insecure, "insecure", false, "speak to other machines without TLS")
	t.bind(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if coordinators == "" {
			coordinators = a.env("RESCORE_COORDINATORS")
		}
		if len(w.NATS) == 0 || coordinators != "" {
			if w.Coordinators, err = cluster.ParseCoordinators(coordinators); err != nil {
				return err
			}
		}
		switch {
		case w.Slots < 0 || w.Slots > 4096:
			return boot.Usagef("write 1 to 4096, or 0 for one per core", "--slots %d cannot be", w.Slots)
		case w.BatchRows < 0 || w.BatchRows > 1<<20:
			return boot.Usagef("write 1 to 1048576, or 0 for the default", "--batch-rows %d cannot be", w.BatchRows)
		case w.Drain <= 0:
			return boot.Usagef("write a time such as 60s", "--drain %s is no time to finish in", w.Drain)
		case len(w.ID) > 128 || strings.ContainsAny(w.ID, " \t\r\n"):
			return boot.Usagef("write at most 128 characters without spaces", "--id %q is no name", w.ID)
		}
		if err := limitMemory(memory); err != nil {
			return err
		}
		if w.Token, err = a.token(tokenFile); err != nil {
			return err
		}
		if w.TLS, err = t.mutual(); err != nil {
			return err
		}
		if w.Log, err = a.roleLog(); err != nil {
			return err
		}
		w.Version = version
		if w.Slots == 0 {
			w.Slots = runtime.GOMAXPROCS(0)
		}
		machine.Spare(w.Slots)
		return w.Run(cmd.Context())
	}
	return cmd
}

// units of --memory.
var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}

// limitMemory sets the soft limit of the process; "" leaves it as it is.
func limitMemory(text string) error {
	if text == "" {
		return nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64/u.bytes {
			break
		}
		debug.SetMemoryLimit(n * u.bytes)
		return nil
	}
	return boot.Usagef("write a number of bytes, or one with KiB, MiB, GiB or TiB, such as 4GiB", "--memory %q is no amount of memory", text)
}

// token reads the cluster's token from the file a flag names, or the environment.
func (a *app) token(file string) (string, error) {
	if file == "" {
		file = a.env("RESCORE_TOKEN_FILE")
	}
	if file == "" {
		return "", boot.Usagef("name it with --token-file or in RESCORE_TOKEN_FILE", "no token file is named")
	}
	return cluster.ReadToken(file)
}

// roleLog is the log of a process that stays: on stderr, from info on.
func (a *app) roleLog() (*slog.Logger, error) {
	level := a.logLevel
	if level == "" && a.env("RESCORE_LOG_LEVEL") == "" {
		level = "info"
	}
	return boot.Logger(a.err, level, a.environ)
}

// tlsFlags name the certificates of a role.
type tlsFlags struct{ ca, cert, key string }

func (f *tlsFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.ca, "tls-ca", "", "`file` of the cluster's certificate authority; without it, nothing is encrypted")
	flags.StringVar(&f.cert, "tls-cert", "", "`file` of this process's certificate, which names its role in a URI")
	flags.StringVar(&f.key, "tls-key", "", "`file` of its key")
}

// mutual returns the TLS of a role, which always has a certificate; nil is none.
func (f *tlsFlags) mutual() (*tls.Config, error) {
	if f.ca != "" && (f.cert == "" || f.key == "") {
		return nil, boot.Usagef("give --tls-cert and --tls-key too", "--tls-ca alone does not say who this process is")
	}
	return f.config()
}
