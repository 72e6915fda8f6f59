package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
)

func (a *app) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "rescore",
		Short: "Score a whole subscriber base and publish one complete version",
		Long: `Rescore reads every subscriber of a province, derives features, applies 14
early-warning triggers, scores churn propensity, decides whom to retain, and
publishes the result as one complete, immutable version. Killed at any moment
and started again, it goes on where it stopped, and the bytes are the same.

Data goes to stdout, everything else to stderr. Values come from --set, flags,
the environment (RESCORE_RUN__WORKERS is run.workers), the job file and the
defaults, the first that has one; rescore config view JOB --origin says which.`,
		Example: `  rescore synth --out province --subscribers 100000
  rescore run province/job.yaml
  rescore versions province/job.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.format != "text" && a.format != "json" {
				wrong := a.format
				a.format = "text"
				return boot.Usagef("write text or json", "--output %s is not known", wrong)
			}
			return nil
		},
	})
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return boot.Usagef("see "+cmd.CommandPath()+" --help", "%v", err)
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.format, "output", "text", "form of the result and of errors: `text` or json")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no summary on stderr")
	flags.BoolVar(&a.noColor, "no-color", false, "no colour, as NO_COLOR and TERM=dumb say too")
	flags.StringVar(&a.logLevel, "log-level", "", "least `level` of the log on stderr: debug, info, warn (default) or error")
	complete(root, "output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	complete(root, "log-level", cobra.FixedCompletions(boot.Levels, cobra.ShellCompDirectiveNoFileComp))

	root.AddCommand(a.coordinatorCommand(), a.workerCommand())
	root.AddCommand(a.submitCommand(), a.jobsCommand(), a.statusCommand(), a.watchCommand(), a.cancelCommand(), a.pauseCommand(), a.resumeCommand(), a.retryCommand(), a.publishCommand(),
		a.rerunCommand(), a.rollbackCommand(), a.diffCommand(), a.gcCommand(), a.workersCommand(), a.drainCommand(), a.membersCommand(), a.backupCommand(), a.restoreCommand())
	root.AddCommand(a.prepareCommand(), a.runCommand(), a.planCommand(), a.synthCommand(), a.versionsCommand(), a.verifyCommand(), a.explainCommand(), a.whatifCommand(), a.configCommand(),
		a.featuresCommand(), a.rulesCommand(), a.modelCommand(), a.benchCommand(), a.capacityCommand(), a.versionCommand(), a.completionCommand(), exitCodes())
	root.SetHelpCommand(helpCommand(root))
	return root
}

// group makes a command that only holds others: called by itself, or with a word
// it does not know, it says so and fails. cobra's own groups end with code 0.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return boot.Usagef("choose one of "+strings.Join(subcommands(cmd), ", ")+"; see "+cmd.CommandPath()+" --help", "%s needs a command", cmd.CommandPath())
		}
		hint := "see " + cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + near[0] + "?"
		}
		return boot.Usagef(hint, "%s has no command %s", cmd.CommandPath(), args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// exactly takes n arguments, named as in the usage line.
func exactly(n int) cobra.PositionalArgs { return between(n, n) }

func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return boot.Usagef("the usage is: "+cmd.UseLine(), "%s was given %d arguments", cmd.CommandPath(), len(args))
	}
}

// complete registers how a flag's values are completed.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(fmt.Sprintf("rescore: %v", err)) // a flag that is not there
	}
}

// helpCommand is cobra's, except that a topic it does not know is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Example: "  rescore help run",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd := root
			for _, word := range args {
				i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
				if i < 0 {
					return boot.Usagef("see rescore --help", "there is no command %s", strings.Join(args, " "))
				}
				cmd = cmd.Commands()[i]
			}
			return cmd.Help()
		},
	}
}

// exitCodes is a help topic: it has no Run, so it is no command.
func exitCodes() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes of every command:\n")
	for _, c := range boot.Codes {
		fmt.Fprintf(&b, "\n  %3d  %-12s %s", c.Code, c.Kind, c.Meaning)
	}
	b.WriteString("\n\nWith --output json an error is one line of JSON on stderr: code, message, hint, kind.")
	return &cobra.Command{Use: "exit-codes", Short: "Exit codes, and what they mean", Long: b.String()}
}

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print a completion script for bash, zsh, fish or powershell",
		Example:   "  source <(rescore completion bash)\n  rescore completion zsh > \"${fpath[1]}/_rescore\"",
		Args:      exactly(1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.out)
			case "fish":
				return cmd.Root().GenFishCompletion(a.out, true)
			case "powershell":
				return cmd.Root().GenPowerShellCompletionWithDesc(a.out)
			}
			return boot.Usagef("write one of "+strings.Join(shells, ", "), "there is no completion for %s", args[0])
		},
	}
}
