package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
)

func (a *app) membersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the coordinators of a cluster; add, promote and remove them",
		Long: `Members lists the coordinators: who has a vote and who leads.

To replace one: start the new one with --join, add it, promote it, and only then
remove the old one. A name is never used again for other data.`,
		Example: `  rescore members
  rescore members add c4 h4:7300
  rescore members promote c4
  rescore members remove c1`,
		Args: exactly(0),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, _ []string, c *client.Client) error {
		return a.printMembers(c.Members(cmd.Context()))
	})
	cmd.AddCommand(a.membersAdd(), a.membersPromote(), a.membersRemove())
	return cmd
}

func (a *app) membersAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add ID ADDRESS",
		Short:   "Bring in a coordinator that was started with --join; it has no vote yet",
		Example: `  rescore members add c4 h4:7300`,
		Args:    exactly(2),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		return a.printMembers(c.AddMember(cmd.Context(), args[0], args[1]))
	})
	return cmd
}

func (a *app) membersPromote() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "promote ID",
		Short:   "Give a coordinator its vote, once it has caught up",
		Example: `  rescore members promote c4`,
		Args:    exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		return a.printMembers(c.PromoteMember(cmd.Context(), args[0]))
	})
	return cmd
}

func (a *app) membersRemove() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a coordinator out of the cluster for good",
		Long: `Remove takes a coordinator out. Of three voters none is taken out without
--force: two stand a failure less than three do.`,
		Example: `  rescore members remove c1
  rescore members remove c1 --force`,
		Args: exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "also when fewer than three voters are left")
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		return a.printMembers(c.RemoveMember(cmd.Context(), args[0], force))
	})
	return cmd
}

func (a *app) printMembers(list api.Members, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(list.Members)
	}
	return a.table(func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "ID\tADDRESS\tROLE\t\n")
		for _, m := range list.Members {
			role, leads := "learner", ""
			if m.Voter {
				role = "voter"
			}
			if m.Leader {
				leads = "leads"
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.ID, m.Address, role, leads)
		}
	})
}

func (a *app) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a cluster's whole ledger to a file",
		Long: `Backup writes jobs, versions and history as they are now. It is the control
plane alone: inputs and published versions are backed up with their folders.
A file that is there is not written over.`,
		Example: `  rescore backup ledger-2026-11-22.backup`,
		Args:    exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		size, err := writeBackup(args[0], func(w io.Writer) (int64, error) { return c.Backup(cmd.Context(), w) })
		if errors.Is(err, os.ErrExist) {
			return boot.WithCode(err, boot.Conflict, "give the backup another name")
		}
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(struct {
				Path  string `json:"path"`
				Bytes int64  `json:"bytes"`
			}{args[0], size})
		}
		return a.print("%s: %d bytes\n", args[0], size)
	})
	return cmd
}

// writeBackup makes a file that is there under its name only when it is whole and on
// disk.
func writeBackup(name string, fill func(io.Writer) (int64, error)) (size int64, err error) {
	if _, err := os.Lstat(name); err == nil {
		return 0, fmt.Errorf("write backup %s: %w", name, os.ErrExist)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	size, err = fill(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(part, name) // fails where the name is taken; a rename would not
	}
	return size, errors.Join(err, os.Remove(part))
}

func (a *app) restoreCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of a cluster's ledger",
		Long: `Restore is for a cluster that has just begun, after the old one was lost. The
ledger takes a new name, so that whatever of the old one may live on cannot
publish beside it; jobs that were under way are failed and go on with
rescore retry. What was done since the backup is done again.`,
		Example: `  rescore restore ledger-2026-11-22.backup
  rescore restore ledger-2026-11-22.backup --force`,
		Args: exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "also where there are jobs, which are gone then")
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		backup, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("read backup: %w", err)
		}
		done, err := c.Restore(cmd.Context(), backup, force)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(done)
		}
		if err := a.print("restored %d jobs; the ledger is now named %s\n", done.Jobs, done.Cluster); err != nil {
			return err
		}
		for _, id := range done.Retry {
			if err := a.print("  rescore retry %s\n", id); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}
