package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/explain"
	"rescore/cmd/internal/local"
	"rescore/partition"
	"rescore/partition/store/address"
)

// versionFlags say where a version is, for commands that take one.
type versionFlags struct{ path, base string }

func (a *app) versionFlags(cmd *cobra.Command) *versionFlags {
	f := &versionFlags{}
	cmd.Flags().StringVar(&f.path, "path", "", "output `folder` of the dataset that VERSION, an id, is of; default that of job.yaml here, or this folder")
	cmd.Flags().StringVar(&f.base, "base", "", "`folder` of the job file, where it cannot be told from the version's place")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
	return f
}

// versionWords is the part of the help about VERSION.
const versionWords = `VERSION is the folder of a version, a dataset's output folder or a job file (its
current version is meant), or an id as rescore versions prints it, of the
dataset that --path names.`

// open finds the version that arg names.
func (f *versionFlags) open(ctx context.Context, a *app, cmd *cobra.Command, arg string) (*local.Version, error) {
	dir, id, base := f.path, arg, f.base
	if address.Remote(arg) {
		if f.path != "" {
			return nil, boot.Usagef("with --path give a version's id, as rescore versions prints it", "%s is a path, and so is --path", arg)
		}
		return openAt(ctx, arg, "", base)
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && f.path != "":
		return nil, boot.Usagef("with --path give a version's id, as rescore versions prints it", "%s is a path, and so is --path", arg)
	case err == nil && !info.IsDir():
		dir, id = "", ""
	case err == nil && exists(filepath.Join(arg, "_MANIFEST.json")):
		whole, err := filepath.Abs(arg)
		if err != nil {
			return nil, fmt.Errorf("find version: %w", err)
		}
		dir, id = filepath.Join(whole, "..", ".."), strings.TrimPrefix(filepath.Base(whole), "version=")
	case err == nil:
		dir, id = arg, ""
	case strings.ContainsRune(arg, filepath.Separator):
		return nil, boot.WithCode(fmt.Errorf("open version: %w", err), boot.NotFound, "rescore versions lists what is published")
	case dir == "":
		if dir = "."; exists("job.yaml") {
			dir, arg = "", "job.yaml"
		}
	}
	if dir == "" { // a job file
		d, folder, err := (&jobFlags{}).read(a, cmd, arg)
		if err != nil {
			return nil, err
		}
		dir = address.Resolve(folder, d.Spec.Output.Path)
		if base == "" {
			base = folder
		}
	}
	return openAt(ctx, dir, id, base)
}

func openAt(ctx context.Context, dir, id, base string) (*local.Version, error) {
	v, err := local.OpenVersion(ctx, dir, id, base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, boot.WithCode(err, boot.NotFound, "rescore versions lists what is published")
	}
	return v, err
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func (a *app) explainCommand() *cobra.Command {
	var number, lang string
	var unmask bool
	cmd := &cobra.Command{
		Use:   "explain --number NUMBER VERSION",
		Short: "Say of one subscriber why a version says what it says",
		Long: `Explain prints the record used, every feature, every trigger with its threshold
and the values compared, the decision and its path, the offer and the published
row, in English or Chinese. It reads only what holds the number, runs the job's
own kernels on it, and holds the answer to the published row.

` + versionWords + `

The number is masked in the answer, and the handset's too, unless --unmask is
given. --number - reads it from stdin, which leaves it out of the shell's history.
An input that has changed since is refused.`,
		Example: `  rescore explain --number 13800138000 province/job.yaml
  echo 13800138000 | rescore explain --number - province/out --lang zh
  rescore explain --number 13800138000 v0001-0000000014 --path province/out --output json`,
		Args: exactly(1),
	}
	v := a.versionFlags(cmd)
	cmd.Flags().StringVar(&number, "number", "", "the subscriber's `number`, 11 digits; - reads it from stdin")
	cmd.Flags().StringVar(&lang, "lang", "", "language of the answer: `en` or zh; default by LANG")
	cmd.Flags().BoolVar(&unmask, "unmask", false, "show the number, and the handset's, in full")
	complete(cmd, "lang", cobra.FixedCompletions([]string{"en", "zh"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := a.number(number)
		if err != nil {
			return err
		}
		o := explain.Options{Unmask: unmask}
		if o.Lang, err = a.lang(lang); err != nil {
			return err
		}
		version, err := v.open(cmd.Context(), a, cmd, args[0])
		if err != nil {
			return err
		}
		answer, err := a.work.explain(cmd.Context(), version, n, o)
		if errors.Is(err, explain.ErrAbsent) {
			return boot.WithCode(err, boot.NotFound, "check the number, and that the version is the one you mean")
		}
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

// number reads the number asked for. It is in no error.
func (a *app) number(text string) (partition.Number, error) {
	switch text {
	case "":
		return 0, boot.Usagef("name the subscriber, as in --number 13800138000", "explain needs --number")
	case "-":
		line, err := bufio.NewReader(io.LimitReader(a.in, 64)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read the number from stdin: %w", err)
		}
		text = strings.TrimSpace(line)
	}
	n, err := partition.ParseNumber(text)
	if err != nil {
		return 0, boot.Usagef("write eleven digits, nothing before and between them", "--number is %v", err)
	}
	return n, nil
}

// lang chooses the language: the flag, then what the environment says as other
// programs read it.
func (a *app) lang(flag string) (explain.Lang, error) {
	if flag != "" {
		lang, ok := explain.LangOf(flag)
		if !ok {
			return lang, boot.Usagef("write en or zh", "--lang %s is not known", flag)
		}
		return lang, nil
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if text := a.env(name); text != "" {
			lang, _ := explain.LangOf(text) // any other language: English
			return lang, nil
		}
	}
	return explain.English, nil
}
