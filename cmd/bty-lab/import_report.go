package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"bty/internal/wire"
)

// outcomes are in the order in which people are told of them: what needs them comes last.
var outcomes = []string{wire.TakenUnchanged, wire.TakenNew, wire.TakenChanged, wire.TakenReplaced, wire.TakenKept, wire.TakenNot, wire.TakenConflict, wire.TakenRefused}

// tellPeople writes a line for each row, the sums, and what is left to do.
func (i *importing) tellPeople(ctx context.Context, report wire.Takeover) error {
	rows := slices.Clone(report.Rows)
	slices.SortStableFunc(rows, func(a, b wire.TakeoverRow) int {
		return slices.Index(outcomes, a.Outcome) - slices.Index(outcomes, b.Outcome)
	})
	table := tabwriter.NewWriter(i.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t%s %s\t%s\n", row.Outcome, row.Kind, row.ID, row.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(i.stdout, "\n%s of bty %s: %s\n", sources(report), report.MadeBy, sums(report.Outcomes))
	if verdict(report) != nil {
		return nil
	}
	if n := len(report.WillFlash); n > 0 {
		fmt.Fprintf(i.stdout, "%s at the next network boot, as there: %s\n", count(n, "machine is flashed", "machines are flashed"), several(report.WillFlash))
	}
	if report.DryRun {
		fmt.Fprintln(i.stdout, "this was a dry run: nothing was written. Repeat it without --dry-run")
	}
	if !report.Written {
		return nil
	}
	if report.Events > 0 {
		fmt.Fprintf(i.stdout, "its log of %d events stays there; keep the file if you may want to read it\n", report.Events)
	}
	for _, line := range i.beside(ctx, filepath.Dir(report.Source)) {
		fmt.Fprintln(i.stdout, line)
	}
	return nil
}

// sources names the files that the rows are from.
func sources(report wire.Takeover) string {
	if report.Catalog == "" || report.Catalog == report.Source {
		return report.Source
	}
	return report.Source + " and " + report.Catalog
}

func sums(n map[string]int) string {
	var parts []string
	for _, outcome := range outcomes {
		if n[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[outcome], outcome))
		}
	}
	if len(parts) == 0 {
		return "it has no machines, no images and no settings"
	}
	return strings.Join(parts, ", ")
}

// several names the first few.
func several(list []string) string {
	const few = 10
	if len(list) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:few], " "), len(list)-few)
	}
	return strings.Join(list, " ")
}
