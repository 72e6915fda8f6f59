package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/coordinator/client"
	"rescore/partition/store/address"
)

func (a *app) versionsCommand() *cobra.Command {
	var path, dataset string
	cmd := &cobra.Command{
		Use:   "versions [JOB.yaml]",
		Short: "List the published versions of a dataset, oldest first",
		Long: `Versions lists what is published in the output folder of a job file, or in the
folder that --path names. With neither it takes job.yaml in the current folder,
or else the current folder itself. The current version is what readers of the
dataset get: the newest, unless somebody rolled back.

With --dataset it asks a cluster for the history of a dataset, with its
rollbacks.`,
		Example: `  rescore versions job.yaml
  rescore versions --path out --output json
  rescore versions --dataset base`,
		Args: between(0, 1),
	}
	f, c := a.jobFlags(cmd), a.clusterFlags(cmd)
	cmd.Flags().StringVar(&path, "path", "", "output `folder` of the dataset, instead of a job file")
	cmd.Flags().StringVar(&dataset, "dataset", "", "`name` of a dataset of a cluster, instead of a folder")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := path
		switch {
		case dataset != "" && (path != "" || len(args) > 0):
			return boot.Usagef("give one of them", "versions was given --dataset and a folder")
		case dataset != "":
			return a.ask(c, func(cmd *cobra.Command, _ []string, c *client.Client) error {
				return a.history(cmd.Context(), c, dataset)
			})(cmd, args)
		case path != "" && len(args) > 0:
			return boot.Usagef("give one of the two", "versions was given a job file and --path")
		case path == "" && len(args) == 0:
			dir = "."
			if _, err := os.Stat("job.yaml"); err == nil {
				dir, args = "", []string{"job.yaml"}
			}
		}
		if dir == "" {
			d, base, err := f.read(a, cmd, args[0])
			if err != nil {
				return err
			}
			dir = address.Resolve(base, d.Spec.Output.Path)
		}
		list, err := a.work.versions(cmd.Context(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			return boot.WithCode(err, boot.NotFound, "nothing has been published there; rescore run publishes a version")
		}
		if err != nil {
			return err
		}
		if a.json() {
			type object struct {
				versionJSON
				Month       int32     `json:"month"`
				PublishedAt time.Time `json:"published_at"`
			}
			objects := make([]object, len(list))
			for i, v := range list {
				objects[i] = object{versionJSON{v.Job, v.Version, v.Path, v.Rows, v.Digest, v.Seconds, v.RowsPerSecond, v.Name, v.Current}, v.Month, v.PublishedAt}
			}
			return a.printJSON(objects)
		}
		if len(list) == 0 {
			_, _ = fmt.Fprintf(a.err, "no version is published in %s\n", dir) // a remark, not the result
			return nil
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(t, "VERSION\tMONTH\tSCORED\tIN\tSECONDS\tPUBLISHED\tDIGEST\t\n")
		for _, v := range list {
			mark := ""
			if v.Current {
				mark = "current"
			}
			_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1f\t%s\t%.12s\t%s\n", v.Version, v.Month, v.Rows.Scored, v.Rows.In, v.Seconds,
				v.PublishedAt.UTC().Format(time.DateTime), v.Digest, mark)
		}
		_ = t.Flush() // a strings.Builder takes everything
		return a.print("%s", b.String())
	}
	return cmd
}

// history prints what a cluster published of a dataset.
func (a *app) history(ctx context.Context, c *client.Client, dataset string) error {
	list, err := c.Versions(ctx, dataset)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(list)
	}
	if len(list.Versions) == 0 {
		_, _ = fmt.Fprintf(a.err, "no version of %s is published\n", dataset) // a remark, not the result
		return nil
	}
	var b strings.Builder
	table(&b, func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "VERSION\tMONTH\tSCORED\tIN\tSECONDS\tPUBLISHED\tDIGEST\tJOB\tSTANDS ON\t\n")
		for _, v := range list.Versions {
			mark := ""
			if v.Current {
				mark = "current"
			}
			_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1f\t%s\t%.12s\t%s\t%s\t%s\n", v.Version, v.Month, v.Rows.Scored, v.Rows.In, v.Seconds,
				v.Published.UTC().Format(time.DateTime), v.Digest, v.Job, dash(v.Base), mark)
		}
	})
	for _, r := range list.Rollbacks {
		fmt.Fprintf(&b, "rolled back to %s by %s: %s\n", r.Version, r.Who, r.Reason)
	}
	return a.print("%s", b.String())
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program",
		Example: "  rescore version --output json",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"` // of the source; "" when the build did not know it
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{version, "", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			if a.json() {
				return a.printJSON(v)
			}
			return a.print("rescore %s (%s, %s)\n", v.Version, v.Go, v.Platform)
		},
	}
}
