package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
)

// A base that is measured briefly, where nothing was measured before.
const (
	brieflySubscribers = 200_000
	brieflyRepeat      = 1
)

func (a *app) capacityCommand() *cobra.Command {
	var ask capacity.Ask
	var deadline time.Duration
	var model, record, dir, figures string
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Say what workers, machines, memory and disk a base takes, from measured figures",
		Long: `Capacity takes what rescore bench job measured on this machine with that model and
works out what another base takes: how many machines like this one, how many workers
on each, how long, how much memory, how many bytes of disk and how many of them a
second. It prints what it assumes. Figures of the nearest size are taken; where there
are none, a base of 200 000 subscribers is measured briefly, which is worse than
rescore bench job with a larger one.

With --deadline the fewest machines are found, and on each the fewest workers of those
that were measured. With --machines too it is said whether they do. Without a deadline
it is said how long it takes.

Afterwards rescore run, on a machine with figures, says how long its job should have
taken and did take.`,
		Example: `  rescore bench job --subscribers 10000000 --workers 1,2
  rescore capacity --deadline 2h --subscribers 170000000
  rescore capacity --subscribers 300000000 --machines 4 --model model.txt --output json`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.Int64Var(&ask.Subscribers, "subscribers", 0, "size of the base; required")
	flags.DurationVar(&deadline, "deadline", 0, "`time` within which it must be done, such as 2h")
	flags.Float64Var(&ask.Reserve, "reserve", 0.2, "`share` of the deadline that is kept back for machines that die and for stragglers")
	flags.IntVar(&ask.Machines, "machines", 0, "how many machines there are; 0 is as many as the deadline asks for, or one")
	flags.StringVar(&model, "model", "builtin:baseline", "model `file` or package")
	flags.StringVar(&record, "record", bench.Full, strings.Join(bench.Records, " or ")+", as for rescore bench job")
	flags.StringVar(&dir, "dir", "", "`folder` to measure in, where nothing was measured before; as for rescore bench job")
	a.figuresFlag(cmd, &figures)
	complete(cmd, "record", cobra.FixedCompletions(bench.Records, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case ask.Subscribers < 1:
			return boot.Usagef("write how many subscribers the base has, as in --subscribers 170000000", "capacity needs --subscribers of 1 or more")
		case deadline < 0 || deadline == 0 && cmd.Flags().Changed("deadline"):
			return boot.Usagef("write a time such as 2h", "--deadline %s is no time to be done in", deadline)
		case !(ask.Reserve >= 0 && ask.Reserve < 1):
			return boot.Usagef("write a share such as 0.2", "--reserve %v is not from 0 up to 1", ask.Reserve)
		case ask.Machines < 0 || ask.Machines > 1_000_000:
			return boot.Usagef("write a number from 1, or leave it out", "--machines %d is out of range", ask.Machines)
		case record != bench.Full && record != bench.Narrow:
			return boot.Usagef("write "+strings.Join(bench.Records, " or "), "--record %s is not known", record)
		}
		if record == bench.Narrow && !cmd.Flags().Changed("model") {
			model = "" // its own
		}
		ask.Deadline = deadline.Seconds()
		m, err := a.measured(cmd.Context(), model, record, dir, figures, ask.Subscribers)
		if err != nil {
			return err
		}
		answer, err := capacity.Plan(m, ask)
		if err != nil {
			return boot.WithCode(err, boot.Failure, "delete the file of figures, and measure again with rescore bench job")
		}
		if a.json() {
			return a.printJSON(answer)
		}
		return a.printCapacity(answer)
	}
	return cmd
}

// measured finds the figures of this machine for a model, or takes them.
func (a *app) measured(ctx context.Context, model, record, dir, figures string, subscribers int64) (m capacity.Measured, err error) {
	path := a.figures(figures)
	if path == "" {
		return m, boot.Usagef("name the file, as in --figures figures.json", "there is no cache folder to look for figures in: HOME is not set")
	}
	digest, err := "", error(nil)
	if model == "" {
		digest, err = bench.NarrowDigest()
	} else if b, wrong := readModel(ctx, model); wrong != nil {
		err = wrong
	} else {
		digest = b.Digest
	}
	if err != nil {
		return m, err
	}
	list, err := bench.ReadFigures(path)
	if err != nil {
		return m, err
	}
	host, _ := os.Hostname()
	if m, ok := capacity.Find(list, host, digest, record, subscribers); ok {
		return m, nil
	}
	a.say("no figures of this machine with this model in %s: measuring %d subscribers briefly; rescore bench job measures more\n", path, brieflySubscribers)
	j := bench.Job{Subscribers: []int64{brieflySubscribers}, Repeat: brieflyRepeat, Record: record, Model: model, Dir: dir, Workers: []int{1}}
	if n := runtime.GOMAXPROCS(0); n > 1 {
		j.Workers = append(j.Workers, n)
	}
	reports, err := a.measure(ctx, j, figures)
	if err != nil {
		return m, err
	}
	return reports[0].Figures(), nil
}

// printCapacity writes the answer for people.
func (a *app) printCapacity(c capacity.Answer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d subscribers: %s on %s with %s each\n", c.Subscribers, roughly(c.Seconds), several(c.Machines, "machine"), several(c.WorkersEach, "worker"))
	if c.Deadline > 0 {
		word := "meets"
		if !c.Meets {
			word = "does not meet"
		}
		fmt.Fprintf(&b, "  %s the deadline of %s, its reserve kept\n", word, roughly(c.Deadline))
	}
	fmt.Fprintf(&b, "  memory    %.1f GB a machine at most\n", float64(c.MaxRSSEach)/1e9)
	fmt.Fprintf(&b, "  processor %s of one core\n", roughly(c.CPUSeconds))
	fmt.Fprintf(&b, "  disk      base %.1f GB, version %.1f GB, free for it %.1f GB while it is made\n", float64(c.InputBytes)/1e9, float64(c.OutputBytes)/1e9, float64(c.DiskBytes)/1e9)
	fmt.Fprintf(&b, "  files     %.0f MB a second read and %.0f MB a second written by each machine\n", c.ReadEach/1e6, c.WriteEach/1e6)
	b.WriteString("assumed:\n")
	for _, line := range c.Assumptions {
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	return a.print("%s", b.String())
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// roughly writes seconds as people say them.
func roughly(seconds float64) string {
	d := time.Duration(min(seconds, 1e9) * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", seconds)
	case d < 10*time.Minute:
		return fmt.Sprintf("%.0f s", seconds)
	}
	return d.Round(time.Minute).String()
}
