package main

import (
	"fmt"
	"strconv"
	"strings"
)

// column is what the table shows of a peer: one value, or several with slashes between.
type column struct {
	title  string
	values func(f *figures) []float64
	show   func(float64) string
	better better
}

// better says which way of two values is ahead, for the ratios.
type better int

const (
	notCompared better = iota
	more
	less
)

type table struct {
	columns []column
	rows    []row
}

type row struct {
	peer    peer
	figures figures
}

func newTable(s scale) *table {
	one := func(v func(f *figures) float64) func(f *figures) []float64 {
		return func(f *figures) []float64 { return []float64{v(f)} }
	}
	t := &table{columns: []column{
		{"disk syncs/s before", one(func(f *figures) float64 { return f.SyncsPerSecond }), whole, notCompared},
		{"enqueue/s", one(func(f *figures) float64 { return f.EnqueueSingle }), whole, more},
		{"enqueue/s, 100 a request", one(func(f *figures) float64 { return f.EnqueueBatched }), whole, more},
		{"claim + settle/s", one(func(f *figures) float64 { return f.SettleSingle }), whole, more},
		{"claim + settle/s, 100 a request", one(func(f *figures) float64 { return f.SettleBatched }), whole, more},
	}}
	open := func(what string, of func(f *figures) [len(openRates)]quantiles) {
		for i, rate := range openRates {
			t.columns = append(t.columns, column{
				fmt.Sprintf("%s at %s/s, p50 / p99 ms", what, thousands(rate)),
				func(f *figures) []float64 { q := of(f)[i]; return []float64{q.P50, q.P99} }, significant, less})
		}
	}
	open("enqueue", func(f *figures) [len(openRates)]quantiles { return f.AckedMs })
	open("sent → started", func(f *figures) [len(openRates)]quantiles { return f.StartedMs })
	t.columns = append(t.columns,
		column{fmt.Sprintf("MiB at %s waiting jobs", thousands(s.memoryJobs)), one(func(f *figures) float64 { return f.MemoryMiB }), whole, less},
		column{"jobs", one(func(f *figures) float64 { return float64(f.Counts.Jobs) }), count, notCompared},
		column{"lost", one(func(f *figures) float64 { return float64(f.Counts.Lost) }), count, notCompared},
		column{"started twice", one(func(f *figures) float64 { return float64(f.Counts.Duplicates) }), count, notCompared})
	return t
}

func (t *table) printHead() { printHead("peer", t.columns) }

func (t *table) printRow(p peer, f figures) {
	t.rows = append(t.rows, row{p, f})
	printCells(p.title, t.columns, func(c column) string { return cell(c.values(&f), c.show) })
}

// printNote stands for a row without figures.
func (t *table) printNote(p peer, note string) {
	printCells(p.title, t.columns, func(c column) string {
		if c.title == t.columns[0].title {
			return note
		}
		return ""
	})
}

// printRatios says how far ahead of each peer Sluice is, when it was run.
func (t *table) printRatios() {
	if len(t.rows) < 2 || t.rows[0].peer.name != "sluice" {
		return
	}
	var compared []column
	for _, c := range t.columns {
		if c.better != notCompared {
			compared = append(compared, c)
		}
	}
	fmt.Println("\nHow many times better Sluice is than each; below 1 it is behind.")
	fmt.Println()
	printHead("Sluice against", compared)
	for _, r := range t.rows[1:] {
		printCells(r.peer.title, compared, func(c column) string {
			ratios := c.values(&r.figures)
			for i, ours := range c.values(&t.rows[0].figures) {
				ratios[i] = ratio(ours, ratios[i], c.better)
			}
			return cell(ratios, significant)
		})
	}
}

// ratio is 0 where one of both has no such thing.
func ratio(ours, theirs float64, b better) float64 {
	if ours == 0 || theirs == 0 {
		return 0
	}
	if b == more {
		return ours / theirs
	}
	return theirs / ours
}

func printHead(first string, columns []column) {
	printCells(first, columns, func(c column) string { return c.title })
	fmt.Println(strings.Repeat("|---", len(columns)+1) + "|")
}

func printCells(first string, columns []column, text func(c column) string) {
	line := "| " + first
	for _, c := range columns {
		line += " | " + text(c)
	}
	fmt.Println(line + " |")
}

func cell(values []float64, show func(float64) string) string {
	shown := make([]string, len(values))
	for i, v := range values {
		shown[i] = show(v)
	}
	return strings.Join(shown, " / ")
}

// whole shows a figure that is nothing when it is 0.
func whole(v float64) string {
	if v == 0 {
		return "–"
	}
	return count(v)
}

func count(v float64) string { return thousands(int(v + 0.5)) }

// significant shows small figures with decimals.
func significant(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(v)
}

func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
