// Package figures makes the project's tables and pictures: it measures what a plan asks for, keeps what was measured as raw JSON,
// and renders that as often as wanted.
//
// A [Plan] is a list of [Experiment]s, each a list of [Cell]s: one configuration of a workload, a protocol and an engine. A
// [Runner] measures each cell, a few times if it is an important one (a round each), every time in a fresh directory and in a
// process of its own. What it measured of an experiment is a [Sheet], a file of raw JSON. Its [Summary], with the median and the range
// of each number, is a file of CSV. From summaries come the exhibits: tables, charts as SVG, results/README.md and a page
// ([Render]). The paper's numbers that stand beside ours are in paper.json. Texts quote numbers in blocks that are made from templates ([Quote]).
//
// Start reading at cell.go, then plan.go, runner.go, summary.go and render.go.
package figures
