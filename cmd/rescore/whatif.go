package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/whatif"
	"rescore/partition/job"
)

func (a *app) whatifCommand() *cobra.Command {
	var sets []string
	var rules, sample string
	var workers int
	cmd := &cobra.Command{
		Use:   "whatif VERSION --set KEY=VALUE",
		Short: "Count whom other rules would warn, without scoring again",
		Long: `Whatif takes a published version and its input and counts, trigger by trigger,
how many subscribers changed rules would warn: before, after, newly, no longer.
It reads only the columns the triggers need, and the model only when a rule of
your own reads what it makes.

An exact answer judges every row by the old rules and by the new, and is given
only when the old ones make the published figures. With --sample it reads some
segments, the same every time, and gives 95 % intervals; what was published stays
exact. A base too small to sample is gone over whole. The answer says which.

` + versionWords,
		Example: `  rescore whatif province/job.yaml --set t2.drop_pct=30
  rescore whatif province/job.yaml --set t2.drop_pct=30 --set t8.faults=3 --sample 5%
  rescore whatif province/out --rules rules.yaml --output json`,
		Args: exactly(1),
	}
	v := a.versionFlags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&sets, "set", nil, "change a `KEY=VALUE` of the rules: t2.drop_pct=30, also t2_drop_pct and rules.t2_drop_pct; repeatable")
	flags.StringVar(&rules, "rules", "", "a `file` of rules to try in place of the version's own")
	flags.StringVar(&sample, "sample", "", "look at this `share` of the rows only, such as 5%")
	flags.IntVar(&workers, "workers", 0, "goroutines; 0 is one per core")
	complete(cmd, "set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var keys []string
		for _, v := range job.Default().Values() {
			if key, ok := strings.CutPrefix(v.Path, "rules.t"); ok && key[0] >= '0' && key[0] <= '9' {
				keys = append(keys, "t"+strings.Replace(key, "_", ".", 1)+"=")
			}
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(sets) == 0 && rules == "" {
			return boot.Usagef("say what to change, as in --set t2.drop_pct=30", "whatif needs --set or --rules")
		}
		if workers < 0 {
			return boot.Usagef("write 0 for as many as there are cores", "--workers cannot be negative")
		}
		o := whatif.Options{Workers: workers}
		if o.Workers == 0 {
			o.Workers = runtime.GOMAXPROCS(0)
		}
		var err error
		if o.Share, err = share(sample); err != nil {
			return err
		}
		version, err := v.open(cmd.Context(), a, cmd, args[0])
		if err != nil {
			return err
		}
		var file *job.Text
		if rules != "" {
			file = &job.Text{Name: rules}
			file.Data, err = os.ReadFile(rules)
			if errors.Is(err, fs.ErrNotExist) {
				return boot.WithCode(fmt.Errorf("read rules: %w", err), boot.NotFound, "name a file of rules; rescore rules check looks one over")
			}
			if err != nil {
				return fmt.Errorf("read rules: %w", err)
			}
		}
		o.Spec, err = whatif.Changed(version.Spec, file, sets)
		if errors.Is(err, whatif.ErrRules) {
			return boot.Usagef("rescore config default lists the keys of rules, with what they mean", "%v", err)
		}
		if err != nil {
			return err
		}
		var answer *whatif.Answer
		err = a.show(func(update func(progress.Sample)) (err error) {
			o.Progress = func(p local.Progress) { update(progress.Sample(p)) }
			answer, err = a.work.whatif(cmd.Context(), version, o)
			return err
		})
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(answer)
		}
		return a.print("%s", answer.Text())
	}
	return cmd
}

// share reads 5% or 0.05; "" is 0, all rows.
func share(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 && x <= 1) {
		return 0, boot.Usagef("write a share above 0 and up to all, such as 5%", "--sample %s is no share of the rows", text)
	}
	return x, nil
}
