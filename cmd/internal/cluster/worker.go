package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/worker"
	"rescore/worker/bus"
)

// Worker says how one worker is run.
type Worker struct {
	ID           string // unique in the cluster; made of host and process when empty
	Coordinators []Base
	NATS         []string // URLs of nats-servers outside; none: the coordinators' own
	Token        string
	TLS          *tls.Config // RootCAs and this worker's certificate; nil is plain TCP
	Insecure     bool        // plain TCP beyond this machine
	Slots        int         // partitions at once; 0 is one per core
	BatchRows    int         // 0 is the default
	Drain        time.Duration
	Version      string // of this build
	Log          *slog.Logger
}

// Run runs a worker until ctx ends or it is told to leave, and returns when its tasks
// are finished or given back; that is no error.
func (w Worker) Run(ctx context.Context) error {
	urls := w.NATS
	hosts, err := unsealed(w.NATS)
	if err != nil {
		return err
	}
	for _, b := range w.Coordinators {
		hosts = append(hosts, b.Host)
		if len(w.NATS) == 0 {
			urls = append(urls, "nats://"+b.at(clientsPort))
		}
	}
	if w.TLS == nil {
		if err := Near(w.Insecure, hosts...); err != nil {
			return err
		}
	}
	host, _ := os.Hostname()
	if w.ID == "" {
		w.ID = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	client, err := bus.Dial(urls, w.ID, w.Token, w.TLS, w.Log)
	if err != nil {
		return refused(err)
	}
	defer client.Close()
	works := worker.New(worker.Config{
		ID: w.ID, Slots: w.Slots, BatchRows: w.BatchRows, Drain: w.Drain, Host: host, Version: w.Version,
		Bus: client, Places: local.Places, Log: w.Log,
	})
	w.Log.Info("worker starts", "worker", w.ID)
	// The first signal lets it finish what it has: only what is below ends its context.
	group, running := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error {
		select {
		case <-ctx.Done():
			works.Drain()
		case <-running.Done():
		}
		return nil
	})
	group.Go(func() error {
		select {
		case <-client.Closed():
			return refused(bus.ErrRefused)
		case <-running.Done():
			return nil
		}
	})
	group.Go(func() error {
		answering, stop := context.WithCancel(running)
		defer stop()
		go func() {
			select {
			case <-works.Draining():
				stop()
			case <-answering.Done():
			}
		}()
		if err := client.Serve(answering, works); answering.Err() == nil {
			return err
		}
		return nil
	})
	group.Go(func() error {
		if err := works.Run(running); err != nil || running.Err() != nil {
			return err
		}
		return errLeft
	})
	if err := group.Wait(); !errors.Is(err, errLeft) {
		return err
	}
	w.Log.Info("worker has left", "worker", w.ID)
	return nil
}

// errLeft stops what a worker that has drained still listens to.
var errLeft = errors.New("the worker has left")

func refused(err error) error {
	if errors.Is(err, bus.ErrRefused) {
		return boot.WithCode(err, boot.Failure, "give the worker the coordinators' token file and, with TLS, a certificate that names rescore://worker")
	}
	return err
}
