package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/cluster"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
)

// clusterFlags are the flags of every command that asks a cluster.
type clusterFlags struct {
	coordinators, tokenFile string
	tls                     tlsFlags
	insecure                bool
	patience                time.Duration
}

func (a *app) clusterFlags(cmd *cobra.Command) *clusterFlags {
	f := &clusterFlags{}
	flags := cmd.Flags()
	flags.StringVar(&f.coordinators, "coordinators", "", "the coordinators' `addresses`, h1:7300,h2:7300,h3:7300 (RESCORE_COORDINATORS)")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` of the cluster's token (RESCORE_TOKEN_FILE)")
	f.tls.bind(flags)
	flags.BoolVar(&f.insecure, "insecure", false, "send the token beyond this machine without TLS")
	flags.DurationVar(&f.patience, "patience", 30*time.Second, "how `long` to go on asking while no coordinator answers")
	return f
}

// connect returns a client of the cluster. It speaks to nobody yet.
func (f *clusterFlags) connect(a *app) (*client.Client, error) {
	addresses := f.coordinators
	if addresses == "" {
		addresses = a.env("RESCORE_COORDINATORS")
	}
	bases, err := cluster.ParseCoordinators(addresses)
	if err != nil {
		return nil, err
	}
	token, err := a.token(f.tokenFile)
	if err != nil {
		return nil, err
	}
	secure, err := f.tls.config()
	if err != nil {
		return nil, err
	}
	cfg := client.Config{Token: token, User: whoami(a), TLS: secure, Patience: f.patience}
	for _, base := range bases {
		if err := cluster.Near(f.insecure || secure != nil, base.Host); err != nil {
			return nil, err
		}
		cfg.Coordinators = append(cfg.Coordinators, base.String())
	}
	return client.New(cfg)
}

// config returns how to speak to coordinators; nil is without TLS. A certificate of
// one's own is for roles: who asks shows the token.
func (f *tlsFlags) config() (*tls.Config, error) {
	if f.ca == "" {
		if f.cert != "" || f.key != "" {
			return nil, boot.Usagef("name the cluster's authority with --tls-ca", "--tls-cert and --tls-key go with --tls-ca")
		}
		return nil, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, boot.Usagef("give a file of PEM certificates", "%s holds no certificate", f.ca)
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// whoami names the person at the keyboard, for the ledger.
func whoami(a *app) string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if name := a.env("USER"); name != "" {
		return name
	}
	return "unknown"
}

// ask is the RunE of a command that asks a cluster one thing.
func (a *app) ask(f *clusterFlags, do func(cmd *cobra.Command, args []string, c *client.Client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := f.connect(a)
		if err != nil {
			return err
		}
		defer c.Close()
		return do(cmd, args, c)
	}
}

// answered gives what a cluster said its exit code and hint.
func answered(err error) error {
	var e api.Error
	if errors.As(err, &e) {
		return boot.WithCode(err, e.Code, e.Hint)
	}
	return err
}
