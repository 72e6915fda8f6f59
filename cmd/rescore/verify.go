package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
)

func (a *app) verifyCommand() *cobra.Command {
	var path string
	var workers int
	cmd := &cobra.Command{
		Use:   "verify [VERSION] --path DIR",
		Short: "Read a published version again, and hold every byte of it to its manifest",
		Long: `Verify reads every file of a published version, the current one when none is named:
sizes and SHA-256 of all files, and of score files every row, whose sums must add up
to the version's digest. Damage of the disk, a copy that was cut short and a file that
somebody changed are found, and each damaged file is named (exit code 1).

It needs the dataset's folder alone, no job file, model or cluster, and changes nothing.`,
		Example: `  rescore verify --path province/out
  rescore verify v0001-0000000042 --path s3://scores/base --output json`,
		Args: between(0, 1),
	}
	cmd.Flags().StringVar(&path, "path", "", "`folder` of the dataset, in which its versions are published")
	cmd.Flags().IntVar(&workers, "workers", runtime.GOMAXPROCS(0), "how many files to read at a time")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case path == "":
			return boot.Usagef("name the dataset's folder with --path; rescore versions lists what is published there", "verify was given no folder")
		case workers < 1 || workers > 1024:
			return boot.Usagef("write a number from 1 to 1024", "--workers %d is out of range", workers)
		}
		var id string
		if len(args) > 0 {
			id = args[0]
		}
		v, err := a.verified(cmd.Context(), path, id, workers)
		if err != nil {
			return boot.WithCode(err, codeOf(err), "rescore versions lists what is published in a folder")
		}
		if a.json() {
			err = a.printJSON(v)
		} else {
			err = a.print("%s", verifiedText(v))
		}
		if len(v.Damage) > 0 {
			err = errors.Join(err, boot.WithCode(fmt.Errorf("version %s is not as it was published: damaged files: %d", v.Version, len(v.Damage)), boot.Failure,
				"bring the files back from a copy; on a cluster, rescore rollback makes an older version current, and rescore rerun scores the partitions again"))
		}
		return err
	}
	return cmd
}

func (a *app) verified(ctx context.Context, path, id string, workers int) (v local.Verified, err error) {
	start := time.Now()
	err = a.show(func(update func(progress.Sample)) (err error) {
		v, err = local.Verify(ctx, path, id, workers, func(p local.Progress) {
			p.Elapsed = time.Since(start)
			update(progress.Sample(p))
		})
		return err
	})
	return v, err
}

// verifiedText writes it for people.
func verifiedText(v local.Verified) string {
	var b strings.Builder
	rows := "rows of another record, not decoded"
	if v.Decoded {
		rows = fmt.Sprintf("%d rows", v.Rows)
	}
	fmt.Fprintf(&b, "%s %s: %d files, %d bytes, %s\n", v.Dataset, v.Version, v.Files, v.Bytes, rows)
	if len(v.Damage) == 0 {
		fmt.Fprintf(&b, "every byte is as it was published, digest %s\n", v.Digest)
	}
	for _, d := range v.Damage {
		fmt.Fprintf(&b, "damaged: %s: %s\n", d.File, d.Problem)
	}
	return b.String()
}
