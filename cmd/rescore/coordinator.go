package main

import (
	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/cluster"
)

// coordinatorMemory is what a coordinator may use without being told: a ledger of
// 100 000 partitions fits, with what it takes to copy it for a snapshot.
const coordinatorMemory = "144MiB"

func (a *app) coordinatorCommand() *cobra.Command {
	var c cluster.Coordinator
	var peers, tokenFile, memory string
	var nats []string
	var t tlsFlags
	cmd := &cobra.Command{
		Use:   "coordinator",
		Short: "Run a coordinator of a cluster",
		Long: `Coordinator runs one coordinator until it is stopped. Three of them, on three
machines, keep the jobs: any one may die. They choose who leads; the others
keep the same ledger, carry messages and pass requests on. None of them reads
a subscriber record.

A coordinator listens on its port (raft) and the three above it: NATS for
workers, NATS for the other coordinators, and the API that rescore submit,
status and the others use. Everybody shows the token in --token-file; without
--tls-ca, --tls-cert and --tls-key only this machine is listened to, unless
--insecure says that the network is trusted. Certificates name their role in a
URI: rescore://coordinator or rescore://worker. To make a token:
(umask 077; openssl rand -hex 32 > token)

The folders that job files name must be there, under the same paths, on the
machines of coordinators and of workers.

Memory grows with the partitions of all jobs: the default of --memory is enough
for 100 000 of them. It is a soft limit: over it a coordinator goes on and
collects garbage harder, so give a larger ledger more.

It prints one line when it takes part in the cluster; its log is on stderr, in
JSON. On SIGTERM it hands over and ends with code 0.`,
		Example: `  rescore coordinator --id c1 --dir c1 --token-file token --peers c1=127.0.0.1:7300,c2=127.0.0.1:7310,c3=127.0.0.1:7320
  rescore coordinator --id c1 --dir /var/lib/rescore --token-file token --peers c1=h1:7300,c2=h2:7300,c3=h3:7300 --tls-ca ca.pem --tls-cert c1.pem --tls-key c1.key
  rescore coordinator --id c4 --dir /var/lib/rescore --token-file token --join --peers c1=h1:7300,c2=h2:7300,c3=h3:7300,c4=h4:7300 --tls-ca ca.pem --tls-cert c4.pem --tls-key c4.key`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.StringVar(&c.ID, "id", "", "this coordinator's `name` in the cluster")
	flags.StringVar(&c.Dir, "dir", "", "`folder` of its ledger, on a disk that stays")
	flags.StringVar(&peers, "peers", "", "`coordinators` as ID=HOST:PORT, separated by commas, this one among them; the same list everywhere")
	flags.BoolVar(&c.Join, "join", false, "wait to be added to a cluster that has begun (rescore members add)")
	flags.StringVar(&tokenFile, "token-file", "", "`file` of the cluster's token (RESCORE_TOKEN_FILE)")
	flags.StringSliceVar(&nats, "nats", nil, "`URLs` of nats-servers to use instead of those in the coordinators (deploy/nats.conf)")
	flags.DurationVar(&c.LeaseTTL, "lease-ttl", 0, "`time` after which a silent worker's partitions are given away; 0 is the default, 15s")
	flags.StringVar(&memory, "memory", coordinatorMemory, "soft limit of the `memory` used, such as 1GiB; goes before GOMEMLIMIT, which goes before the default")
	flags.BoolVar(&c.Insecure, "insecure", false, "listen beyond this machine without TLS")
	t.bind(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if c.Peers, err = cluster.ParsePeers(peers); err != nil {
			return err
		}
		if !flags.Changed("memory") && a.env("GOMEMLIMIT") != "" {
			memory = "" // the runtime has read it
		}
		if err := limitMemory(memory); err != nil {
			return err
		}
		if c.Token, err = a.token(tokenFile); err != nil {
			return err
		}
		if c.TLS, err = t.mutual(); err != nil {
			return err
		}
		if c.LeaseTTL < 0 {
			return boot.Usagef("write a time such as 15s", "--lease-ttl %s is no time", c.LeaseTTL)
		}
		if c.Log, err = a.roleLog(); err != nil {
			return err
		}
		c.NATS = nats
		var failed error
		c.Ready = func(l cluster.Listening) {
			if a.json() {
				failed = a.printJSON(l)
				return
			}
			failed = a.print("coordinator %s is ready: raft %s, workers %s, api %s\n", l.ID, l.Raft, l.NATS, l.API)
		}
		if err := c.Run(cmd.Context()); err != nil {
			return err
		}
		return failed
	}
	return cmd
}
