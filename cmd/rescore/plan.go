package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/local"
	"rescore/partition/job"
	"rescore/worker/program"
)

// planJSON is a plan as programs read it.
type planJSON struct {
	Job        job.ID          `json:"job"`
	Already    bool            `json:"already"` // published before: run would do nothing
	Version    string          `json:"version,omitempty"`
	Rows       int64           `json:"rows"`
	Files      []job.InputFile `json:"files"`
	Missing    []int32         `json:"missing_months"` // without files, read as missing
	Partitions []planPart      `json:"partitions"`
	Columns    []string        `json:"columns"`
	Absent     []string        `json:"absent"`
	Unknown    []planUnknown   `json:"unknown"`
	Model      string          `json:"model"`
	Features   int             `json:"model_features"`
	Program    string          `json:"program"`
	Picture    program.Picture `json:"program_picture"` // the same, as structure
	Select     program.Picture `json:"select_picture"`  // of the select stage

	Challengers []local.PlanChallenger `json:"challengers,omitempty"`
	Reasons     local.PlanReasons      `json:"reasons"`
	Package     *planPackage           `json:"model_package,omitempty"` // nil of a bare model file
}

// planPackage is the package that the model comes in.
type planPackage struct {
	Name       string   `json:"name"`        // id and version
	GoldenRows int      `json:"golden_rows"` // scored, and found right
	Overruled  []string `json:"overruled"`   // features that the job file binds otherwise than the package
	Watched    int      `json:"watched"`     // columns that are watched for drift
}

type planPart struct {
	Range string `json:"range"`
	Rows  int64  `json:"rows"`
}

type planUnknown struct {
	Output  string   `json:"output"`
	Missing []string `json:"missing"`
	Effect  string   `json:"effect"`
}

func (a *app) planCommand() *cobra.Command {
	var partitions, picture bool
	cmd := &cobra.Command{
		Use:   "plan JOB.yaml",
		Short: "Show what a run would do, and which outputs would be unknown",
		Long: `Plan surveys the input as run does, and changes nothing. It shows the files,
the partitions, whether the version is there already, the models with the
features that challengers alone need, and which rules and outputs would be
UNKNOWN because the input lacks columns they need.

With --program it draws the data's way through the house: the columns that are
read, the kernels room by room with what each reads and makes, the columns that
are written, the bytes of each, and what is left out because nobody needs it.`,
		Example: `  rescore plan job.yaml
  rescore plan job.yaml --partitions --program
  rescore plan job.yaml --output json`,
		Args: exactly(1),
	}
	f := a.jobFlags(cmd)
	cmd.Flags().BoolVar(&partitions, "partitions", false, "list every partition")
	cmd.Flags().BoolVar(&picture, "program", false, "draw the program: columns read, kernels in order, columns written, bytes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(a, cmd, args[0], job.KindScore)
		if err != nil {
			return err
		}
		r, err := a.work.plan(cmd.Context(), o)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(planForJSON(r))
		}
		return a.print("%s", planText(r, partitions, picture))
	}
	return cmd
}

func planForJSON(r local.PlanReport) planJSON {
	p := planJSON{
		Job: r.Job, Already: r.Already, Version: r.Version, Rows: r.Rows, Files: append([]job.InputFile{}, r.Files...), Missing: append([]int32{}, r.Missing...),
		Partitions: []planPart{}, Columns: append([]string{}, r.Columns...), Absent: append([]string{}, r.Absent...),
		Unknown: []planUnknown{}, Model: r.Model, Features: r.Features, Program: r.Program, Picture: r.Picture, Select: r.Select, Challengers: r.Challengers,
		Reasons: r.Reasons,
	}
	if r.Package != "" {
		p.Package = &planPackage{r.Package, r.GoldenRows, append([]string{}, r.Overruled...), r.Watched}
	}
	for _, t := range r.Tasks {
		p.Partitions = append(p.Partitions, planPart(t))
	}
	for _, u := range r.Unknown {
		p.Unknown = append(p.Unknown, planUnknown{u.Output, append([]string{}, u.Missing...), u.Effect})
	}
	return p
}

func planText(r local.PlanReport, partitions, picture bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s\n", r.Job)
	if r.Already {
		fmt.Fprintf(&b, "  published as version %s: a run would do nothing\n", r.Version)
	}
	fmt.Fprintf(&b, "  input       %d files, %d rows in the scoring month\n", len(r.Files), r.Rows)
	for _, month := range r.Missing {
		fmt.Fprintf(&b, "  month       %06d has no files: it is read as missing\n", month)
	}
	if len(r.Tasks) > 0 {
		least, most := r.Tasks[0].Rows, r.Tasks[0].Rows
		for _, t := range r.Tasks {
			least, most = min(least, t.Rows), max(most, t.Rows)
		}
		fmt.Fprintf(&b, "  partitions  %d, of %d to %d rows\n", len(r.Tasks), least, most)
	}
	fmt.Fprintf(&b, "  model       %s, %d features\n", r.Model, r.Features)
	if r.Package != "" {
		fmt.Fprintf(&b, "  package     %s, %d golden rows scored right, %d columns watched for drift\n", r.Package, r.GoldenRows, r.Watched)
	}
	if len(r.Overruled) > 0 {
		fmt.Fprintf(&b, "  bindings    the job file overrules the package's of %s\n", strings.Join(r.Overruled, ", "))
	}
	b.WriteString(reasonsText(r.Reasons))
	for _, c := range r.Challengers {
		fmt.Fprintf(&b, "  challenger  %s: %s, %d features", c.Name, c.Model, c.Features)
		if len(c.Alone) > 0 {
			fmt.Fprintf(&b, "; not the champion's: %s", strings.Join(c.Alone, ", "))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "  columns     %d canonical, %d absent\n", len(r.Columns), len(r.Absent))
	if len(r.Unknown) == 0 {
		b.WriteString("\nevery output can be worked out\n")
	} else {
		b.WriteString("\nunknown or limited, because columns are absent:\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, u := range r.Unknown {
			_, _ = fmt.Fprintf(t, "  %s\t%s\tlacks %s\n", u.Output, u.Effect, strings.Join(u.Missing, ", "))
		}
		_ = t.Flush() // a strings.Builder takes everything
	}
	if partitions {
		b.WriteString("\npartitions:\n")
		for i, t := range r.Tasks {
			fmt.Fprintf(&b, "  %5d  %s  %d rows\n", i, t.Range, t.Rows)
		}
	}
	if picture {
		fmt.Fprintf(&b, "\nscore, row by row\n\n%s\nselect, once the whole base is counted\n\n%s\n%s", pictureText(r.Picture), pictureText(r.Select), restText(r.Picture))
	}
	return b.String()
}

// reasonsText says how rows would be explained.
func reasonsText(r local.PlanReasons) string {
	text := "  reasons     " + map[string]string{"path": "of every row by path attribution", "none": "of no row by path attribution"}[r.Method]
	if r.Exact != "none" {
		text += fmt.Sprintf("; of the %s list exactly, %d rows at most", r.Exact, r.ExactRows)
	}
	if r.Unexplained != "" {
		text += "\n              " + r.Unexplained
	}
	return text + "\n"
}
