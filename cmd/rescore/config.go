package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/partition/job"
)

func (a *app) configCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "config",
		Short:   "Look at job files: values, problems, schema, defaults",
		Example: "  rescore config validate job.yaml",
	})
	cmd.AddCommand(a.configView(), a.configValidate(), a.configSchema(), a.configDefault())
	return cmd
}

// originTextMax is the longest value that the column of values makes room for: a
// matrix of offers in one line would push every origin off the screen.
const originTextMax = 48

func (a *app) configView() *cobra.Command {
	var origin bool
	cmd := &cobra.Command{
		Use:   "view JOB.yaml",
		Short: "Print every value a run would use, and with --origin where it comes from",
		Example: `  rescore config view job.yaml
  RESCORE_RUN__WORKERS=4 rescore config view job.yaml --origin`,
		Args: exactly(1),
	}
	f := a.jobFlags(cmd)
	cmd.Flags().BoolVar(&origin, "origin", false, "one key a line, with the place its value was given")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, _, err := f.read(a, cmd, args[0])
		if err != nil {
			return err
		}
		if a.json() {
			type key struct {
				Path   string     `json:"path"`
				Value  string     `json:"value"` // as YAML writes it
				Origin job.Origin `json:"origin"`
			}
			keys := []key{}
			for _, v := range d.Spec.Values() {
				o := d.Origin(v.Path)
				if o.Source == "" {
					o.Source = "default"
				}
				keys = append(keys, key{v.Path, v.Text, o})
			}
			return a.printJSON(keys)
		}
		if !origin {
			return a.print("%s", d.Spec.YAML(false))
		}
		values := d.Spec.Values()
		paths, texts := 0, 0
		for _, v := range values {
			paths = max(paths, len(v.Path))
			if n := len(v.Text); n <= originTextMax {
				texts = max(texts, n)
			}
		}
		var b strings.Builder
		for _, v := range values {
			fmt.Fprintf(&b, "%-*s  %-*s  %s\n", paths, v.Path, texts, v.Text, d.Origin(v.Path))
		}
		return a.print("%s", b.String())
	}
	return cmd
}

func (a *app) configValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate JOB.yaml",
		Short: "Report everything wrong with a job file, with line and remedy",
		Long: `Validate reads the job file, with environment and flags laid over it, and
reports every problem at once: file, line, key, what is wrong, and what to do.
It opens no input; rescore plan does.`,
		Example: `  rescore config validate job.yaml
  rescore config validate job.yaml --output json`,
		Args: exactly(1),
	}
	f := a.jobFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, _, err := f.read(a, cmd, args[0])
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(struct {
				Valid  bool   `json:"valid"`
				Digest string `json:"digest"`
				Rules  string `json:"rules_digest"`
			}{true, d.Spec.Digest(), d.Spec.RulesDigest()})
		}
		return a.print("%s: no problem found\n", args[0])
	}
	return cmd
}

func (a *app) configSchema() *cobra.Command {
	kinds := slices.Sorted(maps.Keys(schemas))
	return &cobra.Command{
		Use:   "schema [job|rules|policy|features]",
		Short: "Print the JSON Schema of the job file or of a file beside it, for editors",
		Long: `Schema prints the JSON Schema of the job file, or of a file of rules, policy or
features. An editor with a YAML language server checks and completes files that
begin with the line # yaml-language-server: $schema=job.schema.json`,
		Example: `  rescore config schema > job.schema.json
  rescore config schema rules > rules.schema.json`,
		Args:      between(0, 1),
		ValidArgs: kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			make := jobSchema
			if len(args) > 0 {
				if make = schemas[args[0]]; make == nil {
					return boot.Usagef("write one of "+strings.Join(kinds, ", "), "there is no schema of %s", args[0])
				}
			}
			text, err := json.MarshalIndent(make(), "", "  ")
			if err != nil {
				return fmt.Errorf("write JSON Schema: %w", err)
			}
			return a.print("%s\n", text)
		},
	}
}

func (a *app) configDefault() *cobra.Command {
	return &cobra.Command{
		Use:     "default",
		Short:   "Print a job file with every key, its default and what it means",
		Example: "  rescore config default > job.yaml",
		Args:    exactly(0),
		RunE:    func(*cobra.Command, []string) error { return a.print("%s", job.Default().YAML(true)) },
	}
}
