package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/partition/job"
	"rescore/worker/formula"
)

func (a *app) rulesCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "rules",
		Short:   "Check files of the users' own rules and features",
		Example: "  rescore rules check rules.yaml",
	})
	cmd.AddCommand(a.rulesCheck())
	return cmd
}

func (a *app) rulesCheck() *cobra.Command {
	var jobFile, kind string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a file of rules or features, and explain every formula",
		Long: `Check reads a file of rules or features and reports every mistake at once, with
its line, the token, and what to write instead. Of a file without mistakes it
prints, for every formula, its type and unit, the columns and months it reads,
and when it has no value. It opens no input.

With --job it knows the job's extra columns and, for rules, its features.`,
		Example: `  rescore rules check rules.yaml --job job.yaml
  rescore rules check features.yaml --output json`,
		Args: exactly(1),
	}
	cmd.Flags().StringVar(&jobFile, "job", "", "job `file` whose extra columns and features the formulas may name")
	cmd.Flags().StringVar(&kind, "kind", "", "what FILE holds: rules or features; by default its name says so")
	complete(cmd, "kind", cobra.FixedCompletions(boot.Kinds, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec, err := a.specOf(cmd, jobFile)
		if err != nil {
			return err
		}
		name, data, err := a.readFormulas(args[0])
		if err != nil {
			return err
		}
		if kind == "" {
			kind = boot.KindOf(name)
		}
		if spec, err = boot.LoadAlone(kind, name, data, spec); err != nil {
			return err
		}
		list := []formula.Info{}
		for _, f := range formula.Describe(spec) {
			if f.Rule == (kind == "rules") {
				list = append(list, f)
			}
		}
		if a.json() {
			return a.printJSON(list)
		}
		return a.print("%s", formulasText(name, kind, list))
	}
	return cmd
}

// specOf returns a job's spec, or the default one when no job was named.
func (a *app) specOf(cmd *cobra.Command, jobFile string) (job.Spec, error) {
	if jobFile == "" {
		return job.Default(), nil
	}
	d, _, err := (&jobFlags{}).read(a, cmd, jobFile)
	return d.Spec, err
}

// readFormulas reads a file, - for stdin.
func (a *app) readFormulas(arg string) (name string, data []byte, err error) {
	name, r := "stdin", a.in
	if arg != "-" {
		file, err := os.Open(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil, boot.WithCode(fmt.Errorf("read formulas: %w", err), boot.NotFound, "name a file of rules or features; deploy/example has one of each")
		case err != nil:
			return "", nil, fmt.Errorf("read formulas: %w", err)
		}
		defer func() { _ = file.Close() }() // opened for reading only
		name, r = arg, file
	}
	if data, err = io.ReadAll(io.LimitReader(r, job.BytesMax+1)); err != nil {
		return "", nil, fmt.Errorf("read formulas %s: %w", name, err)
	}
	return name, data, nil
}

func formulasText(file, kind string, list []formula.Info) string {
	var b strings.Builder
	for i, f := range list {
		what := f.Type + ", " + f.Unit
		switch {
		case f.Rule:
			what = fmt.Sprintf("rule %d", i+1)
		case f.Unit == "" || f.Unit == f.Type:
			what = f.Type
		}
		fmt.Fprintf(&b, "%s  (%s)\n  %s\n  reads  %s\n", f.Name, what, f.Formula, strings.Join(f.Reads, "; "))
		never := "never"
		if f.Null != "" {
			never = f.Null
		}
		fmt.Fprintf(&b, "  null   %s\n\n", never)
	}
	fmt.Fprintf(&b, "%s: %d %s, no problem found\n", file, len(list), kind)
	return b.String()
}
