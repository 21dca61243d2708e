package bench

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) error {
	_, _ = fmt.Fprintf(w, "%d users on %s, %d rounds, %d cores.", r.Users, r.Database, r.Rounds, r.Cores)
	if r.Fsyncs > 0 {
		_, _ = fmt.Fprintf(w, " The disk forces %.0f pages a second (greatest over least round: %.1f).", r.Fsyncs, r.FsyncSpread)
	}
	_, _ = fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "OPERATION\tRATE/S\tP50\tP99\tCPU\tAGAINST\tRATE/S\tCPU\tRATIO\tDEMAND\t")
	for i := range r.Results {
		x := &r.Results[i]
		value := number(x.Value)
		if x.Verdict == TooNoisy {
			value = "-"
		} else if x.Unit != "" {
			value += " " + x.Unit
		}
		bound := "≥ "
		if x.AtMost {
			bound = "≤ "
		}
		if bound += number(x.Demand); x.Demand == 0 {
			bound = ""
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Operation, count(x.Rate), micro(x.P50), micro(x.P99),
			micro(x.CPU), x.Baseline, count(x.BaselineRate), micro(x.BaselineCPU), value, bound, x.Verdict)
	}
	return t.Flush()
}

func count(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

func number(f float64) string {
	if f >= 10 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// micro prints microseconds.
func micro(us float64) string {
	switch {
	case us == 0:
		return ""
	case us < 1000:
		return strconv.FormatFloat(us, 'f', 0, 64) + "µs"
	}
	return strconv.FormatFloat(us/1000, 'f', 1, 64) + "ms"
}
